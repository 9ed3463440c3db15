package bench_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/bench"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"
)

// database is one of the two that a store can stand on.
type database struct {
	name string
	// url is store.url, dir is data_dir.
	url, dir string
	// size returns the bytes on disk.
	size func() string
}

// databases returns fresh ones.
func databases(t *testing.T, postgres *testbed.Postgres) []database {
	t.Helper()
	dir, url := t.TempDir(), postgres.NewDatabase()
	// Where the server keeps its own: see startDrawbridge.
	dir = filepath.Join(dir, "data")
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	return []database{
		{"SQLite", "", dir, func() string {
			return fmt.Sprintf("%.0f MB", float64(size(t, filepath.Join(dir, store.SQLiteName)))/1e6)
		}},
		{"PostgreSQL", url, dir, func() string {
			bytes, err := strconv.ParseFloat(postgres.SQL(testbed.DatabaseOf(url), "SELECT pg_database_size(current_database())"), 64)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%.0f MB", bytes/1e6)
		}},
	}
}

func (d database) open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{URL: identity.NewSecret(d.url), Dir: d.dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestStoreFigures measures what the durable state costs.
func TestStoreFigures(t *testing.T) {
	d, rounds, many := 3*time.Second, 3, 1_000_000
	if *write == "" {
		d, rounds, many = 100*time.Millisecond, 1, 2000
	}
	load := loadAverage(t)
	postgres := testbed.StartPostgres(t)
	text := fmt.Sprintf(`## The store

%s; PostgreSQL on the same machine and disk, with its default settings. The load average before the run was %s.

### Writes

One write is one transaction, on disk when the call returns: an entry of the feed, such as a revocation. A closed loop of %v,
the fastest of %d rounds.

%s
### Audit events

Each event is a row with its indexes. They are written 1,024 at once, as a server under load does; one writer.

%s
### %s live revocations

What a server pays for them, in a process of its own with nothing else to do. Lookups are under "Inside".

%s
### %s stored sessions

A look-up is what a refresh costs the store, creating one what a login that is to last costs; all are counted once a minute,
for a metric. The server keeps none in memory.

%s`, bench.Machine(), load, d, rounds, writeRates(t, postgres, d, rounds), auditRates(t, postgres, d, rounds),
		thousands(many), revocations(t, postgres, many), thousands(many), sessions(t, postgres, many))
	writeSection(t, "store", text)
}

// writeRates measures single writes.
func writeRates(t *testing.T, postgres *testbed.Postgres, d time.Duration, rounds int) string {
	t.Helper()
	var rows [][]string
	for _, db := range databases(t, postgres) {
		for _, c := range []struct {
			what              string
			replicas, writers int
		}{{"one writer", 1, 1}, {"16 writers", 1, 16}, {"2 replicas with 8 writers each", 2, 16}} {
			if db.url == "" && c.replicas > 1 {
				continue // replicas share no SQLite
			}
			var stores []*store.Store
			for range c.replicas {
				stores = append(stores, db.open(t))
			}
			var best bench.Result
			for range rounds {
				result, err := bench.Loop(t.Context(), c.writers, d, bench.DefaultMaxRequests, func(ctx context.Context, i int) (time.Duration, error) {
					start := time.Now()
					_, err := stores[i%len(stores)].AppendChanges(ctx, revoked(start, "a token ID of usual length"))
					return time.Since(start), err
				})
				if err != nil {
					t.Fatal(err)
				}
				if best.Requests == 0 || result.PerSecond() > best.PerSecond() {
					best = result
				}
			}
			rows = append(rows, []string{
				db.name + ", " + c.what, fmt.Sprintf("%.0f", best.PerSecond()),
				bench.Short(best.P50), bench.Short(best.P99), bench.Short(best.Max),
			})
		}
	}
	return bench.Table([]string{"", "writes/s", "p50", "p99", "max"}, rows)
}

// auditRates measures how many events a store takes.
func auditRates(t *testing.T, postgres *testbed.Postgres, d time.Duration, rounds int) string {
	t.Helper()
	const most = 1024
	var rows [][]string
	for _, db := range databases(t, postgres) {
		s := db.open(t)
		best := fastest(t, 1, d, rounds, func(int) error { return s.AppendAudit(t.Context(), events(most)) })[0]
		perSecond := best.PerSecond() * most
		rows = append(rows, []string{db.name, fmt.Sprintf("%.0f", perSecond), bench.Short(time.Duration(float64(time.Second) / perSecond))})
	}
	return bench.Table([]string{"", "events/s", "an event"}, rows)
}

// events are answers to token requests.
func events(n int) []audit.Event {
	now := time.Now().UTC()
	list := make([]audit.Event, n)
	for i := range list {
		id := fmt.Sprintf("%s-%d", now.Format(time.RFC3339Nano), i)
		list[i] = audit.Event{
			Time: now, ID: id, Action: audit.TokenIssued, Outcome: audit.Success, Method: "password", Connector: "corp",
			Personal: audit.Personal{
				User: "corp/" + person(i%500), Groups: []string{"payments-dev", "payments-leads"}, SourceIP: "192.0.2.1", UserAgent: "docker/28.2.2",
			},
			RequestID: "ABCDEFGHIJKLMNOPQRSTUVWXYZ", DecisionID: id, Service: "Docker registry", PolicyRevision: "12",
			Repositories: []string{"payments/api"}, Requested: []string{"repository:payments/api:pull,push"}, Granted: []string{"repository:payments/api:pull,push"},
		}
	}
	return list
}

func revoked(at time.Time, id string) feed.Change {
	return feed.Change{
		Kind: feed.RevokeToken, Value: id, At: at, By: "cli:root", Reason: "lost laptop", ExpiresAt: at.Add(24 * time.Hour),
	}
}

// revocations measures a server with many of them.
func revocations(t *testing.T, postgres *testbed.Postgres, many int) string {
	t.Helper()
	binary := build(t)
	var rows [][]string
	for _, db := range databases(t, postgres) {
		without := startOn(t, binary, db)
		s, now := db.open(t), time.Now()
		for done := 0; done < many; {
			batch := make([]feed.Change, min(1000, many-done))
			for i := range batch {
				batch[i] = revoked(now, fmt.Sprintf("AAAAAAAAAAAAAA%08d", done+i))
			}
			if _, err := s.AppendChanges(t.Context(), batch...); err != nil {
				t.Fatal(err)
			}
			done += len(batch)
		}
		with := startOn(t, binary, db)
		rows = append(rows, []string{
			db.name, bench.Short(without.ready), bench.Short(with.ready),
			fmt.Sprintf("%.0f MB", float64(without.memory)/1e6), fmt.Sprintf("%.0f MB", float64(with.memory)/1e6), db.size(),
		})
	}
	return bench.Table([]string{"", "start to ready without", "with", "resident memory without", "with", "on disk"}, rows)
}

// sessions measures a store that holds many of them.
func sessions(t *testing.T, postgres *testbed.Postgres, many int) string {
	t.Helper()
	binary := build(t)
	var rows [][]string
	for _, db := range databases(t, postgres) {
		cmd := exec.CommandContext(t.Context(), "go", "test", "-run", "^$", "-bench", "^BenchmarkSessions$", "-benchmem", "-timeout", "30m", "./store",
			"-args", "-sessions", strconv.Itoa(many), "-store-dir", db.dir, "-store-url", db.url)
		cmd.Dir = repository(t)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		row := []string{db.name}
		for _, name := range []string{"ByToken", "Create", "Count"} {
			i := slices.IndexFunc(parseMicro(string(out)), func(m bench.Micro) bool { return m.Name == "store: Sessions/"+name })
			if i < 0 {
				t.Fatalf("no figure for %s in\n%s", name, out)
			}
			row = append(row, bench.Short(time.Duration(number(parseMicro(string(out))[i].NsPerOp))))
		}
		server := startOn(t, binary, db)
		rows = append(rows, append(row, bench.Short(server.ready), fmt.Sprintf("%.0f MB", float64(server.memory)/1e6), db.size()))
	}
	return bench.Table([]string{"", "look-up", "create", "count", "server: start to ready", "its resident memory", "on disk"}, rows)
}

// started is what a server cost to start.
type started struct {
	ready  time.Duration
	memory int64
}

// startOn starts a server on the database and stops it again.
func startOn(t *testing.T, binary string, db database) started {
	t.Helper()
	p := startDrawbridge(t, binary, filepath.Dir(db.dir), settings{tls: "off", storeURL: db.url})
	memory, _, err := p.Memory()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	return started{p.Ready, memory}
}

// thousands writes a number with commas.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}
