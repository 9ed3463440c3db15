package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"drawbridge/authz"
	"drawbridge/bridge/manage"
	"drawbridge/identity"

	"github.com/spf13/cobra"
)

func newWhoCan() *cobra.Command {
	var flags explainFlags
	cmd := &cobra.Command{
		Use: "who-can ACTIONS REPOSITORY", Short: "List who may do something",
		Long: `Lists the subjects of the policy that are granted any of the actions on a
repository: groups as the policy names them, since only their directory knows who is
in them. ACTIONS are pull, push, delete, or * for all, with commas between;
REPOSITORY is a name, or catalog with the action catalog.

  drawbridge access who-can push payments/api
  drawbridge access who-can push,delete payments/api --server https://auth.example.com:5001

Exit code 0: somebody may; 1: nobody; 2: could not tell.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("give ACTIONS and REPOSITORY, as in: drawbridge access who-can push payments/api")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&flags.registry, "registry", "", "service of the registry (default: the first one configured)")
	cmd.Flags().StringVar(&flags.policy, "policy", "", "policy document, instead of the one the configuration names")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		desk, err := openAccess(cmd, flags)
		if err != nil {
			return err
		}
		defer desk.close()
		holders, err := desk.WhoCan(cmd.Context(), manage.Question{Registry: flags.registry, Actions: args[0], Repository: args[1]})
		if err != nil {
			return err
		}
		holders = append([]authz.Holder{}, holders...) // as JSON, and not null
		if err := output.print(cmd.OutOrStdout(), holders, func() string { return holdersTable(holders) }); err != nil {
			return err
		}
		for _, h := range holders {
			if len(h.BlockedBy) == 0 || len(h.Except) > 0 {
				return nil
			}
		}
		return problemsFound()
	}
	return cmd
}

func holdersTable(holders []authz.Holder) string {
	if len(holders) == 0 {
		return "nobody\n"
	}
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "SUBJECT\tACTIONS\tROLE\tBINDING\tONLY")
	for _, h := range holders {
		var only []string
		for _, c := range h.Conditions {
			only = append(only, c.Variable+" = "+c.Slug)
		}
		if len(h.BlockedBy) > 0 {
			text := "blocked by " + strings.Join(h.BlockedBy, ", ")
			if len(h.Except) > 0 {
				text += " except " + strings.Join(h.Except, ", ")
			}
			only = append(only, text)
		}
		if !h.Expires.IsZero() {
			only = append(only, "until "+h.Expires.UTC().Format(time.RFC3339))
		}
		row := strings.Join([]string{h.Subject, strings.Join(h.Actions, ", "), h.Role, h.Binding, strings.Join(only, "; ")}, "\t")
		_, _ = fmt.Fprintln(table, strings.TrimRight(row, "\t"))
	}
	_ = table.Flush()
	return out.String()
}

func newAccessList() *cobra.Command {
	var flags explainFlags
	cmd := &cobra.Command{
		Use: "list WHO", Short: "List what somebody may do",
		Long: `Lists the bindings of the policy that name somebody or a group of theirs. WHO is
CONNECTOR/NAME, robot:NAME or anonymous. Groups are looked up with the connector
unless --group gives them.

  drawbridge access list corp/alice

Exit code 0: there are bindings; 1: there are none, or only expired ones; 2: could
not tell.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringArrayVar(&flags.groups, "group", nil, "a group the person is in, instead of asking the connector (repeatable)")
	cmd.Flags().StringVar(&flags.policy, "policy", "", "policy document, instead of the one the configuration names")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		desk, err := openAccess(cmd, flags)
		if err != nil {
			return err
		}
		defer desk.close()
		if desk.cfg == nil && flags.groups == nil && !desk.remote {
			flags.groups = []string{} // there is nobody to ask
		}
		access, err := desk.List(cmd.Context(), args[0], flags.groups)
		if err != nil {
			return err
		}
		if err := output.print(cmd.OutOrStdout(), access, func() string { return accessTable(access) }); err != nil {
			return err
		}
		for _, b := range access.Bindings {
			if !b.Expired {
				return nil
			}
		}
		return problemsFound()
	}
	return cmd
}

func accessTable(access manage.Access) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = identity.Printable(cell)
		}
		_, _ = fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	row("who", access.Who)
	if len(access.Groups) > 0 {
		row("groups", groupsText(access.Groups, access.GroupsFrom))
	}
	if len(access.Capabilities) > 0 {
		row("capabilities", strings.Join(access.Capabilities, ", "))
	}
	_ = w.Flush()
	out.WriteByte('\n')
	bindingRows(access.Bindings, row)
	_ = w.Flush()
	return out.String()
}
