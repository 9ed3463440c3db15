package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"drawbridge/bridge/manage"
	"drawbridge/identity"

	"github.com/spf13/cobra"
)

func newPolicyHygiene() *cobra.Command {
	cmd := &cobra.Command{
		Use: "hygiene", Short: "Say what the policy in force can do without",
		Long: `Prints when each binding was last needed, which ones expire within 30 days, and groups
of the policy that nobody had who asked for a token, by the audit events of the last
90 days that the store has. A binding counts as needed when the policy in force grants,
through it, something of what was asked.

Exit code 0: nothing to tidy up; 1: something; 2: could not tell.`,
		Args: cobra.NoArgs,
	}
	output := addOutput(cmd)
	cmd.RunE = withOffice(func(cmd *cobra.Command, _ []string, o office) error {
		h, err := o.Hygiene(cmd.Context())
		if err != nil {
			return err
		}
		if err := output.print(cmd.OutOrStdout(), h, func() string { return hygieneText(h) }); err != nil {
			return err
		}
		untidy := len(h.UnknownGroups)
		for _, b := range h.Bindings {
			if remark(b) != "" {
				untidy++
			}
		}
		if untidy > 0 {
			return problemsFound()
		}
		return nil
	})
	return cmd
}

func hygieneText(h manage.Hygiene) string {
	var out strings.Builder
	fmt.Fprintf(&out, "policy %s, by %d different requests since %s\n\n", h.Revision, h.Requests, h.Since.Format(time.RFC3339))
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "BINDING\tROLE\tLAST USED\tEXPIRES\tREMARK")
	day := func(at *time.Time) string {
		if at == nil {
			return "-"
		}
		return at.Format(time.DateOnly)
	}
	for _, b := range h.Bindings {
		_, _ = fmt.Fprintln(table, strings.TrimRight(strings.Join([]string{b.Name, b.Role, day(b.LastUsed), day(b.Expires), remark(b)}, "\t"), "\t"))
	}
	_ = table.Flush()
	for _, g := range h.UnknownGroups {
		fmt.Fprintf(&out, "nobody had %s, which %s names: is it spelt so?\n", identity.Printable(g.Group), strings.Join(g.NamedBy, ", "))
	}
	return out.String()
}

// remark is what is to be said of a binding.
func remark(b manage.BindingUse) string {
	switch {
	case b.Expired:
		return "expired"
	case b.ExpiresSoon && b.Unused:
		return "expires soon, unused"
	case b.ExpiresSoon:
		return "expires soon"
	case b.Unused:
		return "unused"
	}
	return ""
}
