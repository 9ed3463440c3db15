package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"drawbridge/authz"
	"drawbridge/bridge"
	"drawbridge/bridge/manage"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"

	"github.com/spf13/cobra"
)

func newAccess() *cobra.Command {
	cmd := &cobra.Command{Use: "access", Short: "Ask who may do what, and why"}
	cmd.AddCommand(newExplain(), newWhoCan(), newAccessList())
	return addServer(cmd)
}

// explainFlags are the flags of access explain.
type explainFlags struct {
	groups   []string
	registry string
	policy   string
}

func newExplain() *cobra.Command {
	var flags explainFlags
	cmd := &cobra.Command{
		Use:   "explain WHO ACTIONS REPOSITORY",
		Short: "Say whether somebody may do something, and why",
		Long: `WHO is CONNECTOR/NAME, robot:NAME or anonymous. ACTIONS are pull, push, delete, or
* for all, with commas between; REPOSITORY is a name, or catalog with the action
catalog.

Groups are looked up with the connector unless --group gives them, or --policy
names a document to be used without a configuration. A robot is in no group; that it
does not exist or may not log in is noted on standard error.

  drawbridge access explain corp/alice push payments/api
  drawbridge access explain corp/alice pull,push payments/api --group payments-dev --policy policy.yaml

Exit code 0: everything asked is allowed; 1: something is not; 2: could not tell.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 3 {
				return fmt.Errorf("give WHO, ACTIONS and REPOSITORY, as in: drawbridge access explain corp/alice push payments/api")
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&flags.groups, "group", nil, "a group the person is in, instead of asking the connector (repeatable)")
	cmd.Flags().StringVar(&flags.registry, "registry", "", "service of the registry (default: the first one configured)")
	cmd.Flags().StringVar(&flags.policy, "policy", "", "policy document, instead of the one the configuration names")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e, err := explain(cmd, args, flags)
		if err != nil {
			return err
		}
		if err := output.print(cmd.OutOrStdout(), e, func() string { return explanationTable(e) }); err != nil {
			return err
		}
		for _, a := range e.Actions {
			if a.Verdict != authz.Allowed {
				return problemsFound()
			}
		}
		return nil
	}
	return cmd
}

func explain(cmd *cobra.Command, args []string, flags explainFlags) (authz.Explanation, error) {
	var none authz.Explanation
	// What cannot be understood is said before anything is opened.
	if _, err := manage.ParseQuestion(args[1], args[2]); err != nil {
		return none, err
	}
	id, err := manage.ParseWho(args[0])
	if err != nil {
		return none, err
	}
	desk, err := openAccess(cmd, flags)
	if err != nil {
		return none, err
	}
	defer desk.close()
	if desk.cfg == nil && flags.groups == nil && !desk.remote {
		flags.groups = []string{} // there is nobody to ask
	}
	noteRobot(cmd, desk.cfg, id)
	return desk.Explain(cmd.Context(), manage.Question{
		Who: args[0], Groups: flags.groups, Registry: flags.registry, Actions: args[1], Repository: args[2],
	})
}

// accessDesk answers questions about access.
type accessDesk struct {
	accessOffice
	// cfg is nil at a server, and where only a document is asked about.
	cfg    *configs.Config
	remote bool
	close  func()
}

// openAccess opens the server's API, the policy that the configuration means, or the
// document alone that --policy names.
func openAccess(cmd *cobra.Command, flags explainFlags) (*accessDesk, error) {
	remote, err := openRemote(cmd)
	if err != nil {
		return nil, err
	}
	if remote != nil {
		if flags.policy != "" {
			return nil, errors.New("--policy names a document here, and --server asks a server about its own; give one of them")
		}
		return &accessDesk{accessOffice: remote, remote: true, close: func() {}}, nil
	}
	opened := &accessDesk{close: func() {}}
	desk := &manage.Desk{Clock: time.Now, People: lookers{}}
	source := &policySource{file: flags.policy}
	if flags.policy == "" || configPath(cmd) != "" {
		if opened.cfg, err = loadConfig(cmd); err != nil {
			return nil, err
		}
		desk = newDesk(opened.cfg, nil, nil, &commandPeople{opened.cfg, errorLog(cmd.ErrOrStderr())}, nil)
		source.opts = compileOptions(opened.cfg)
	}
	if flags.registry != "" && opened.cfg == nil {
		desk.Registries = []string{flags.registry}
	}
	if flags.policy == "" {
		if source, opened.close, err = configuredPolicy(cmd.Context(), opened.cfg, source.opts, errorLog(cmd.ErrOrStderr())); err != nil {
			return nil, err
		}
	}
	revision, err := source.load(cmd.Context())
	if err != nil {
		opened.close()
		return nil, err
	}
	desk.InForce = func() bridge.Revision { return revision }
	opened.accessOffice = &manage.Seat{Desk: desk, Actor: manage.Operator("cli:" + osUser())}
	return opened, nil
}

// commandPeople asks a connector that it opens for that alone.
type commandPeople struct {
	cfg *configs.Config
	log *slog.Logger
}

// Lookup implements [manage.People].
func (p *commandPeople) Lookup(ctx context.Context, id identity.Identity) (identity.Identity, error) {
	found, _, err := p.Describe(ctx, id)
	return found, err
}

// Describe implements [manage.Describer].
func (p *commandPeople) Describe(ctx context.Context, id identity.Identity) (identity.Identity, connectors.Description, error) {
	known := lookers{}
	a := &app{cfg: p.cfg, log: p.log, reloads: &reloads{log: p.log}}
	defer a.close()
	for _, c := range p.cfg.Connectors {
		if c.Name != id.Connector {
			continue
		}
		backend, err := a.openBackend(c, nil)
		if err != nil {
			return id, connectors.Description{}, fmt.Errorf("connector %s: %w", c.Name, err)
		}
		known[c.Name], _ = backend.(connectors.Looker)
	}
	return known.Describe(ctx, id)
}

// groupsText is somebody's groups and where they come from.
func groupsText(groups []string, from *authz.GroupSource) string {
	text := strings.Join(groups, ", ")
	if from == nil {
		return text
	}
	how := ""
	if from.How != "" {
		how = " by " + from.How
	}
	return text + fmt.Sprintf(" (from %s%s, asked at %s)", from.Connector, how, from.At.Format(time.RFC3339))
}

// explanationTable is the explanation for people.
func explanationTable(e authz.Explanation) string {
	var out strings.Builder
	who := e.Subject
	if who == "" {
		who = identity.Anonymous.String()
	}
	fmt.Fprintf(&out, "%s  %s\n", who, e.Scope)
	if len(e.Groups) > 0 {
		fmt.Fprintf(&out, "groups: %s\n", groupsText(e.Groups, e.GroupsFrom))
	}
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, a := range e.Actions {
		why := "no binding grants it"
		switch a.Verdict {
		case authz.Allowed:
			why = "granted by " + strings.Join(a.Bindings, ", ")
		case authz.BlockedBy:
			why = "granted by " + strings.Join(a.Bindings, ", ") + ", blocked by guardrail " + strings.Join(a.Guardrails, ", ")
		case authz.NoGrant:
			if len(a.Guardrails) > 0 {
				why += ", and guardrail " + strings.Join(a.Guardrails, ", ") + " would block it"
			}
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", a.Action, a.Verdict, why)
	}
	_ = table.Flush()
	for _, miss := range e.NearMisses {
		fmt.Fprintf(&out, "near miss: %s (line %d) for %s: %s\n", miss.Binding, miss.Line, strings.Join(miss.Actions, ", "), miss.Detail)
	}
	return out.String()
}
