package bench_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"

	"drawbridge/bench"
	"drawbridge/e2e/testbed"
)

var (
	write    = flag.String("write", "", "write the figures into this file, after a run of full length")
	duration = flag.Duration("duration", 2*time.Second, "the time of one closed loop")
	rounds   = flag.Int("rounds", 5, "how often each loop is run")
	conns    = flag.Int("conns", 16, "the connections of one closed loop")
)

// The requests of the cases. A person asks for two actions on one repository, as
// a push does.
const (
	localUser, localPassword = "local-ci", "bench-password"
	ldapUser                 = "alice"
	pushScope                = "repository:payments/api:pull,push"
	pullScope                = "repository:public/app:pull"
)

// testCase is one row of the table.
type testCase struct {
	what           string
	server         string // a key of setUp's servers
	user, password string
	scope          string
	newConns       bool
	// refresh shows the refresh token of a login in place of the password.
	refresh bool
}

func cases() []testCase {
	anonymous := testCase{what: "anonymous", scope: pullScope}
	local := testCase{what: "htpasswd, cached", user: localUser, password: localPassword, scope: pushScope}
	ldap := testCase{what: "LDAP, cached", user: ldapUser, password: testbed.SeedPassword(ldapUser), scope: pushScope}
	on := func(c testCase, server, suffix string) testCase {
		c.server = server
		c.what += suffix
		return c
	}
	byToken := func(c testCase) testCase { c.refresh = true; c.what += ", by refresh token"; return c }
	each := func(c testCase) testCase { c.newConns = true; return c }
	base := testCase{what: "baseline: only signs"}
	return []testCase{
		on(base, "baseline", ""),
		on(anonymous, "plain", ""), on(local, "plain", ""), on(ldap, "plain", ""),
		byToken(on(ldap, "plain", "")),
		on(ldap, "redis", " in Redis"),
		on(base, "baseline-tls", ", TLS"),
		on(anonymous, "tls", ", TLS"), on(local, "tls", ", TLS"), on(ldap, "tls", ", TLS"),
		each(on(base, "baseline-tls", ", TLS, a connection per request")),
		each(on(ldap, "tls", ", TLS, a connection per request")),
		on(testCase{what: "htpasswd, every login checked (bcrypt, cost 10)", user: localUser, password: localPassword, scope: pushScope}, "uncached", ""),
		on(testCase{what: "LDAP, every login asked (LDAPS)", user: ldapUser, password: testbed.SeedPassword(ldapUser), scope: pushScope}, "uncached", ""),
		byToken(on(testCase{what: "LDAP, every use asked (LDAPS)", user: ldapUser, password: testbed.SeedPassword(ldapUser), scope: pushScope}, "uncached", "")),
	}
}

// TestFigures measures everything that RESULTS.md has.
func TestFigures(t *testing.T) {
	report := &bench.Report{Conns: *conns, Duration: *duration, Rounds: *rounds, LoadAverage: loadAverage(t)}
	startups := 9
	if *write == "" {
		report.Duration, report.Rounds, startups = 200*time.Millisecond, 1, 1
	}
	binary := build(t)
	report.BinaryBytes = size(t, binary)
	servers := setUp(t, binary)
	measureStart(t, binary, startups, report)
	report.Rows = make([]bench.Row, len(cases()))
	for round := range report.Rounds {
		for i, c := range cases() {
			row := measure(t, servers[c.server], c, report.Duration)
			t.Logf("round %d  %-60s %8.0f/s  p50 %8v  p99 %8v  server CPU %v", round+1, row.What,
				row.PerSecond(), row.P50, row.P99, row.ServerCPU)
			if round == 0 || row.PerSecond() > report.Rows[i].PerSecond() {
				report.Rows[i] = row
			}
		}
	}
	var err error
	if _, report.PeakBytes, err = servers["plain"].Memory(); err != nil {
		t.Error(err)
	}
	if *write == "" {
		return
	}
	report.Micro = microBenchmarks(t)
	writeSection(t, "server", report.Markdown())
}

// writeSection puts figures into the file that -write names, if any.
func writeSection(t *testing.T, name, text string) {
	t.Helper()
	t.Logf("%s:\n%s", name, text)
	if *write == "" {
		return
	}
	if err := bench.WriteSection(*write, name, text); err != nil {
		t.Fatal(err)
	}
}

func size(t testing.TB, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// measure runs one case.
func measure(t *testing.T, p *bench.Process, c testCase, d time.Duration) bench.Row {
	t.Helper()
	load := c.load(t, p)
	load.Conns, load.Duration = *conns, d
	if *write == "" { // a smoke test, while others want the machine, too
		load.Conns = 4
	}
	return measureLoad(t, p, c.what, load)
}

// load is the case's loop, at a server that grants what is asked for.
func (c testCase) load(t *testing.T, p *bench.Process) bench.Load {
	t.Helper()
	load := bench.Load{URL: tokenURL(p, c.scope), Username: c.user, Password: c.password, NewConnections: c.newConns}
	if c.refresh {
		login := load
		login.URL += "&offline_token=true"
		load.Username, load.Password = "<token>", ask(t, login).RefreshToken
	}
	if c.scope != "" {
		if got := granted(t, load); got != c.scope {
			t.Fatalf("%s: granted %q, want %q", c.what, got, c.scope)
		}
	}
	return load
}

// measureLoad warms up and runs one loop.
func measureLoad(t *testing.T, p *bench.Process, what string, load bench.Load) bench.Row {
	t.Helper()
	warmUp := load
	warmUp.Duration = load.Duration / 5
	if _, err := warmUp.Run(t.Context()); err != nil {
		t.Fatalf("%s: warm-up: %v", what, err)
	}
	before, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	result, err := load.Run(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	after, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	return bench.Row{What: what, Result: result, ServerCPU: (after - before) / time.Duration(result.Requests)}
}

func tokenURL(p *bench.Process, scope string) string {
	query := url.Values{"service": {"Docker registry"}}
	if scope != "" {
		query.Set("scope", scope)
	}
	return p.URL + "/token?" + query.Encode()
}

// tokenAnswer is what a request is answered with.
type tokenAnswer struct {
	Token, Scope string
	RefreshToken string `json:"refresh_token"`
}

// ask sends one request and returns the answer.
func ask(t testing.TB, load bench.Load) (answer tokenAnswer) {
	t.Helper()
	client := load.Client()
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, load.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if load.Username != "" {
		req.SetBasicAuth(load.Username, load.Password)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%s: %v: %s", resp.Status, err, body)
	}
	return answer
}

func granted(t testing.TB, load bench.Load) string {
	t.Helper()
	return ask(t, load).Scope
}

// measureStart starts the server again and again: with an empty data directory,
// where it makes its keys and certificates first, and with one that has them.
func measureStart(t *testing.T, binary string, times int, report *bench.Report) {
	t.Helper()
	var first, again []time.Duration
	for range times {
		dir := t.TempDir()
		for _, list := range []*[]time.Duration{&first, &again} {
			p := startDrawbridge(t, binary, dir, settings{tls: "self-signed"})
			*list = append(*list, p.Ready)
			now, _, err := p.Memory()
			if err != nil {
				t.Fatal(err)
			}
			report.IdleBytes = max(report.IdleBytes, now)
			if err := p.Stop(); err != nil {
				t.Fatal(err)
			}
		}
	}
	report.FirstStart, report.Start = slices.Min(first), slices.Min(again)
}

func loadAverage(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		t.Fatal(err)
	}
	var one string
	if _, err := fmt.Sscan(string(text), &one); err != nil {
		t.Fatal(err)
	}
	return one
}

// repository is the root of the product's module.
func repository(t testing.TB) string {
	t.Helper()
	return testbed.Root(t)
}
