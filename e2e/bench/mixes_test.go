package bench_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/bench"
	"drawbridge/connectors/robot"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"
	"drawbridge/store/feed"
)

// mix is a load as a company's day has it.
type mix struct {
	what string
	load bench.Load
	// binds says whether the directory's binds are worth a figure.
	binds bool
}

// sizes are the mixes' numbers, small without -write.
type sizes struct {
	robots, people, pods int
	d                    time.Duration
}

// TestMixFigures measures loads as they come, over TLS, each with a cold cache.
func TestMixFigures(t *testing.T) {
	n := sizes{robots: 1000, people: 10_000, pods: 2000, d: 10 * time.Second}
	if *write == "" {
		n = sizes{robots: 10, people: 20, pods: 20, d: 100 * time.Millisecond}
	}
	average := loadAverage(t)
	binary, slapd := build(t), testbed.StartSlapd(t)
	for i := range n.people {
		slapd.AddPerson(testbed.Person{UID: person(i)})
	}
	secrets, dir := makeRobots(t, n.robots)
	var rows [][]string
	for _, m := range mixes(n, secrets) {
		p := startDrawbridge(t, binary, dir, settings{tls: "self-signed", ldap: slapd})
		m.load.URL = tokenURL(p, m.load.URL)
		binds := slapd.Binds()
		result, err := m.load.Run(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", m.what, err)
		}
		cpu, err := p.CPU()
		if err != nil {
			t.Fatal(err)
		}
		asked := "none"
		if m.binds {
			asked = fmt.Sprint(slapd.Binds() - binds)
		}
		rows = append(rows, []string{
			m.what, thousands(result.Requests), bench.Short(result.Elapsed), fmt.Sprintf("%.0f", result.PerSecond()),
			bench.Short(result.P50), bench.Short(result.P99), bench.Short(result.Max), bench.Short(cpu / time.Duration(result.Requests)), asked,
		})
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	writeSection(t, "mixes", fmt.Sprintf(`## Loads as they come

Each at a server that has just been started, over TLS, with slapd on the same machine: %s; the load average before the run was %s.
Any answer but the expected one would have failed the run. The processor time is the server's, from its start on.

%s`, bench.Machine(), average, bench.Table([]string{
		"", "requests", "took", "requests/s", "p50", "p99", "max", "server CPU per request", "binds",
	}, rows)))
}

func person(i int) string { return fmt.Sprintf("person-%d", i) }

// mixes returns the loads; their URL is the scope that is asked for.
func mixes(n sizes, secrets []identity.Secret) []mix {
	pull := pullScope
	return []mix{
		{what: fmt.Sprintf("steady pulls of %s robots", thousands(n.robots)), load: bench.Load{
			URL: pull, Conns: 64, Duration: n.d,
			Who: func(i int64) (string, string) {
				k := int(i) % n.robots
				return "robot." + botName(k), secrets[k].Reveal()
			},
		}},
		{what: fmt.Sprintf("Monday morning: %s different people log in, each once", thousands(n.people)), binds: true, load: bench.Load{
			URL: pull, Conns: 64, Duration: 5 * time.Minute, MaxRequests: int64(n.people),
			Who: func(i int64) (string, string) {
				name := person(int(i-1) % n.people)
				return name, testbed.SeedPassword(name)
			},
		}},
		{what: "a denial storm: every login is of somebody unknown", load: bench.Load{
			URL: pull, Conns: 64, Duration: n.d, Status: http.StatusUnauthorized, Want: `"code":"UNAUTHORIZED"`,
			Who: func(i int64) (string, string) { return fmt.Sprintf("stranger-%d", i), "wrong" },
		}, binds: true},
		{what: "anonymous requests for what only others may have", load: bench.Load{
			URL: pushScope, Conns: 64, Duration: n.d,
		}},
		{what: fmt.Sprintf("a fleet restarts: %s pods with one account, each on a connection of its own", thousands(n.pods)), binds: true, load: bench.Load{
			URL: pull, Conns: 64, Duration: 5 * time.Minute, MaxRequests: int64(n.pods), NewConnections: true,
			Username: person(0), Password: testbed.SeedPassword(person(0)),
		}},
	}
}

func botName(i int) string { return fmt.Sprintf("bot-%d", i) }

// nothing is for what making robots tells others.
type nothing struct{}

func (nothing) Act(context.Context, audit.Event) {}

// makeRobots puts robots into the store of a server that is to be started in the
// directory, and returns their secrets.
func makeRobots(t *testing.T, n int) (secrets []identity.Secret, dir string) {
	t.Helper()
	dir = t.TempDir()
	db := database{name: "SQLite", dir: filepath.Join(dir, "data")}
	if err := os.Mkdir(db.dir, 0o750); err != nil {
		t.Fatal(err)
	}
	manager := &robot.Manager{
		Store: db.open(t), Announce: func(context.Context, ...feed.Change) {}, Audit: nothing{},
		MaxTTL: 24 * time.Hour, Actor: "cli:bench", Clock: time.Now,
	}
	for i := range n {
		_, secret, err := manager.Create(t.Context(), robot.Request{Name: botName(i), Owner: "corp/payments-dev", TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, secret)
	}
	return secrets, dir
}
