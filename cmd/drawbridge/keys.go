package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"drawbridge/bridge/manage"
	"drawbridge/configs"
	"drawbridge/tokens"

	"github.com/spf13/cobra"
)

func newKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use: "keys", Short: "List the signing keys, and replace them",
		Long: `Works on the keys of the server whose configuration --config names, and on those of
every replica that shares its store and its signing CA. Run it where the server's
data_dir is.`,
	}
	cmd.AddCommand(newKeysList(), newKeysRotate())
	return addServer(cmd)
}

// openKeys opens the signing keys of the server, and makes none.
func (m *managed) openKeys(log *slog.Logger) (*tokens.Keys, error) {
	opts := keyOptions(m.cfg, m.store, log)
	opts.Existing = true
	if m.changes != nil { // it is made with the help of the keys
		opts.Announce = m.changes.Announce
	}
	keys, err := tokens.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return keys, nil
}

func newKeysList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the signing keys of all replicas",
		Long: `Lists the signing CA, the leaf keys under it and the static keys of services whose
registry names a key instead of a chain.

  signing    signs tokens, or issues leaf keys
  next       will sign: registries may be told of it already
  verifying  signs no more; its last tokens are still good
  revoked    /verify and introspection refuse every token it has signed`,
		Args: cobra.NoArgs,
	}
	output := addOutput(cmd)
	cmd.RunE = withOffice(func(cmd *cobra.Command, _ []string, o office) error {
		rows, err := o.ListKeys(cmd.Context())
		if err != nil {
			return err
		}
		return output.print(cmd.OutOrStdout(), rows, func() string { return keysTable(rows) })
	})
	return cmd
}

// mountedFile is the file that registries are to be given for a key that signs or
// will; empty for leaves, which they never see.
func mountedFile(cfg *configs.Config, keys *tokens.Keys, info tokens.KeyInfo) string {
	switch {
	case info.State != tokens.ShownSigning && info.State != tokens.ShownNext:
		return ""
	case info.Role == tokens.RoleCA:
		return absolute(filepath.Join(cfg.DataDir, "keys", tokens.TrustFileName("", tokens.FormX5C, "")))
	case info.Role == tokens.RoleStatic:
		return absolute(staticFile(cfg, keys, info.Service))
	}
	return ""
}

// staticFile is what the registry of a service with a key of its own reads: zot one
// certificate, others the JWKS.
func staticFile(cfg *configs.Config, keys *tokens.Keys, service string) string {
	for _, r := range cfg.Registries {
		if r.Service == service && r.For == configs.ForZot {
			return keys.TrustFile(service)
		}
	}
	return keys.JWKSFile()
}

// absolute makes a path that can be pasted anywhere.
func absolute(file string) string {
	if path, err := filepath.Abs(file); err == nil {
		return path
	}
	return file
}

func keysTable(rows []manage.Key) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "USE\tSTATE\tSERVICE\tKID\tALGORITHM\tREPLICA\tNOT BEFORE\tNOT AFTER")
	for _, r := range rows {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Use, r.State, cmp.Or(r.Service, "-"), cmp.Or(r.KeyID, "-"), cmp.Or(r.Algorithm, "-"),
			cmp.Or(r.Replica, "-"), r.NotBefore.Format(time.DateOnly), r.NotAfter.Format(time.DateOnly))
	}
	_ = w.Flush()
	for _, r := range rows {
		switch {
		case r.Fingerprint != "":
			fmt.Fprintf(&out, "\nCA (%s)\n  SHA-256 of the certificate  %s\n  registries mount            %s\n", r.State, colons(r.Fingerprint), r.Mounted)
		case r.Mounted != "":
			fmt.Fprintf(&out, "\n%s (%s)\n  its registry mounts         %s\n", r.Service, r.State, r.Mounted)
		}
	}
	return out.String()
}

// colons writes a fingerprint as openssl does.
func colons(hex string) string {
	var pairs []string
	for i := 0; i+2 <= len(hex); i += 2 {
		pairs = append(pairs, strings.ToUpper(hex[i:i+2]))
	}
	return strings.Join(pairs, ":")
}
