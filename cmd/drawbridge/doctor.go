package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"drawbridge/configs"
	"drawbridge/doctor"
	"drawbridge/server"
	"drawbridge/tokens"
	"drawbridge/trust"

	"github.com/spf13/cobra"
)

// doctorFlags are the flags of `doctor`.
type doctorFlags struct {
	registry, user, caFile string
	registryConfig         string
	issuers, origins       []string
	write                  bool
	timeout                time.Duration
}

func newDoctor() *cobra.Command {
	var flags doctorFlags
	cmd := &cobra.Command{
		Use: "doctor", Short: "Find out why logins fail, on the live setup, and what to change",
		Long: `Looks at everything that a login needs, in the order in which a login meets it: the
keys, connectors, store and policy of the configuration; Drawbridge at its
external_url; and each registry that has a url in the configuration, or the one that
--registry names: its name, port, TLS and challenge, and whether it accepts a token of
ours. If not, tokens with one thing changed are tried, until the reason is known.

Run it where the server runs, as the server's user. It changes nothing; the tokens it
tries are for a repository that nobody has. With --write it begins an upload to that
repository and cancels it, which finds what proxies do to a push.

  drawbridge doctor --config /etc/drawbridge.yaml
  drawbridge doctor --registry https://registry.example.com --user alice

Exit code 0: nothing is wrong (there may be warnings); 1: there are problems; 2: there
are none, and something could not be told. docs/doctor.md explains each finding.`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&flags.registry, "registry", "", "URL of the registry to look at (default: each one of the configuration)")
	f.StringVar(&flags.registryConfig, "registry-config", "", "also compare this config.yml of a registry with the configuration")
	f.StringVar(&flags.user, "user", "", "also look whether this person can log in, and what follows")
	f.StringVar(&flags.caFile, "ca-file", "", "PEM file of further authorities to trust, as clients do")
	f.StringArrayVar(&flags.issuers, "issuer", nil, "try this issuer, too, where tokens are refused (repeatable)")
	f.StringArrayVar(&flags.origins, "origin", nil, "look whether pages of this origin can read answers (repeatable; default: server.cors.allowed_origins)")
	f.BoolVar(&flags.write, "write", false, "begin an upload, and cancel it")
	f.DurationVar(&flags.timeout, "timeout", 10*time.Second, "how long to wait for each answer")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if flags.timeout <= 0 {
			return fmt.Errorf("--timeout: %s is no time to wait; give one such as 10s", flags.timeout)
		}
		cfg, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		d := &doctorCommand{cfg: cfg, path: configPath(cmd), flags: flags, log: slog.New(slog.DiscardHandler)}
		checks, err := d.checks()
		if err != nil {
			return err
		}
		defer d.close()
		report := doctor.Run(cmd.Context(), checks)
		if err := output.print(cmd.OutOrStdout(), report, report.Text); err != nil {
			return err
		}
		if code := report.Code(); code != 0 {
			return &exitError{code: code}
		}
		return nil
	}
	return cmd
}

// doctorCommand builds the checks from the configuration.
type doctorCommand struct {
	cfg   *configs.Config
	path  string // of the configuration file; empty: none
	flags doctorFlags
	log   *slog.Logger
	apps  []*app
}

func (d *doctorCommand) close() {
	for _, a := range d.apps {
		a.close()
	}
}

func (d *doctorCommand) checks() ([]doctor.Check, error) {
	o := doctor.Options{
		Net: doctor.Net{
			CertsDirs: []string{"/etc/docker/certs.d", "/etc/containers/certs.d", "/etc/containerd/certs.d"},
			Proxy:     http.ProxyFromEnvironment, Timeout: d.flags.timeout, Clock: time.Now,
		},
		Server: d.server(), Algorithm: tokens.Algorithm(d.cfg.Tokens.Algorithm), AccessTTL: d.cfg.Tokens.AccessTTL,
		Issuers: d.flags.issuers, Origins: d.flags.origins, Write: d.flags.write, Settings: d.settings,
	}
	if len(o.Origins) == 0 {
		o.Origins = d.cfg.Server.CORS.AllowedOrigins
	}
	var err error
	if o.Net.Trusted, err = d.trusted(); err != nil {
		return nil, err
	}
	if o.RegistryConfig, err = d.registryConfig(); err != nil {
		return nil, err
	}
	local := d.local()
	d.keys(&o, local)
	o.Entries = d.entries()
	o.Registries = d.registries(o.Entries)
	return doctor.Checks(o, local)
}

// trusted are the machine's authorities and those of --ca-file.
func (d *doctorCommand) trusted() (*x509.CertPool, error) {
	all, err := x509.SystemCertPool()
	if err != nil {
		all = x509.NewCertPool()
	}
	if d.flags.caFile == "" {
		return all, nil
	}
	data, err := os.ReadFile(d.flags.caFile)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	certs, err := trust.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %s %w", d.flags.caFile, err)
	}
	for _, cert := range certs {
		all.AddCert(cert.Certificate)
	}
	return all, nil
}

// registryConfig is what --registry-config names; nil: nothing.
func (d *doctorCommand) registryConfig() (*doctor.RegistryConfig, error) {
	if d.flags.registryConfig == "" {
		return nil, nil
	}
	data, err := os.ReadFile(d.flags.registryConfig)
	if err == nil {
		var config *doctor.RegistryConfig
		if config, err = doctor.ParseRegistryConfig(d.flags.registryConfig, data); err == nil {
			return config, nil
		}
	}
	return nil, fmt.Errorf("--registry-config: %w", err)
}

// server is what the configuration says of Drawbridge itself.
func (d *doctorCommand) server() doctor.Server {
	s := d.cfg.Server
	out := doctor.Server{
		URL:         s.ExternalURL,
		BehindProxy: s.TLS.Mode == configs.TLSOff && strings.HasPrefix(s.ExternalURL, "https://") && !strings.HasPrefix(s.Addr, server.UnixPrefix), TrustedProxies: len(s.TrustedProxies),
	}
	if s.TLS.Mode != configs.TLSSelfSigned {
		return out
	}
	out.SelfSignedFile = absolute(filepath.Join(d.cfg.DataDir, "tls", "server.crt"))
	if data, err := os.ReadFile(out.SelfSignedFile); err == nil {
		if certs, err := trust.Parse(data); err == nil {
			out.SelfSigned = certs[0].Certificate
		}
	}
	return out
}

// keys opens the signing keys as the server has them, and makes none.
func (d *doctorCommand) keys(o *doctor.Options, local *doctor.Local) {
	open := func(change func(*tokens.Options)) (*tokens.Keys, error) {
		opts := keyOptions(d.cfg, nil, d.log)
		opts.Existing = true
		change(&opts)
		return tokens.Open(opts)
	}
	local.KeysDir = absolute(filepath.Join(d.cfg.DataDir, "keys"))
	keys, err := open(func(*tokens.Options) {})
	if err != nil {
		local.KeysErr = err
		return
	}
	o.Keys, o.Server.SigningCA, local.Expiry = keys, keys.SigningCA(), keys.KeyExpiry()
	if d.cfg.Tokens.CACertFile == "" {
		return
	}
	// A registry may have been set up before tokens.ca_cert_file was.
	if own, err := open(func(opts *tokens.Options) { opts.CACertFile, opts.CAKeyFile = "", "" }); err == nil {
		o.OtherKeys = map[string]doctor.Minter{"the CA that Drawbridge had made by itself in " + local.KeysDir: own}
	}
}

// entries are the registries of the configuration.
func (d *doctorCommand) entries() []doctor.Registry {
	out := make([]doctor.Registry, 0, len(d.cfg.Registries))
	for _, r := range d.cfg.Registries {
		name := tokens.TrustFileName(r.Service, r.TokenForm, tokens.Algorithm(d.cfg.Tokens.Algorithm))
		if r.For == configs.ForDistribution3JWKS {
			name = "jwks.json"
		}
		out = append(out, doctor.Registry{
			URL: r.URL, Service: r.Service, Issuer: r.Issuer, Form: r.TokenForm,
			TrustFile: absolute(filepath.Join(d.cfg.DataDir, "keys", name)), NoLeeway: r.For == configs.ForZot,
		})
	}
	return out
}

// registries are those to look at: with --registry the one that has its URL, or else
// the one that its challenge will name.
func (d *doctorCommand) registries(entries []doctor.Registry) []doctor.Registry {
	if d.flags.registry == "" {
		return entries
	}
	for _, r := range entries {
		if strings.TrimSuffix(r.URL, "/") == strings.TrimSuffix(d.flags.registry, "/") {
			return []doctor.Registry{r}
		}
	}
	guessed := entries[0] // a configuration has one
	for _, r := range entries {
		if r.URL == "" {
			guessed = r
			break
		}
	}
	guessed.URL, guessed.Guessed = d.flags.registry, true
	return []doctor.Registry{guessed}
}

// settings are the lines that registry-config prints, without their comments.
func (d *doctorCommand) settings(service string) []string {
	r, err := findRegistry(d.cfg, service)
	if err != nil {
		return nil
	}
	text, err := registrySettings(d.cfg, r, "")
	if err != nil {
		return nil
	}
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return append(lines, "The file to mount there is "+absolute(filepath.Join(d.cfg.DataDir, "keys",
		tokens.TrustFileName(r.Service, r.TokenForm, tokens.Algorithm(d.cfg.Tokens.Algorithm)))))
}

// app opens what a check looks at, which is closed when doctor ends.
func (d *doctorCommand) app() *app {
	a := &app{cfg: d.cfg, log: d.log, reloads: &reloads{log: d.log}}
	d.apps = append(d.apps, a)
	return a
}

// bounded gives a check as long as an answer may take.
func (d *doctorCommand) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d.flags.timeout)
}
