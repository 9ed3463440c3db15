package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"drawbridge/authz"

	"github.com/spf13/cobra"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Check and test a policy document"}
	cmd.AddCommand(newPolicyCheck(), newPolicyTest())
	return cmd
}

func newPolicyCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use: "check [FILE]", Short: "Print every fault of a policy document, with its line",
		Long: `Parses the document and runs its tests, as a server does before it puts one in
force. Without FILE it is the one that the configuration names.`,
		Args: cobra.MaximumNArgs(1),
	}
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		source, err := findPolicy(cmd, args)
		if err != nil {
			return err
		}
		problems, err := policyProblems(source)
		if err != nil {
			return err
		}
		report := struct {
			File     string         `json:"file"`
			OK       bool           `json:"ok"`
			Problems authz.Problems `json:"problems"`
		}{source.file, len(problems) == 0, problems}
		err = output.print(cmd.OutOrStdout(), report, func() string {
			if report.OK {
				return fmt.Sprintf("%s is fine\n", source.file)
			}
			return problems.Error() + "\n"
		})
		if err == nil && !report.OK {
			return problemsFound()
		}
		return err
	}
	return cmd
}

func newPolicyTest() *cobra.Command {
	cmd := &cobra.Command{
		Use: "test [FILE]", Short: "Run the tests embedded in a policy document",
		Args: cobra.MaximumNArgs(1),
	}
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		source, err := findPolicy(cmd, args)
		if err != nil {
			return err
		}
		results, err := policyTests(source)
		if err != nil {
			return &exitError{code: 1, err: fmt.Errorf("the document has problems:\n%w", err)}
		}
		failed := 0
		for _, r := range results {
			if !r.Passed {
				failed++
			}
		}
		err = output.print(cmd.OutOrStdout(), results, func() string { return testTable(source.file, results, failed) })
		if err == nil && failed > 0 {
			return problemsFound()
		}
		return err
	}
	return cmd
}

// findPolicy returns the document of the argument, or the configured one. With a
// file and no configuration, every connector's slugs are bare.
func findPolicy(cmd *cobra.Command, args []string) (*policySource, error) {
	if len(args) == 1 && configPath(cmd) == "" {
		return &policySource{file: args[0]}, nil
	}
	cfg, err := loadConfig(cmd)
	if err != nil {
		return nil, err
	}
	source := &policySource{file: policyFile(cfg), opts: strictOptions(cfg)}
	if len(args) == 1 {
		source.file = args[0]
	}
	return source, nil
}

// policyProblems returns the faults of the document; an error means that it could
// not be read at all.
func policyProblems(source *policySource) (authz.Problems, error) {
	_, err := source.load()
	problems := authz.Problems{}
	if err != nil && !errors.As(err, &problems) {
		return nil, err
	}
	return problems, nil
}

func policyTests(source *policySource) ([]authz.TestResult, error) {
	data, err := os.ReadFile(source.file)
	if err != nil {
		return nil, err
	}
	doc, err := authz.Parse(source.file, data)
	if err != nil {
		return nil, err
	}
	return doc.RunTests(source.opts)
}

func testTable(file string, results []authz.TestResult, failed int) string {
	var out strings.Builder
	for _, r := range results {
		verdict := "ok  "
		if !r.Passed {
			verdict = "FAIL"
		}
		fmt.Fprintf(&out, "%s %s:%d  %s  %s\n", verdict, file, r.Line, r.As, r.Scope)
		if !r.Passed {
			fmt.Fprintf(&out, "     %s\n", r.Reason)
		}
	}
	fmt.Fprintf(&out, "%d passed, %d failed\n", len(results)-failed, failed)
	return out.String()
}
