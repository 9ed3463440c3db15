package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"drawbridge/authz"

	"github.com/spf13/cobra"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Check, plan and change the policy"}
	cmd.AddCommand(newPolicyCheck(), newPolicyTest(), newPolicyShow(), newPolicyPlan(), newPolicyHygiene(), newPolicyApply(), newPolicyHistory(), newPolicyRollback())
	return addServer(cmd)
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
		source, closeStore, err := findPolicy(cmd, args)
		if err != nil {
			return err
		}
		defer closeStore()
		problems, err := policyProblems(cmd.Context(), source)
		if err != nil {
			return err
		}
		report := struct {
			File     string         `json:"file"`
			OK       bool           `json:"ok"`
			Problems authz.Problems `json:"problems"`
		}{source.name(), len(problems) == 0, problems}
		err = output.print(cmd.OutOrStdout(), report, func() string {
			if report.OK {
				return fmt.Sprintf("%s is fine\n", source.name())
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
		source, closeStore, err := findPolicy(cmd, args)
		if err != nil {
			return err
		}
		defer closeStore()
		results, err := policyTests(cmd.Context(), source)
		if err != nil {
			return &exitError{code: 1, err: fmt.Errorf("the document has problems:\n%w", err)}
		}
		failed := 0
		for _, r := range results {
			if !r.Passed {
				failed++
			}
		}
		err = output.print(cmd.OutOrStdout(), results, func() string { return testTable(source.name(), results, failed) })
		if err == nil && failed > 0 {
			return problemsFound()
		}
		return err
	}
	return cmd
}

// findPolicy returns the document of the argument, or the configured one. With a
// file and no configuration, every connector's slugs are bare.
func findPolicy(cmd *cobra.Command, args []string) (*policySource, func(), error) {
	if len(args) == 1 && configPath(cmd) == "" {
		return &policySource{file: args[0]}, func() {}, nil
	}
	cfg, err := loadConfig(cmd)
	if err != nil {
		return nil, nil, err
	}
	if len(args) == 1 {
		return &policySource{file: args[0], opts: strictOptions(cfg)}, func() {}, nil
	}
	return configuredPolicy(cmd.Context(), cfg, strictOptions(cfg), errorLog(cmd.ErrOrStderr()))
}

// policyProblems returns the faults of the document; an error means that it could
// not be read at all.
func policyProblems(ctx context.Context, source *policySource) (authz.Problems, error) {
	_, err := source.load(ctx)
	problems := authz.Problems{}
	if err != nil && !errors.As(err, &problems) {
		return nil, err
	}
	return problems, nil
}

func policyTests(ctx context.Context, source *policySource) ([]authz.TestResult, error) {
	_, text, err := source.read(ctx)
	if err != nil {
		return nil, err
	}
	doc, err := authz.Parse(source.name(), text)
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
