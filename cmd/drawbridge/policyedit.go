package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/bridge/manage"

	"github.com/spf13/cobra"
)

// policyInStore is the sentence that every command on revisions has.
const policyInStore = `The policy lives in the store unless policy.file names a file. The command works on
the store that --config names; every server uses a saved revision within a second.`

func newPolicyShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [REVISION]", Aliases: []string{"export"}, Short: "Print a policy document as it was saved, the one in force by default",
		Long: "Prints the document, byte by byte, so that it can be edited and applied again:\n\n" +
			"  drawbridge policy show > policy.yaml\n  drawbridge policy plan policy.yaml\n  drawbridge policy apply policy.yaml --reason JIRA-123\n\n" + policyInStore,
		Args: cobra.MaximumNArgs(1),
	}
	output := addOutput(cmd)
	cmd.RunE = withOffice(func(cmd *cobra.Command, args []string, o office) error {
		r, err := o.Policy(cmd.Context())
		if len(args) == 1 {
			var number int64
			if number, err = revisions.ParseID(args[0]); err == nil {
				r, err = o.Revision(cmd.Context(), number)
			}
		}
		if err != nil {
			return err
		}
		return output.print(cmd.OutOrStdout(), r, func() string { return r.Text })
	})
	return cmd
}

func newPolicyPlan() *cobra.Command {
	cmd := &cobra.Command{
		Use: "plan FILE", Short: "Say what a policy document would change, and change nothing",
		Long: `Prints the difference to the policy in force, the faults and failing tests of the
document, and which recent requests it would have decided otherwise. FILE may be -.

Exit code 0: it could be applied; 1: it has faults.`,
		Args: cobra.ExactArgs(1),
	}
	output := addOutput(cmd)
	cmd.RunE = withOffice(func(cmd *cobra.Command, args []string, o office) error {
		text, err := readDocument(cmd, args[0])
		if err != nil {
			return err
		}
		plan, err := o.Plan(cmd.Context(), text)
		if err != nil {
			return err
		}
		if err := output.print(cmd.OutOrStdout(), plan, func() string { return planText(plan) }); err != nil {
			return err
		}
		if len(plan.Problems) > 0 {
			return problemsFound()
		}
		return nil
	})
	return cmd
}

func newPolicyApply() *cobra.Command {
	var reason, base string
	cmd := &cobra.Command{
		Use: "apply FILE", Short: "Put a policy document in force",
		Long: `Saves the document as a new revision, if it has no fault and its tests pass. With
--base, only if that revision is still the one in force: the way to lose nobody's
change when several people edit. FILE may be -.

` + policyInStore,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the history")
	cmd.Flags().StringVar(&base, "base", "", "the revision that the document was made from, such as r12")
	output := addOutput(cmd)
	cmd.RunE = withOffice(func(cmd *cobra.Command, args []string, o office) error {
		text, err := readDocument(cmd, args[0])
		if err != nil {
			return err
		}
		draft := revisions.Draft{Text: text, Reason: reason}
		if draft.Base, err = baseRevision(cmd, o, base); err != nil {
			return err
		}
		r, err := o.SavePolicy(cmd.Context(), draft)
		return saved(cmd, output, r, err)
	})
	return cmd
}

func newPolicyRollback() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "rollback REVISION", Short: "Put an earlier policy document in force again, as a new revision",
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the history")
	output := addOutput(cmd)
	cmd.RunE = withOffice(func(cmd *cobra.Command, args []string, o office) error {
		number, err := revisions.ParseID(args[0])
		if err != nil {
			return err
		}
		draft := revisions.Draft{Reason: reason}
		if draft.Base, err = baseRevision(cmd, o, ""); err != nil {
			return err
		}
		r, err := o.RollBack(cmd.Context(), number, draft)
		return saved(cmd, output, r, err)
	})
	return cmd
}

func newPolicyHistory() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "history [REVISION]", Short: "List the policy's revisions, or say what one of them changed", Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many revisions to list")
	output := addOutput(cmd)
	cmd.RunE = withOffice(func(cmd *cobra.Command, args []string, o office) error {
		if len(args) == 1 {
			number, err := revisions.ParseID(args[0])
			if err != nil {
				return err
			}
			diff, err := o.Diff(cmd.Context(), number)
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), map[string]string{"diff": diff}, func() string { return diff })
		}
		list, err := o.Revisions(cmd.Context(), limit)
		if err != nil {
			return err
		}
		return output.print(cmd.OutOrStdout(), list, func() string { return historyTable(list) })
	})
	return cmd
}

// readDocument reads the file, or standard input for "-". It reads one byte more
// than a document may have, so that a longer one is refused and not cut.
func readDocument(cmd *cobra.Command, file string) (string, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // the operator names the file
		if err != nil {
			return "", err
		}
		defer f.Close() //nolint:errcheck // it was only read
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, authz.MaxDocumentBytes+1))
	return string(text), err
}

// baseRevision returns the number of the revision that --base names, or of the one
// in force.
func baseRevision(cmd *cobra.Command, o policyOffice, base string) (int64, error) {
	if base != "" {
		return revisions.ParseID(base)
	}
	r, err := o.Policy(cmd.Context())
	return r.Number, err
}

// saved prints what became of a draft.
func saved(cmd *cobra.Command, output *output, r revisions.Revision, err error) error {
	unchanged := errors.Is(err, revisions.ErrUnchanged)
	if err != nil && !unchanged {
		return err
	}
	r.Text = ""
	return output.print(cmd.OutOrStdout(), r, func() string {
		if unchanged {
			return fmt.Sprintf("%s has this text already; nothing was changed\n", r.ID())
		}
		return fmt.Sprintf("%s is in force\n", r.ID())
	})
}

func planText(p manage.Plan) string {
	var out strings.Builder
	if p.Diff == "" {
		fmt.Fprintf(&out, "no difference to %s\n", p.Base)
	}
	out.WriteString(p.Diff)
	if len(p.Problems) > 0 {
		fmt.Fprintf(&out, "\n%s\n", p.Problems.Error())
		return out.String()
	}
	passed := 0
	for _, t := range p.Tests {
		if t.Passed {
			passed++
		}
	}
	fmt.Fprintf(&out, "\n%d of %d tests pass\n", passed, len(p.Tests))
	fmt.Fprintf(&out, "%d recent requests tried: ", p.Replayed)
	if len(p.Summary) == 0 {
		out.WriteString("none would be decided otherwise\n")
		return out.String()
	}
	fmt.Fprintf(&out, "%s\n", strings.Join(p.Summary, "; "))
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, f := range p.Flips {
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", orAnonymous(f.Subject), f.Resource, flipped(f), strings.Join(f.Because, ", "))
	}
	_ = table.Flush()
	return out.String()
}

func orAnonymous(subject string) string {
	if subject == "" {
		return "anonymous"
	}
	return subject
}

func flipped(f authz.Flip) string {
	var parts []string
	if len(f.Lost) > 0 {
		parts = append(parts, "loses "+strings.Join(f.Lost, ","))
	}
	if len(f.Gained) > 0 {
		parts = append(parts, "gains "+strings.Join(f.Gained, ","))
	}
	return strings.Join(parts, ", ")
}

func historyTable(list []revisions.Revision) string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "REVISION\tSAVED\tBY\tREASON")
	for _, r := range list {
		reason := r.Reason
		if r.RollbackOf > 0 {
			reason = strings.TrimSpace(fmt.Sprintf("back to r%d. %s", r.RollbackOf, reason))
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.ID(), r.At.Format(time.RFC3339), r.Author, reason)
	}
	_ = table.Flush()
	return out.String()
}
