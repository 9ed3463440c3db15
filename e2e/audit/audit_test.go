package audit_test

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
)

// The counters of lost events.
const (
	lostByFile  = `drawbridge_audit_dropped_total{sink="file"}`
	lostByStore = `drawbridge_audit_dropped_total{sink="store"}`
)

const scope = "repository:payments/api:pull,push"

// serve starts a server that knows alice, who may push to payments/**, and bob, who
// may not. extra is more of the configuration.
func serve(t *testing.T, extra string) *testbed.Server {
	t.Helper()
	return testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: `
registries: [{ service: S, issuer: I }]
connectors: [{ name: local, type: htpasswd, file: htpasswd }]
policy: { file: policy.yaml }
` + extra,
		Files: map[string]string{
			"htpasswd": testbed.HTPasswd(t, "alice", "secret-of-alice") + testbed.HTPasswd(t, "bob", "secret-of-bob"),
			"policy.yaml": `bindings:
  - { name: payments, role: pusher, subjects: ["user:local/alice"], repositories: ["payments/**"] }
`,
		},
	})
}

// query runs `drawbridge audit query` for JSON.
func query(t *testing.T, s *testbed.Server, args ...string) []audit.Event {
	t.Helper()
	out := testbed.RunDrawbridge(t, s.Dir, "", append([]string{"audit", "query", "--config", "drawbridge.yaml", "-o", "json", "--limit", "0"}, args...)...)
	var events []audit.Event
	for line := range strings.Lines(out.Stdout) {
		var e audit.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		events = append(events, e)
	}
	if (out.Code == 0) != (len(events) > 0) || out.Code > 1 {
		t.Fatalf("audit query %q: exit code %d with %d events: %s", args, out.Code, len(events), out.Stderr)
	}
	return events
}

// idOf returns the jti of a token.
func idOf(t *testing.T, token string) string {
	t.Helper()
	var claims struct{ Jti string }
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %q", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims.Jti
}

func TestQueries(t *testing.T) {
	for name, store := range map[string]func(t *testing.T) string{
		"SQLite":     func(*testing.T) string { return "" },
		"PostgreSQL": func(t *testing.T) string { return `store: { url: "` + testbed.StartPostgres(t).NewDatabase() + `" }` },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, store(t))
			granted := s.Token("alice", "secret-of-alice", scope)
			s.Token("bob", "secret-of-bob", scope, "repository:web/shop:pull")
			if a := s.Token("alice", "wrong", scope); a.Status != 401 {
				t.Fatalf("a wrong password is answered %d", a.Status)
			}
			s.Token("", "", scope)
			s.Await("the refused login is in the store", func() bool {
				return len(query(t, s, "--action", "token_denied")) == 2 && len(query(t, s, "--action", "login", "--outcome", "failure", "--since", "1h")) == 1
			})

			denied := query(t, s, "--user", "local/bob", "--action", "token_denied", "--repository", "payments/", "--outcome", "failure")
			if len(denied) != 1 || denied[0].Reason != "no_grant" || len(denied[0].Requested) != 2 || denied[0].Granted != nil || denied[0].PolicyRevision == "" {
				t.Fatalf("got %+v", denied)
			}
			if again := query(t, s, "--decision", denied[0].DecisionID); len(again) != 1 || again[0].ID != denied[0].ID {
				t.Errorf("by decision: %+v", again)
			}
			issued := query(t, s, "--repository", "payments/api", "--action", "token_issued")
			if len(issued) != 1 || issued[0].DecisionID != idOf(t, granted.Token) || issued[0].User != "local/alice" {
				t.Errorf("issued: %+v", issued)
			}
			// Both sinks have the same events.
			both := map[string]bool{}
			for _, e := range s.Audit() {
				both[e.ID] = true
			}
			for _, e := range query(t, s) {
				if !both[e.ID] {
					t.Errorf("only in the store: %+v", e)
				}
			}
			out := testbed.RunDrawbridge(t, s.Dir, "", "audit", "query", "--config", "drawbridge.yaml", "-o", "csv", "--user", "local/bob")
			if rows, err := csv.NewReader(strings.NewReader(out.Stdout)).ReadAll(); err != nil || len(rows) != 3 {
				t.Errorf("%d rows, %v: %s", len(rows), err, out.Stdout)
			}

			planned(t, s)

			s.Kill() // nothing of what was found is lost
			s.Start()
			if len(query(t, s, "--decision", denied[0].DecisionID)) != 1 {
				t.Error("a denial is gone after kill -9")
			}
			if lost := s.Metrics()[lostByStore] + s.Metrics()[lostByFile]; lost != 0 {
				t.Errorf("%v events are lost", lost)
			}
		})
	}
}

// planned tries a draft with what the server was asked.
func planned(t *testing.T, s *testbed.Server) {
	t.Helper()
	s.WriteFile("draft.yaml", `bindings:
  - { name: payments, role: puller, subjects: ["user:local/alice"], repositories: ["payments/**"] }
  - { name: shop, role: puller, subjects: ["user:local/bob", "group:local/nobody"], repositories: ["web/**"] }
`)
	plan := testbed.RunDrawbridge(t, s.Dir, "", "policy", "plan", "draft.yaml", "--config", "drawbridge.yaml")
	for _, want := range []string{"1 person loses push on payments/**", "1 person gains pull on web/**", "local/alice"} {
		if plan.Code != 0 || !strings.Contains(plan.Stdout, want) {
			t.Errorf("policy plan, exit code %d, does not say %q: %s%s", plan.Code, want, plan.Stdout, plan.Stderr)
		}
	}
	tidy := testbed.RunDrawbridge(t, s.Dir, "", "policy", "hygiene", "--config", "drawbridge.yaml")
	if tidy.Code != 0 || !strings.Contains(tidy.Stdout, "payments  pusher  "+time.Now().UTC().Format("2006-")) {
		t.Errorf("policy hygiene: exit code %d: %s%s", tidy.Code, tidy.Stdout, tidy.Stderr)
	}
}

// PostgreSQL is away for longer than events are held back: logins go on, what is
// lost is counted, and later events come in.
func TestStoreIsAway(t *testing.T) {
	t.Parallel()
	postgres := testbed.StartPostgres(t)
	s := serve(t, `store: { url: "`+postgres.NewDatabase()+`" }`)
	s.Token("alice", "secret-of-alice", scope)
	s.Await("a login is in the store", func() bool { return len(query(t, s, "--user", "local/alice")) == 2 })

	postgres.Kill()
	// Half a minute, which is how long one is tried again, and then some.
	eventually(t, "an event is counted as lost", func() bool {
		if a := s.Token("alice", "secret-of-alice", scope); a.Status != 200 || a.Scope != scope {
			t.Fatalf("without the store a login is answered %d %q", a.Status, a.Scope)
		}
		return s.Metrics()[lostByStore] > 0
	})
	if lost := s.Metrics()[lostByFile]; lost != 0 {
		t.Errorf("the file has lost %v events", lost)
	}

	postgres.Restart()
	s.Token("bob", "secret-of-bob", scope)
	s.Await("a later login is in the store", func() bool { return len(query(t, s, "--user", "local/bob")) == 2 })
	lines := 0
	for _, line := range s.Log() {
		if strings.HasPrefix(line.Message, "the audit log") {
			lines++
		}
	}
	if lines != 2 {
		t.Errorf("%d lines tell of one outage", lines)
	}
}

// eventually waits for what takes its time.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !done(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within three minutes", what)
		}
	}
}

// A full disk holds up no login, and what the file has lost is counted and in the
// store all the same.
func TestDiskIsFull(t *testing.T) {
	t.Parallel()
	s := serve(t, "audit: { file: /dev/full }")
	for range 5 { // one password is checked, five tokens are issued
		if a := s.Token("alice", "secret-of-alice", scope); a.Status != 200 || a.Scope != scope {
			t.Fatalf("a login is answered %d %q", a.Status, a.Scope)
		}
	}
	s.Await("events are counted as lost", func() bool { return s.Metrics()[lostByFile] >= 6 })
	s.Await("they are in the store", func() bool { return len(query(t, s, "--user", "local/alice")) == 6 })
	if lost := s.Metrics()[lostByStore]; lost != 0 {
		t.Errorf("the store has lost %v events", lost)
	}
}
