package backup

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"drawbridge/e2e/testbed"
)

// A server that is being written to is backed up, from either database, and restored
// into either: the new server honours what the old one handed out, and refuses what the
// old one refused. A registry that trusts the old CA takes the tokens of both.
func TestRestoredServerIsTheSame(t *testing.T) {
	t.Parallel()
	postgres := testbed.StartPostgres(t)
	kinds := map[string]func() string{"sqlite": func() string { return "" }, "postgresql": postgres.NewDatabase}
	for from, fromURL := range kinds {
		url := fromURL()
		t.Run("from "+from, func(t *testing.T) {
			t.Parallel()
			backedUp(t, from, url, kinds)
		})
	}
}

// backedUp backs a server on this database up and restores it into each kind.
func backedUp(t *testing.T, from, url string, kinds map[string]func() string) {
	t.Helper()
	w := start(t, url)
	file := filepath.Join(t.TempDir(), "backup.age")
	acknowledged := w.underLoad(func() {
		out := w.run("backup", file, "--recipient", recipient)
		if !strings.Contains(out, "store "+from) || !strings.Contains(out, filepath.Join(w.Dir, "htpasswd")+" (connectors.0.file): NOT in the backup") {
			t.Errorf("the backup prints:\n%s", out)
		}
	})
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	trusted := w.ReadFile("data/keys/signing-ca.pem")
	certificate := w.ReadFile("data/tls/server.crt")
	w.Stop()
	for to, toURL := range kinds {
		t.Run("into "+to, func(t *testing.T) {
			t.Parallel()
			url := toURL()
			again := *w
			again.t = t
			again.Server = testbed.StartDrawbridge(t, testbed.ServerOptions{
				Config: config(url), Files: map[string]string{"htpasswd": w.users, "identity.txt": identity},
				Prepare: func(dir string) {
					out := must(t, dir, "restore", file, "--identity", "identity.txt")
					if !strings.Contains(out, "Restored: the state of") || !strings.Contains(out, "keys rotate --emergency") {
						t.Errorf("the restore prints:\n%s", out)
					}
					refused(t, dir, "is not empty", "restore", file, "--identity", "identity.txt")
				},
			})
			for name, want := range map[string][]byte{"data/keys/signing-ca.pem": trusted, "data/tls/server.crt": certificate} {
				if string(again.ReadFile(name)) != string(want) {
					t.Errorf("%s is another one", name)
				}
			}
			again.honours()
			again.registries(trusted)
			again.hasAll(acknowledged)
			if to == "postgresql" { // a second data_dir, the database in use
				refused(t, place(t, url), "make a new, empty database", "restore", file, "--identity", "identity.txt")
			}
		})
	}
}

// underLoad runs f while people log in, refresh and robots are made, and returns the
// robots whose making was acknowledged before f began, with their secrets.
func (w *world) underLoad(f func()) map[string]string {
	w.t.Helper()
	var group sync.WaitGroup
	stop, warm := make(chan struct{}), make(chan struct{}, 3)
	loop := func(step func(n int)) {
		group.Go(func() {
			for n := 0; ; n++ {
				step(n)
				if n == 1 {
					warm <- struct{}{}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	made, mutex := map[string]string{}, sync.Mutex{}
	loop(func(int) {
		if answer := w.use(w.lasting()); answer.Status != http.StatusOK {
			w.t.Errorf("a refresh during the backup: status %d: %s", answer.Status, answer.Body)
		}
	})
	loop(func(n int) {
		name := fmt.Sprintf("load-%d", n)
		c := testbed.RunDrawbridge(w.t, w.Dir, "", "robot", "create", name, "--owner", "local/leads", "--config", "drawbridge.yaml")
		if c.Code != 0 {
			w.t.Errorf("a robot during the backup: %s", c.Stderr)
		}
		mutex.Lock()
		defer mutex.Unlock()
		made[name] = strings.TrimSpace(c.Stdout)
	})
	loop(func(n int) {
		file := fmt.Sprintf("policy-%d.yaml", n)
		w.WriteFile(file, fmt.Sprintf("# number %d\n%s", n, policy))
		if c := testbed.RunDrawbridge(w.t, w.Dir, "", "policy", "apply", file, "--reason", "load", "--config", "drawbridge.yaml"); c.Code != 0 {
			w.t.Errorf("a policy during the backup: %s", c.Stderr)
		}
	})
	for range 3 {
		<-warm
	}
	mutex.Lock()
	before := map[string]string{}
	for name, secret := range made {
		before[name] = secret
	}
	mutex.Unlock()
	f()
	close(stop)
	group.Wait()
	return before
}

// honours asks the restored server for everything that was handed out.
func (w *world) honours() {
	w.t.Helper()
	client := w.Client()
	defer client.CloseIdleConnections()
	for what, tc := range map[string]struct{ got, want int }{
		"an access token":                {bearer(w.t, client, w.URL+"/verify", w.access), http.StatusOK},
		"a token of a static key":        {bearer(w.t, client, w.URL+"/verify", w.static), http.StatusOK},
		"a revoked access token":         {bearer(w.t, client, w.URL+"/verify", w.revokedAccess), http.StatusForbidden},
		"a refresh token":                {w.use(w.refresh).Status, http.StatusOK},
		"a revoked refresh token":        {w.use(w.revokedRefresh).Status, http.StatusUnauthorized},
		"a robot's secret":               {w.robotStatus("ci", w.robot), http.StatusOK},
		"the secret of a deleted robot":  {w.robotStatus("gone", w.goneRobot), http.StatusUnauthorized},
		"the secret of a disabled robot": {w.robotStatus("stopped", w.stopped), http.StatusUnauthorized},
	} {
		if tc.got != tc.want {
			w.t.Errorf("%s: status %d, want %d", what, tc.got, tc.want)
		}
	}
	if answer := w.Ask(ask("alice")); answer.Scope != scope {
		w.t.Errorf("alice is granted %q", answer.Scope)
	}
	if answer := w.Ask(ask("bob")); answer.Scope != "" {
		w.t.Errorf("bob is granted %q", answer.Scope)
	}
}

// registries asks registries that were set up for the old server.
func (w *world) registries(trusted []byte) {
	w.t.Helper()
	bundle := filepath.Join(w.t.TempDir(), "trusted.pem")
	if err := os.WriteFile(bundle, trusted, 0o600); err != nil {
		w.t.Fatal(err)
	}
	r := testbed.StartRegistry(w.t, testbed.Registry311, testbed.RegistryOptions{
		Realm: w.URL + "/token", Service: service, Issuer: issuer, RootCertBundle: bundle,
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for what, token := range map[string]string{"of before": w.access, "of the restored server": w.Ask(ask("alice")).Token} {
		// There is no such repository, which nobody learns without a right.
		if status := bearer(w.t, client, r.URL+"/v2/payments/api/tags/list", token); status != http.StatusNotFound {
			w.t.Errorf("the registry answers %d to a token %s", status, what)
		}
	}
}

// hasAll looks for what was acknowledged before the backup, and for its history.
func (w *world) hasAll(robots map[string]string) {
	w.t.Helper()
	for name, secret := range robots {
		if status := w.robotStatus(name, secret); status != http.StatusOK {
			w.t.Errorf("robot %s, made before the backup: status %d", name, status)
		}
	}
	// The history of before is the end of today's, the newest first.
	before := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(w.history), "["))
	if now := w.run("policy", "history", "-o", "json", "--limit", "1000"); !strings.Contains(now, strings.TrimSuffix(before, "]")) {
		w.t.Errorf("the history of the policy was\n%s\nand is\n%s", w.history, now)
	}
	events := w.run("audit", "query", "-o", "json", "--limit", "0")
	for _, action := range []string{"robot_deleted", "session_revoked", "token_issued", "backup_restored"} {
		if !strings.Contains(events, `"`+action+`"`) {
			w.t.Errorf("the audit log has no event %s", action)
		}
	}
}
