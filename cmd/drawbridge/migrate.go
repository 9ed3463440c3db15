package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"drawbridge/configs"
	"drawbridge/migrate"

	"github.com/spf13/cobra"
)

func newMigrate() *cobra.Command {
	cmd := &cobra.Command{Use: "migrate", Short: "Make a configuration from that of another token server"}
	cmd.AddCommand(
		migrateCommand("docker-auth CONFIG.yml", "From a configuration of cesanta/docker_auth",
			`Writes drawbridge.yaml, policy.yaml and htpasswd into a new folder. The policy never
grants more than the ACL did. What cannot be expressed is left out, and listed with
its line; the exit code is then 1.`, migrate.DockerAuth),
		migrateCommand("htpasswd FILE", "From the htpasswd file of a registry",
			`Writes drawbridge.yaml, policy.yaml and htpasswd into a new folder. Everybody in the
file may do what they could: everything. Lines that cannot be carried over are listed;
the exit code is then 1.`, func(text []byte, opts migrate.Options) (*migrate.Result, error) {
				return migrate.HTPasswd(text, opts), nil
			}),
	)
	return cmd
}

// migrateCommand makes one of the commands, which differ in what they read.
func migrateCommand(use, short, long string, convert func([]byte, migrate.Options) (*migrate.Result, error)) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1)}
	output := addOutput(cmd)
	out := cmd.Flags().String("out", "drawbridge", "new folder for the files")
	service := cmd.Flags().String("service", configs.DefaultService, "auth.token.service of the registry's own configuration")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		result, err := convert(text, migrate.Options{Service: *service, Dir: absolute(*out)})
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		if err := writeMigrated(*out, result.Files); err != nil {
			return err
		}
		if err := output.print(cmd.OutOrStdout(), result, func() string { return migratedText(args[0], *out, result) }); err != nil {
			return err
		}
		if len(result.Losses) > 0 {
			return problemsFound()
		}
		return nil
	}
	return cmd
}

// writeMigrated writes the files into a folder that is not there yet.
func writeMigrated(dir string, files map[string]string) error {
	if err := os.Mkdir(dir, 0o750); err != nil {
		return fmt.Errorf("--out: name a folder that is not there yet: %w", err)
	}
	var all error
	for name, content := range files {
		all = errors.Join(all, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return all
}

func migratedText(from, dir string, r *migrate.Result) string {
	var out strings.Builder
	fmt.Fprintf(&out, "Written into %s: %s\n", dir, strings.Join(slices.Sorted(maps.Keys(r.Files)), ", "))
	for i, loss := range r.Losses {
		if i == 0 {
			fmt.Fprintln(&out, "\nNot carried over:")
		}
		fmt.Fprintf(&out, "  %s:%d: %s\n", from, loss.Line, loss.Text)
	}
	for i, note := range r.Notes {
		if i == 0 {
			fmt.Fprintln(&out, "\nTo know:")
		}
		fmt.Fprintf(&out, "  %s\n", note)
	}
	return out.String()
}
