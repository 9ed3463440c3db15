package migrate

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// HTPasswd gives everybody of a registry's htpasswd what they had there, which is
// everything.
func HTPasswd(text []byte, opts Options) *Result {
	r := &Result{Files: map[string]string{}}
	kept, number := "", 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, _ := strings.Cut(line, ":")
		_, err := bcrypt.Cost([]byte(hash))
		switch {
		case name == "" || strings.HasPrefix(name, "robot.") || name == "breakglass":
			r.Losses = append(r.Losses, Loss{number, fmt.Sprintf("no account here can have the name %q", name)})
		case err != nil:
			r.Losses = append(r.Losses, Loss{number, name + ": its password is no bcrypt hash, which registries refuse as well: make it anew with `htpasswd -B`"})
		default:
			kept += name + ":" + hash + "\n"
		}
	}
	r.Files["htpasswd"] = kept
	r.Files["policy.yaml"] = `# Everybody has what the registry's own htpasswd gave: everything. Narrow it from here.
bindings:
  - name: from-htpasswd
    role: maintainer
    subjects: [authenticated]
    repositories: ["**"]
  - name: from-htpasswd-catalog
    role: catalog-reader
    subjects: [authenticated]
`
	r.Files["drawbridge.yaml"] = fmt.Sprintf(`registries:
  - { service: %q, issuer: "Acme auth server" }
connectors:
  - { name: %s, type: htpasswd, file: %q }
policy:
  file: %q
`, opts.Service, localConnector, filepath.Join(opts.Dir, "htpasswd"), filepath.Join(opts.Dir, "policy.yaml"))
	r.Notes = []string{"`drawbridge registry-config` prints what replaces auth.htpasswd in the registry's configuration."}
	return r
}
