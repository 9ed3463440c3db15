package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"drawbridge/configs"

	"github.com/spf13/cobra"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version = "dev" //nolint:gochecknoglobals // the linker can set nothing else

// exitError ends the program with a code other than 2: 1 is "no" or "problems
// found", 2 is "could not tell".
type exitError struct {
	code int
	err  error // nil when everything was said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// problemsFound is for commands that have printed what they found.
func problemsFound() error { return &exitError{code: 1} }

// exitCode prints the error, if there is something left to say, and returns the
// program's exit code: 0 yes or done, 1 no or problems found, 2 could not tell.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	code := 2
	exit, ok := errors.AsType[*exitError](err)
	if ok {
		code = exit.code
	}
	if !ok || exit.err != nil {
		_, _ = fmt.Fprintln(stderr, "drawbridge:", err)
	}
	return code
}

// run executes one command line. Nothing in it ends the process, so that tests
// can call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "drawbridge",
		Short: "Log in to container registries with the identities your company already has",
		Long: `Drawbridge answers a container registry's token challenge. It finds people and
their groups in LDAP, Active Directory, OpenID Connect or an htpasswd file, turns
groups into roles and roles into what a token allows.

  drawbridge serve             runs at once, with no configuration
  drawbridge registry-config   prints what to paste into a registry
  drawbridge doctor            finds out why logins fail
  drawbridge access explain    says why somebody may, or may not
  drawbridge login-test        says which connector knows somebody, and what follows
  drawbridge robot create      makes an account for a build job

Exit codes: 0 yes or done, 1 no or problems found, 2 could not tell.`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.PersistentFlags().String("config", "", "configuration file (or DRAWBRIDGE_CONFIG); none: the embedded default")
	root.AddCommand(newServe(), newConfig(), newPolicy(), newAccess(), newLoginTest(), newUser(), newRobot(), newSession(), newKeys(), newToken(), newBreakGlass(), newAudit(), newBackup(), newRestore(), newRegistryConfig(), newDoctor(), newHealth(), newVersion())
	root.AddCommand(newMan())
	for _, group := range root.Commands() {
		refuseUnknown(group)
	}
	return root
}

// refuseUnknown has a command that only groups others refuse what is none of them: the
// library would print help and report success, to a script as well.
func refuseUnknown(group *cobra.Command) {
	if !group.HasSubCommands() || group.Runnable() {
		return
	}
	group.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		hint := ""
		if found := cmd.SuggestionsFor(args[0]); len(found) > 0 {
			hint = "; did you mean " + strings.Join(found, " or ") + "?"
		}
		return fmt.Errorf("unknown command %.40q for %q%s (see %s --help)", args[0], cmd.CommandPath(), hint, cmd.CommandPath())
	}
	group.SuggestionsMinimumDistance = 2
}

// configPath returns the --config flag, else DRAWBRIDGE_CONFIG.
func configPath(cmd *cobra.Command) string {
	path, _ := cmd.Flags().GetString("config")
	if path == "" {
		path = os.Getenv("DRAWBRIDGE_CONFIG")
	}
	return path
}

// loadConfig reads the configuration that --config or DRAWBRIDGE_CONFIG names.
func loadConfig(cmd *cobra.Command) (*configs.Config, error) {
	cfg, err := configs.Load(configPath(cmd), os.Environ())
	if err != nil {
		return nil, &exitError{code: 1, err: fmt.Errorf("the configuration has problems:\n%w", err)}
	}
	return cfg, nil
}
