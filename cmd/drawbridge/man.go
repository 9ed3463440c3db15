package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newMan is for those who package the program, and hidden from those who use it.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the manual pages, one for each command", Hidden: true,
		Long: `Writes them into DIR, which must exist. The date in them is that of
SOURCE_DATE_EPOCH, if it is set, so that two builds of one source are the same.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "drawbridge " + version, Manual: "Drawbridge"}, args[0])
		},
	}
}
