package monitoring

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"

	"github.com/google/go-cmp/cmp"
)

// tracedServer has a directory, Redis, and the page's settings of traces, with an
// endpoint and a ratio of the test's.
func tracedServer(t *testing.T, directory *testbed.Slapd, endpoint, ratio, more string) *testbed.Server {
	t.Helper()
	settings := testbed.Shown(t, "monitoring.md", "tracing-settings", "http://collector.example.com:4318", endpoint, "0.05", ratio)
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	return directoryServer(t, directory, settings+fmt.Sprintf("log: { level: debug }\ncache: { redis_url: %q }\n", redis.URL())+more)
}

// tree prints a trace, each span below its parent in the order of their beginnings. A
// span that is not within its parent's time fails the test.
func tree(t *testing.T, spans []testbed.CollectedSpan) string {
	t.Helper()
	var out strings.Builder
	var write func(parent testbed.CollectedSpan, depth int)
	write = func(parent testbed.CollectedSpan, depth int) {
		var below []testbed.CollectedSpan
		for _, s := range spans {
			if s.ParentID == parent.SpanID {
				below = append(below, s)
			}
		}
		slices.SortFunc(below, func(a, b testbed.CollectedSpan) int { return int(a.Start - b.Start) })
		for _, s := range below {
			if depth > 0 && (s.Start < parent.Start || s.End > parent.End) {
				t.Errorf("%s is not within %s", s.Name, parent.Name)
			}
			fmt.Fprintf(&out, "%s%s %s\n", strings.Repeat("  ", depth), s.Name, s.Attributes["drawbridge.outcome"])
			write(s, depth+1)
		}
	}
	write(testbed.CollectedSpan{}, 0)
	return out.String()
}

func named(spans []testbed.CollectedSpan, name string) testbed.CollectedSpan {
	for _, s := range spans {
		if s.Name == name {
			return s
		}
	}
	return testbed.CollectedSpan{}
}

// byRequest waits for the trace of the request of that ID.
func byRequest(c *testbed.Collector, what, id string) []testbed.CollectedSpan {
	return c.AwaitTrace(what, func(s testbed.CollectedSpan) bool { return s.Attributes["drawbridge.request_id"] == id })
}

// What a real collector has of a login over LDAP with Redis, of the next one, of a refresh
// and of the API: the steps nest, and their IDs are those of the audit log and the log.
// Nobody's name and no secret is in any of it.
func TestTraceOfALogin(t *testing.T) {
	t.Parallel()
	directory, collector := testbed.StartSlapd(t), testbed.StartCollector(t)
	alice := testbed.SeedPassword("alice")
	var s *testbed.Server
	var first testbed.TokenAnswer
	var id string
	var spans []testbed.CollectedSpan
	login := func() (redisWasSlow bool) {
		s = tracedServer(t, directory, collector.URL, "1", "")
		first = s.Ask(testbed.TokenRequest{User: "alice", Password: alice, Scopes: []string{"repository:payments/api:push"}, Form: true, Offline: true})
		id = first.Header.Get("X-Request-Id")
		spans = byRequest(collector, "the login", id)
		return slices.ContainsFunc(spans, func(s testbed.CollectedSpan) bool { return strings.HasPrefix(s.Name, "redis") && s.Failed })
	}
	for attempt := 1; login() && attempt < 3; attempt++ { // on a busy machine
	}
	const want = `POST /token 
  identify ok
    redis get miss
    redis take ok
    redis get miss
    authenticate granted
      redis get miss
      ldap connect ok
      ldap service_bind ok
      ldap user_search ok
      ldap group_search ok
      redis set ok
      ldap connect ok
      ldap user_bind ok
    redis set ok
    redis delete ok
  decide granted
  sign ok
  sqlite store a session ok
  redis set ok
`
	if diff := cmp.Diff(want, tree(t, spans)); diff != "" {
		t.Errorf("the login (-want +got):\n%s", diff)
	}
	event := s.AwaitAudit("the login", func(e audit.Event) bool { return e.RequestID == id && e.Action == audit.TokenIssued })
	decide := named(spans, "decide").Attributes
	if event.DecisionID == "" || decide["drawbridge.decision_id"] != event.DecisionID || decide["drawbridge.policy_revision"] != event.PolicyRevision {
		t.Errorf("the audit event is %+v, the decision %v", event, decide)
	}
	root := named(spans, "POST /token")
	if root.Attributes["http.response.status_code"] != "200" || root.Process["service.name"] != "drawbridge" || root.Process["service.version"] == "" {
		t.Errorf("the root is %+v", root)
	}
	s.Await("the log line of the request", func() bool {
		return strings.Contains(strings.Join(linesOf(t, s, id), ""), `"trace_id":"`+root.TraceID+`"`)
	})

	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}}
	refreshed := byRequest(collector, "the refresh", ask(t, s, request(t, http.MethodPost, s.URL+"/token", form), ""))
	if got := tree(t, refreshed); !strings.Contains(got, "\n    sqlite find a session ok\n") || !strings.Contains(got, "\n    recheck granted\n") {
		t.Errorf("the refresh:\n%s", got)
	}
	api := request(t, http.MethodGet, s.URL+"/api/v1/robots/alice-ci", nil)
	api.SetBasicAuth("local-admin", "badmin-secret")
	if got := tree(t, byRequest(collector, "the API", ask(t, s, api, ""))); !strings.HasPrefix(got, "GET /api/v1/robots/{name} ") {
		t.Errorf("the API:\n%s", got)
	}
	s.Token("alice", "wrong-secret")
	directory.Kill()
	outage := byRequest(collector, "the outage", s.Token("bob", "outage-secret").Header.Get("X-Request-Id"))
	if got := tree(t, outage); !strings.Contains(got, "ldap connect failed\n") || !named(outage, "GET /token").Failed {
		t.Errorf("the outage:\n%s", got)
	}
	for _, secret := range []string{
		"alice", "bob", "local-admin", "payments", directory.BaseDN, alice, "badmin", "-secret", directory.BindPassword, first.Token, first.RefreshToken,
	} {
		if strings.Contains(collector.Text(), secret) {
			t.Errorf("%q is in the traces", secret)
		}
	}
}

// A stranger's traceparent records nothing and joins no trace; a trusted proxy's does
// both. What is left at the end is sent before the process ends.
func TestStrangersDoNotTrace(t *testing.T) {
	t.Parallel()
	directory, collector := testbed.StartSlapd(t), testbed.StartCollector(t)
	const forged, proxys = "0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736"
	for trace, more := range map[string]string{forged: "", proxys: "server: { trusted_proxies: [\"127.0.0.0/8\"] }\n"} {
		s := tracedServer(t, directory, collector.URL, "0", more)
		r := request(t, http.MethodGet, s.URL+"/token", nil)
		r.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
		ask(t, s, r, "")
		s.Stop()
	}
	spans := collector.AwaitTrace("the proxy's request", func(s testbed.CollectedSpan) bool { return s.Name == "GET /token" })
	if spans[0].TraceID != proxys || named(spans, "GET /token").ParentID != "b7ad6b7169203331" {
		t.Errorf("got %+v", spans)
	}
	if text := collector.Text(); strings.Contains(text, forged) || strings.Count(text, `"GET /token"`) != 1 {
		t.Errorf("the collector has\n%s", text)
	}
}

// A collector that hangs or is not there costs no login. Its queue is bounded, and it is
// used again when it is back.
func TestCollectorsThatAreAway(t *testing.T) {
	t.Parallel()
	directory, collector := testbed.StartSlapd(t), testbed.StartCollector(t)
	collector.Pause()
	s := tracedServer(t, directory, collector.URL, "1", "")
	gone := tracedServer(t, directory, "http://127.0.0.1:1", "1", "")
	login := func(s *testbed.Server) {
		if got := s.Token("alice", testbed.SeedPassword("alice"), "repository:payments/api:pull"); got.Scope == "" {
			t.Errorf("the login is answered %d %s", got.Status, got.Body)
		}
	}
	count := func(s *testbed.Server, outcome string) float64 {
		return s.Metrics()[`drawbridge_trace_spans_total{outcome="`+outcome+`"}`]
	}
	for count(s, "dropped") == 0 { // a request is four spans, and 512 of them fail in 5 s
		inParallel(200, 16, func(int) { login(s) })
	}
	login(gone)
	const away = "the collector of traces does not take spans"
	for _, one := range []*testbed.Server{s, gone} {
		one.Await("it is known that the collector is away", func() bool { login(one); return count(one, "failed") > 0 })
		if n := strings.Count(one.Output(), away); n != 1 {
			t.Errorf("%d lines say so", n)
		}
	}
	collector.Resume()
	s.Await("the collector is used again", func() bool {
		login(s)
		return count(s, "sent") > 0 && strings.Contains(s.Output(), "takes spans again")
	})
	if !gone.Ready() {
		t.Error("a collector that is not there is a reason not to be ready")
	}
}
