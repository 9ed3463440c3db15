package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"drawbridge/configs"

	"github.com/spf13/cobra"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Work on the configuration file"}
	check := &cobra.Command{
		Use: "check [FILE]", Short: "Print every fault of a configuration file, with its line",
		Long: `Reads the configuration as serve would, environment variables and secret files
included, and prints all faults at once. FILE stands for --config FILE.`,
		Args: cobra.MaximumNArgs(1),
	}
	output := addOutput(check)
	check.RunE = func(cmd *cobra.Command, args []string) error {
		path := configPath(cmd)
		if len(args) == 1 {
			path = args[0]
		}
		return checkConfig(cmd, path, output)
	}
	cmd.AddCommand(check)
	return cmd
}

// checkConfig loads the configuration and the policy it names.
func checkConfig(cmd *cobra.Command, path string, output *output) error {
	cfg, err := configs.Load(path, os.Environ())
	var problems configs.Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	report := struct {
		File     string   `json:"file"`
		OK       bool     `json:"ok"`
		Problems []string `json:"problems"`
	}{File: path, Problems: []string{}}
	for _, p := range problems {
		report.Problems = append(report.Problems, p.String())
	}
	if cfg != nil {
		report.Problems = append(report.Problems, namedFiles(cfg)...)
	}
	report.OK = len(report.Problems) == 0
	err = output.print(cmd.OutOrStdout(), report, func() string {
		if report.OK && path == "" {
			return "the embedded default is fine\n"
		}
		if report.OK {
			return fmt.Sprintf("%s is fine\n", path)
		}
		text := ""
		for _, p := range report.Problems {
			text += p + "\n"
		}
		return text
	})
	if err == nil && !report.OK {
		return problemsFound()
	}
	return err
}

// namedFiles returns the faults of what a configuration without faults leads to:
// its policy, its htpasswd files, and its filters. No backend is asked.
func namedFiles(cfg *configs.Config) []string {
	var problems []string
	if cfg.Policy.File != "" {
		if _, err := (&policySource{file: cfg.Policy.File, opts: strictOptions(cfg)}).load(context.Background()); err != nil {
			problems = append(problems, err.Error())
		}
	}
	a := &app{cfg: cfg, log: slog.New(slog.DiscardHandler), reloads: &reloads{}}
	defer a.close()
	for i, c := range cfg.Connectors {
		if c.Type == configs.TypeOIDC || c.Type == configs.TypeExec || cfg.Embedded {
			continue // the first begins to look for its provider, the second starts its program, the last makes its file at the start
		}
		if _, err := a.openBackend(c, nil); err != nil {
			problems = append(problems, fmt.Sprintf("connectors.%d: %v", i, err))
		}
	}
	return problems
}
