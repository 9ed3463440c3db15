package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"drawbridge/authz"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"

	"github.com/spf13/cobra"
)

func newAccess() *cobra.Command {
	cmd := &cobra.Command{Use: "access", Short: "Ask who may do what, and why"}
	cmd.AddCommand(newExplain())
	return cmd
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
names a document to be used without a configuration.

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
	scope, err := parseQuestion(args[1], args[2])
	if err != nil {
		return none, err
	}
	id, err := parseWho(args[0])
	if err != nil {
		return none, err
	}
	source := &policySource{file: flags.policy}
	var cfg *configs.Config
	if flags.policy == "" || configPath(cmd) != "" {
		if cfg, err = loadConfig(cmd); err != nil {
			return none, err
		}
		source.opts = compileOptions(cfg)
		if flags.policy == "" {
			source.file = policyFile(cfg)
		}
		if flags.registry == "" && len(cfg.Registries) > 0 {
			flags.registry = cfg.Registries[0].Service
		}
	}
	revision, err := source.load()
	if err != nil {
		return none, err
	}
	if id.Groups = groupNames(flags.groups, id.Connector); len(id.Groups) == 0 && id.Kind == identity.User && cfg != nil {
		if id, err = lookUp(cmd.Context(), cfg, id, cmd.ErrOrStderr()); err != nil {
			return none, err
		}
	}
	subject := revision.Policy.Subject(id)
	return revision.Policy.Explain(&subject, flags.registry, scope, time.Now()), nil
}

// parseQuestion turns ACTIONS and REPOSITORY into the scope a registry would ask.
func parseQuestion(actions, repository string) (authz.Scope, error) {
	text := "repository:" + repository + ":" + actions
	if actions == authz.Catalog.String() {
		text = "registry:catalog:*"
	}
	parsed := authz.ParseScopes([]string{text})
	if len(parsed) != 1 {
		return authz.Scope{}, fmt.Errorf("%q: a repository name has no spaces", repository)
	}
	if fault := parsed[0].Fault(); fault != nil {
		return authz.Scope{}, fmt.Errorf("%q on %q cannot be granted: %w", actions, repository, fault)
	}
	if unknown := parsed[0].Unknown(); len(unknown) > 0 {
		return authz.Scope{}, fmt.Errorf("unknown action %q: use pull, push, delete, catalog or *", unknown[0])
	}
	return parsed[0], nil
}

// parseWho reads CONNECTOR/NAME, robot:NAME or anonymous.
func parseWho(who string) (identity.Identity, error) {
	if who == identity.Anonymous.String() {
		return identity.Identity{}, nil
	}
	if name, ok := strings.CutPrefix(who, "robot:"); ok && name != "" {
		return identity.Identity{Kind: identity.Robot, Name: name}, nil
	}
	connector, name, ok := strings.Cut(strings.TrimPrefix(who, "user:"), "/")
	if !ok || connector == "" || name == "" {
		return identity.Identity{}, fmt.Errorf("%q is nobody: write CONNECTOR/NAME, as in corp/alice, robot:NAME or anonymous", who)
	}
	return identity.Identity{Kind: identity.User, Connector: connector, Name: name}, nil
}

// groupNames accepts groups as the policy writes them, group:corp/dev or
// corp/dev, beside the bare name.
func groupNames(groups []string, connector string) []string {
	names := make([]string, 0, len(groups))
	for _, g := range groups {
		g = strings.TrimPrefix(g, "group:")
		names = append(names, strings.TrimPrefix(g, connector+"/"))
	}
	return identity.NormalizeGroups(names)
}

// lookUp asks the person's connector for the groups.
func lookUp(ctx context.Context, cfg *configs.Config, id identity.Identity, stderr io.Writer) (identity.Identity, error) {
	for _, c := range cfg.Connectors {
		if c.Name != id.Connector {
			continue
		}
		log := newLogger(configs.Log{Level: "error", Format: "text"}, stderr)
		return lookUpWith(ctx, cfg, c, id, log)
	}
	return id, fmt.Errorf("no connector is called %q; give the groups with --group to ask anyway", id.Connector)
}

func lookUpWith(ctx context.Context, cfg *configs.Config, c configs.Connector, id identity.Identity, log *slog.Logger) (identity.Identity, error) {
	a := &app{cfg: cfg, log: log, reloads: &reloads{log: log}}
	defer a.close()
	backend, err := a.openBackend(c, nil)
	if err != nil {
		return id, fmt.Errorf("connector %s: %w", c.Name, err)
	}
	looker, ok := backend.(connectors.Looker)
	if !ok {
		return id, fmt.Errorf("connector %s tells groups only at a login; give them with --group", c.Name)
	}
	outcome := looker.Lookup(ctx, id.Name)
	switch outcome.Kind() {
	case connectors.KindGranted:
		return outcome.Identity(), nil
	case connectors.KindNotMine:
		return id, fmt.Errorf("connector %s does not know %q", c.Name, id.Name)
	case connectors.KindDenied:
		return id, fmt.Errorf("connector %s refuses %q: %s", c.Name, id.Name, outcome.Reason())
	default:
		return id, errors.Join(fmt.Errorf("connector %s could not be asked (give the groups with --group to ask anyway)", c.Name), outcome.Cause())
	}
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
		fmt.Fprintf(&out, "groups: %s\n", strings.Join(e.Groups, ", "))
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
