package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// output is the -o flag: table for people, json for programs.
type output struct{ format string }

func addOutput(cmd *cobra.Command) *output {
	o := &output{"table"}
	cmd.Flags().VarP(o, "output", "o", "output format: table or json")
	return o
}

func formats() []string { return []string{"table", "json"} }

// Set implements pflag.Value.
func (o *output) Set(format string) error {
	if !slices.Contains(formats(), format) {
		return fmt.Errorf("the format is one of %s", strings.Join(formats(), ", "))
	}
	o.format = format
	return nil
}

// String implements pflag.Value.
func (o *output) String() string { return o.format }

// Type implements pflag.Value.
func (o *output) Type() string { return "format" }

// print writes v as JSON, or what table returns.
func (o *output) print(w io.Writer, v any, table func() string) error {
	if o.format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	}
	_, err := io.WriteString(w, table())
	return err
}
