package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"drawbridge/bridge/manage"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/breakglass"
	"drawbridge/connectors/robot"
	"drawbridge/identity"

	"github.com/spf13/cobra"
)

func newLoginTest() *cobra.Command {
	var withPassword bool
	var address string
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

A robot is looked up in the store. Its login comes from --address, which matters for
one that is bound to networks; its last use is not touched.

  drawbridge login-test alice
  drawbridge login-test alice --password-stdin < password.txt
  drawbridge login-test robot.ci --password-stdin --address 10.1.2.3 < secret.txt

Exit code 0: the person is known, or logged in; 1: unknown or refused; 2: could
not tell, such as while the directory is down.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&withPassword, "password-stdin", false, "read a password from standard input and log in with it")
	cmd.Flags().StringVar(&address, "address", "", "where the login comes from (with --password-stdin)")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		cred := identity.Credential{Username: args[0], Address: address}
		if _, err := netip.ParseAddr(address); err != nil && address != "" {
			return fmt.Errorf("--address: %q is not an IP address", address)
		}
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
func testLogin(ctx context.Context, cfg *configs.Config, cred identity.Credential, withPassword bool, stderr io.Writer) (report loginReport, err error) {
	if breakglass.Owns(cred) {
		return loginReport{}, &exitError{code: 1, err: errors.New("breakglass is nobody's account: no connector is asked about it; " +
			"see `drawbridge breakglass status`")}
	}
	log := errorLog(stderr)
	source, closeStore, err := configuredPolicy(ctx, cfg, compileOptions(cfg), log)
	if err != nil {
		return report, err
	}
	defer closeStore()
	revision, err := source.load(ctx)
	if err != nil {
		return report, fmt.Errorf("policy: %w", err)
	}
	a := &app{cfg: cfg, log: log, reloads: &reloads{log: log}}
	defer a.close()
	links, err := a.commandLinks(ctx, cred)
	if err != nil {
		return report, err
	}
	chain := connectors.NewChain(links...)
	r := &manage.LoginReport{Username: cred.Username, PolicyRevision: revision.ID}
	id, described := r.LookedUp(chain.Trace(ctx, cred.Username))
	setTypes(r, cfg)
	if withPassword {
		verdict := chain.Authenticate(ctx, cred)
		r.LoggedIn(verdict)
		if verdict.Kind() == connectors.KindGranted {
			if verdict.Whom() != id.String() {
				described = connectors.Description{} // somebody else's, or nobody's
			}
			id = verdict.Identity()
		}
	}
	r.Follows(id, described, configs.HomeConnector(cfg), revision.Policy, time.Now())
	return loginReport{r}, nil
}

// commandLinks opens the connectors without a cache. The robots' is among them only
// where the credential is a robot's: it is never asked about others, and what it
// would have to open is the store.
func (a *app) commandLinks(ctx context.Context, cred identity.Credential) ([]connectors.Link, error) {
	var links []connectors.Link
	if robot.Owns(cred) {
		link, err := robotLink(commandRobots(ctx, a.cfg, a.log))
		if err != nil {
			return nil, err
		}
		links = append(links, link)
	}
	for _, c := range a.cfg.Connectors {
		link, err := a.openConnector(c, nil)
		if err != nil {
			return nil, fmt.Errorf("connector %s: %w", c.Name, err)
		}
		links = append(links, link)
	}
	return links, nil
}

// setTypes adds what the trace does not know.
func setTypes(r *manage.LoginReport, cfg *configs.Config) {
	types := map[string]string{robot.ConnectorName: robot.ConnectorName}
	for _, c := range cfg.Connectors {
		types[c.Name] = c.Type
	}
	for i := range r.Connectors {
		r.Connectors[i].Type = types[r.Connectors[i].Name]
	}
}
