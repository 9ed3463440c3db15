package doctor

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/doctor"
	"drawbridge/e2e/testbed"
)

// row is a line of docs/troubleshooting.md.
type row struct{ texts, findings []string }

func rows(t *testing.T) []row {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(testbed.Root(t), "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	var out []row
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 3 || !strings.HasPrefix(line, "| ") {
			continue
		}
		var r row
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[0], -1) {
			r.texts = append(r.texts, m[1])
		}
		r.findings = regexp.MustCompile(`DB-[A-Z]+-\d+\b`).FindAllString(cells[2], -1)
		out = append(out, r)
	}
	return out
}

// The page names findings that there are.
func TestTroubleshootingNamesFindings(t *testing.T) {
	known := map[string]bool{}
	for _, e := range doctor.Catalogue() {
		known[string(e.ID)] = true
	}
	all := rows(t)
	if len(all) < 20 {
		t.Fatalf("%d rows were read", len(all))
	}
	for _, r := range all {
		for _, id := range r.findings {
			if !known[id] {
				t.Errorf("there is no finding %s", id)
			}
		}
	}
}

// Real clients print what the page says, where the setup is broken as its finding says.
func TestClientsPrintWhatThePageSays(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	opts := w.trusting()
	r := testbed.StartRegistry(t, testbed.Registry311, opts)
	secureOpts := opts
	secureOpts.TLSCertFile, secureOpts.TLSKeyFile = newAuthority(t, time.Hour).server(ecKey(t), nil)
	secure := testbed.StartRegistry(t, testbed.Registry311, secureOpts)
	opts.Issuer = "x7"
	strict := testbed.StartRegistry(t, testbed.Registry311, opts)
	for _, tt := range []struct {
		finding string
		command string
	}{
		{"DB-NET-001", "skopeo inspect docker://registry.drawbridge.invalid/x:1"},
		{"DB-NET-002", "skopeo inspect docker://127.0.0.1:1/x:1"},
		{"DB-NET-004", "skopeo inspect docker://" + r.Addr + "/x:1"},
		{"DB-NET-005", "helm pull oci://" + secure.Addr + "/x --version 1 --plain-http"},
		{"DB-TLS-004", "skopeo inspect docker://localhost:" + strings.Split(secure.Addr, ":")[1] + "/x:1"},
		{"DB-TLS-004", "crane manifest localhost:" + strings.Split(secure.Addr, ":")[1] + "/x:1"},
		{"DB-TOK-001", "docker login -u admin -p badmin " + strict.Addr},
		{"DB-TOK-001", "podman login --tls-verify=false -u admin -p badmin " + strict.Addr},
		{"DB-TOK-001", "skopeo inspect --tls-verify=false --creds admin:badmin docker://" + strict.Addr + "/x:1"},
		{"DB-CON-004", "docker login -u admin -p wrong " + r.Addr},
		{"DB-CON-005", "docker pull " + r.Addr + "/x:1"},
	} {
		t.Run(tt.finding+" "+strings.Fields(tt.command)[0], func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			words := strings.Fields(tt.command)
			dir := t.TempDir()
			cmd := exec.CommandContext(ctx, testbed.Tool(t, words[0]), words[1:]...)
			cmd.Env = append(os.Environ(), "HOME="+dir, "DOCKER_CONFIG="+dir, "XDG_RUNTIME_DIR="+dir, "REGISTRY_AUTH_FILE="+filepath.Join(dir, "auth.json"))
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("it succeeds: %s", out)
			}
			if !told(t, tt.finding, string(out)) {
				t.Errorf("no row for %s has what the client prints:\n%s", tt.finding, out)
			}
		})
	}
}

// told says whether a row of the page has the finding and a text of the output.
func told(t *testing.T, finding, output string) bool {
	t.Helper()
	for _, r := range rows(t) {
		if slices.Contains(r.findings, finding) && slices.ContainsFunc(r.texts, func(text string) bool { return strings.Contains(output, text) }) {
			return true
		}
	}
	return false
}

// A registry's log has what the page says, whichever the version.
func TestRegistriesLogWhatThePageSays(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	other := newAuthority(t, time.Hour)
	for finding, change := range map[string]func(*testbed.RegistryOptions){
		"DB-TOK-001": func(o *testbed.RegistryOptions) { o.RootCertBundle = other.file },
		"DB-TOK-002": func(o *testbed.RegistryOptions) { o.Issuer = w.URL },
		"DB-TOK-003": func(o *testbed.RegistryOptions) { o.Service = "registry.example.com" },
	} {
		for _, version := range []string{testbed.Registry28, testbed.Registry311} {
			opts := w.trusting()
			change(&opts)
			r := testbed.StartRegistry(t, version, opts)
			w.doctor(t, at(r.URL), finding)
			if log := r.Log(); !told(t, finding, log) {
				t.Errorf("registry %s, %s: no row has what it logs:\n%s", version, finding, log)
			}
		}
	}
}
