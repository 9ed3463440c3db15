package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"drawbridge/authz"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"

	"github.com/spf13/cobra"
)

func newLoginTest() *cobra.Command {
	var withPassword bool
	cmd := &cobra.Command{
		Use:   "login-test USER",
		Short: "Say which connector knows somebody, which groups and roles follow, and whether a password is right",
		Long: `Asks the connectors for a username, as it would be typed at a login, in the way a
server asks them, but without a password: which ones it is sent to, which one
knows it, the entry and the groups it finds, and the bindings of the policy that
name the person. It works on the configuration; no server needs to run, and
nothing is cached.

With --password-stdin the password on standard input is tried in a real login as
well, which a directory counts as one.

  drawbridge login-test alice
  drawbridge login-test alice --password-stdin < password.txt

Exit code 0: the person is known, or logged in; 1: unknown or refused; 2: could
not tell, such as while the directory is down.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&withPassword, "password-stdin", false, "read a password from standard input and log in with it")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		cred := identity.Credential{Username: args[0]}
		if withPassword {
			if cred.Password, err = readPassword(cmd.InOrStdin()); err != nil {
				return err
			}
		}
		report, err := testLogin(cmd.Context(), cfg, cred, withPassword, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		if err := output.print(cmd.OutOrStdout(), report, report.table); err != nil {
			return err
		}
		return report.exit()
	}
	return cmd
}

// readPassword reads one line, or all there is. The limit is that of a login, so
// that a longer password is refused as a login refuses it and a pipe without an
// end costs nothing.
func readPassword(stdin io.Reader) (identity.Secret, error) {
	data, err := io.ReadAll(io.LimitReader(stdin, connectors.MaxPassword+2))
	if err != nil {
		return identity.Secret{}, fmt.Errorf("read the password: %w", err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if strings.Contains(text, "\n") {
		return identity.Secret{}, errors.New("standard input has more than one line; a password has no line break")
	}
	return identity.NewSecret(text), nil
}

// testLogin asks the chain, without a cache, and the policy.
func testLogin(ctx context.Context, cfg *configs.Config, cred identity.Credential, withPassword bool, stderr io.Writer) (*loginReport, error) {
	revision, err := (&policySource{file: policyFile(cfg), opts: compileOptions(cfg)}).load()
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	log := newLogger(configs.Log{Level: "error", Format: "text"}, stderr)
	a := &app{cfg: cfg, log: log, reloads: &reloads{log: log}}
	defer a.close()
	var links []connectors.Link
	for _, c := range cfg.Connectors {
		link, err := a.openConnector(c, nil)
		if err != nil {
			return nil, fmt.Errorf("connector %s: %w", c.Name, err)
		}
		links = append(links, link)
	}
	chain := connectors.NewChain(links...)
	r := &loginReport{Username: cred.Username, PolicyRevision: revision.ID, Bindings: []authz.Holding{}}
	id, described := r.lookedUp(chain.Trace(ctx, cred.Username))
	for i, c := range cfg.Connectors {
		r.Connectors[i].Type = c.Type
	}
	if withPassword {
		verdict := chain.Authenticate(ctx, cred)
		r.loggedIn(verdict)
		if verdict.Kind() == connectors.KindGranted {
			if verdict.Connector != id.Connector {
				described = connectors.Description{} // somebody else's, or nobody's
			}
			id = verdict.Identity()
		}
	}
	if id.Kind != identity.Anonymous {
		r.Person = newLoginPerson(id, described, configs.HomeConnector(cfg))
		r.Bindings = revision.Policy.Bindings(id, time.Now())
	}
	return r, nil
}
