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

func newRobotList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the robots, when they expire and when they were used last",
		Long: `Lists all robots. SECRETS counts the live ones; when and from where a robot was last
used lags behind by about a minute.

STATE is active, expiring (within 14 days), expired or disabled.`,
		Args: cobra.NoArgs,
	}
	output := addOutput(cmd)
	cmd.RunE = withOffice(func(cmd *cobra.Command, _ []string, o office) error {
		robots, err := o.ListRobots(cmd.Context())
		if err != nil {
			return err
		}
		return output.print(cmd.OutOrStdout(), robots, func() string { return robotTable(robots) })
	})
	return cmd
}

func robotTable(views []manage.RobotInfo) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tOWNER\tEXPIRES\tLAST USED\tFROM\tSECRETS\tSTATE")
	for _, v := range views {
		used, from := "never", "-"
		if !v.LastUsedAt.IsZero() {
			used = v.LastUsedAt.UTC().Format(time.RFC3339)
		}
		if v.LastAddress != "" {
			from = v.LastAddress
		}
		live := 0
		for _, s := range v.Secrets {
			if s.Live {
				live++
			}
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", v.Name, identity.Printable(v.Owner),
			v.ExpiresAt.UTC().Format(time.RFC3339), used, identity.Printable(from), live, v.State)
	}
	_ = w.Flush()
	return out.String()
}
