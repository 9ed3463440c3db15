package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"drawbridge/configs"
	"drawbridge/connectors/htpasswd"
)

const adminUser = "admin"

// The policy documents that a first start saves into the store when no file is
// configured. Rights for an admin are given only where this program made
// the account: in a company's directory, anybody might be called admin.
const (
	embeddedPolicy = `# What people may do. Saved changes are in force within a second; a document with a
# mistake is refused, and the one before stays. See docs/policy.md.
bindings:
  - name: admin
    role: maintainer
    subjects: ["user:%[1]s/admin"]
    repositories: ["**"]
  - name: admin-catalog
    role: catalog-reader
    subjects: ["user:%[1]s/admin"]
  - name: admin-policy
    role: policy-admin
    subjects: ["user:%[1]s/admin"]
`
	emptyPolicy = `# What people may do: nothing yet. Saved changes are in force within a second; a
# document with a mistake is refused, and the one before stays. See docs/policy.md.
bindings: []
#  - name: developers
#    role: pusher
#    subjects: ["group:corp/developers"]
#    repositories: ["apps/**"]
`
)

// prepareEmbedded makes what a first start finds missing: the data directory and,
// without a configuration file, the admin account, whose password it tells the
// operator at once and once.
func prepareEmbedded(cfg *configs.Config, stderr io.Writer) error {
	if err := os.MkdirAll(cfg.DataDir, dataDirMode); err != nil {
		return fmt.Errorf("data_dir: make %s: %w", cfg.DataDir, err)
	}
	if !cfg.Embedded {
		return nil
	}
	settings, err := registrySettings(cfg, cfg.Registries[0], "")
	if err != nil {
		return err
	}
	file := cfg.Connectors[0].HTPasswd.File
	password, err := htpasswd.CreateAdmin(file, adminUser, rand.Reader)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the admin account in %s: %w", file, err)
	}
	_, err = fmt.Fprintf(stderr, `
Drawbridge runs at %s with its embedded default.

  user      %s
  password  %s

The password is shown this once; %s keeps its hash.
Put these settings into the registry's config.yml and restart the registry:

%s
`, cfg.Server.ExternalURL, adminUser, password, file, settings)
	return err
}

func defaultPolicy(cfg *configs.Config) string {
	if cfg.Embedded {
		return fmt.Sprintf(embeddedPolicy, cfg.Connectors[0].Name)
	}
	return emptyPolicy
}
