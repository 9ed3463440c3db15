package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"drawbridge/e2e/testbed"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/conformance"
	"drawbridge/store/feed"
	"drawbridge/store/migrations"

	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/pressly/goose/v3"
)

// database is a database that a test looks into beside the stores.
type database struct {
	*sql.DB
	t   *testing.T
	url string
}

func newDatabase(t *testing.T, server *testbed.Postgres) *database {
	t.Helper()
	url := server.NewDatabase()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &database{DB: db, t: t, url: url}
}

// schema migrates as a program with these migrations does.
func (d *database) schema(files fs.FS) *goose.Provider {
	d.t.Helper()
	provider, err := goose.NewProvider(goose.DialectPostgres, d.DB, files)
	if err != nil {
		d.t.Fatal(err)
	}
	return provider
}

func (d *database) exec(statement string) {
	d.t.Helper()
	if _, err := d.ExecContext(d.t.Context(), statement); err != nil {
		d.t.Fatalf("%s: %v", statement, err)
	}
}

// lines are the rows of a query with one column of text.
func (d *database) lines(query string) (found []string) {
	d.t.Helper()
	rows, err := d.QueryContext(d.t.Context(), query)
	if err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			d.t.Fatal(err)
		}
		found = append(found, line)
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
	return found
}

// filled is how many rows each table of an old schema gets.
const filled = 3

// fill puts rows into each table that there is, with something in each column. It
// returns what reads them as they are now, whatever columns come later.
func (d *database) fill() map[string]string {
	d.t.Helper()
	queries := map[string]string{}
	for _, table := range store.Tables() {
		columns := d.lines(`SELECT column_name || ' ' || data_type FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = '` + table.Name + `' ORDER BY ordinal_position`)
		if len(columns) == 0 {
			continue // of a later schema
		}
		names := make([]string, len(columns))
		for i, column := range columns {
			names[i], _, _ = strings.Cut(column, " ")
		}
		for n := range filled {
			values := make([]string, len(columns))
			for i, column := range columns {
				values[i] = fmt.Sprint(n + 1)
				if strings.HasSuffix(column, " text") {
					values[i] = fmt.Sprintf("'of before %d'", n+1)
				}
			}
			d.exec(`INSERT INTO ` + table.Name + ` (` + strings.Join(names, ", ") + `) VALUES (` + strings.Join(values, ", ") + `)`)
		}
		queries[table.Name] = `SELECT ROW(` + strings.Join(names, ", ") + `)::text FROM ` + table.Name + ` ORDER BY 1`
	}
	d.exec(fmt.Sprintf(`UPDATE counters SET value = %d WHERE name = 'changes'`, filled))
	return queries
}

// read runs the queries of fill.
func (d *database) read(queries map[string]string) map[string][]string {
	d.t.Helper()
	found := map[string][]string{}
	for table, query := range queries {
		found[table] = d.lines(query)
	}
	return found
}

// docs/upgrading.md: a database of any earlier schema is brought up to date by the
// servers that start, all at once, and what was in it stays.
func TestEveryOldSchemaIsMigratedOnPostgres(t *testing.T) {
	server := testbed.StartPostgres(t)
	sources := newDatabase(t, server).schema(migrations.FS).ListSources()
	newest := sources[len(sources)-1].Version
	for _, source := range sources {
		t.Run(fmt.Sprint(source.Version), func(t *testing.T) {
			d := newDatabase(t, server)
			if _, err := d.schema(migrations.FS).UpTo(t.Context(), source.Version); err != nil {
				t.Fatal(err)
			}
			rows := d.fill()
			before := d.read(rows)
			if len(before["changes"]) != filled {
				t.Fatalf("the tables hold %v", before)
			}
			const replicas = 3
			stores := make([]*store.Store, replicas)
			var opening sync.WaitGroup
			for i := range stores {
				opening.Go(func() { stores[i] = open(t, d.url) })
			}
			opening.Wait()
			for _, s := range stores {
				if err := s.Ready(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if diff := cmp.Diff(before, d.read(rows)); diff != "" {
				t.Errorf("what was in the tables has changed (-before +now):\n%s", diff)
			}
			if version, err := d.schema(migrations.FS).GetDBVersion(t.Context()); err != nil || version != newest {
				t.Errorf("the schema is %d, want %d: %v", version, newest, err)
			}
			for i, s := range stores {
				stored, err := s.AppendChanges(t.Context(), feed.Change{Kind: feed.Forget, Value: "corp/alice", At: conformance.At(), ExpiresAt: conformance.At().AddDate(1, 0, 0)})
				if err != nil || stored[0].Seq != int64(filled+i+1) {
					t.Errorf("replica %d goes on with %v: %v", i, stored, err)
				}
			}
		})
	}
}

// nextRelease are the migrations of a release that does to every table all that one
// may do: see TestMigrationsOnlyAdd of package store.
func nextRelease(t *testing.T) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	next := "-- +goose Up\nCREATE TABLE of_the_next_release (name TEXT PRIMARY KEY);\n"
	for _, table := range store.Tables() {
		next += "ALTER TABLE " + table.Name + " ADD COLUMN next_text TEXT NOT NULL DEFAULT '';\n" +
			"ALTER TABLE " + table.Name + " ADD COLUMN next_number BIGINT;\n" +
			"CREATE INDEX next_" + table.Name + " ON " + table.Name + " (next_text);\n"
	}
	files["99999_next.sql"] = &fstest.MapFile{Data: []byte(next)}
	return files
}

// docs/upgrading.md: old and new servers work side by side, and the old program starts
// on the schema of the new one: all that it does works there.
func TestTheNextSchemaOnPostgres(t *testing.T) {
	server := testbed.StartPostgres(t)
	next := nextRelease(t)
	conformance.Run(t, func(t *testing.T) conformance.Open {
		d := newDatabase(t, server)
		if _, err := d.schema(next).Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		return func(t *testing.T) *store.Store { return open(t, d.url) }
	})
}

// A rollout: while the first new server brings the schema up to date, the old ones
// write, and none of it is refused or lost.
func TestMigrationUnderTheOldServersOnPostgres(t *testing.T) {
	d := newDatabase(t, testbed.StartPostgres(t))
	old := []*store.Store{open(t, d.url), open(t, d.url)}
	acknowledged := &acknowledgements{came: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writing sync.WaitGroup
	for i, s := range old {
		writing.Go(func() {
			if refused, err := conformance.Write(ctx, s, fmt.Sprint("old", i), 0, acknowledged.add); refused != 0 || err != nil {
				t.Errorf("%d writes were refused: %v", refused, err)
			}
		})
	}
	acknowledged.await(t, 100)
	if _, err := d.schema(nextRelease(t)).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	acknowledged.await(t, 100)
	stop()
	writing.Wait()
	conformance.CheckKept(t, old[0], acknowledged.values)
	for _, s := range append(old, open(t, d.url)) {
		if err := s.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// starting is a store that is being opened, as a server does at its start.
type starting struct {
	log    bytes.Buffer
	mu     sync.Mutex
	store  *store.Store
	opened chan struct{}
}

func (r *starting) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *starting) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func start(t *testing.T, url string) *starting {
	t.Helper()
	r := &starting{opened: make(chan struct{})}
	go func() {
		defer close(r.opened)
		var err error
		r.store, err = store.Open(context.Background(), store.Options{
			URL: identity.NewSecret(url), Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(r, nil)),
		})
		if err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		<-r.opened
		if r.store != nil {
			_ = r.store.Close() // closed a second time by a test that has done so
		}
	})
	return r
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// slowSchema returns a database of an old schema in which a step of the migration takes
// until release is called: it waits for a lock, as a large table would make it wait.
func slowSchema(t *testing.T, server *testbed.Postgres) (d *database, migrating func() []string, release func()) {
	t.Helper()
	d = newDatabase(t, server)
	provider := d.schema(migrations.FS)
	sources := provider.ListSources()
	if _, err := provider.UpTo(t.Context(), sources[len(sources)-3].Version); err != nil {
		t.Fatal(err)
	}
	tx, err := d.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), `LOCK TABLE goose_db_version IN SHARE MODE`); err != nil {
		t.Fatal(err)
	}
	migrating = func() []string {
		return d.lines(`SELECT pid::text FROM pg_stat_activity WHERE datname = current_database()
			AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO goose_db_version%'`)
	}
	return d, migrating, func() { _ = tx.Rollback() }
}

// A step that takes longer than any call on the store waits is not broken off: the
// server goes on starting without its store, and uses it as soon as the step is done. A
// second server says what it waits for.
func TestSlowMigrationOnPostgres(t *testing.T) {
	d, migrating, release := slowSchema(t, testbed.StartPostgres(t))
	defer release()
	first := start(t, d.url)
	eventually(t, "the migration has come to its slow step", func() bool { return len(migrating()) == 1 })
	working := migrating()
	second := start(t, d.url)

	for name, r := range map[string]*starting{"first": first, "second": second} {
		<-r.opened // without its store, since the step is not done
		if err := r.store.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "up to date") {
			t.Errorf("the %s server's store in the middle of the migration: %v", name, err)
		}
		if said := r.said(); !strings.Contains(said, "the store will be used when that is done") {
			t.Errorf("the %s server says\n%s", name, said)
		}
	}
	if still := migrating(); !cmp.Equal(still, working) {
		t.Errorf("the step was begun by the connection %v, and is done by %v: it was broken off", working, still)
	}
	const waits = "another server is bringing the store's schema up to date; this one waits for it"
	if strings.Contains(first.said(), waits) || !strings.Contains(second.said(), waits) {
		t.Errorf("the first server says\n%s\nthe second one\n%s", first.said(), second.said())
	}

	release()
	for _, r := range []*starting{first, second} {
		eventually(t, "the store is ready", func() bool { return r.store.Ready(t.Context()) == nil })
	}
	if !strings.Contains(first.said(), "the store's schema is up to date") {
		t.Errorf("the first server says\n%s", first.said())
	}
}

// docs/upgrading.md: a server that ends in the middle of a migration leaves what was
// before the step, and the next one does the rest.
func TestMigrationIsBrokenOffOnPostgres(t *testing.T) {
	d, migrating, release := slowSchema(t, testbed.StartPostgres(t))
	defer release()
	first := start(t, d.url)
	eventually(t, "the migration has come to its slow step", func() bool { return len(migrating()) == 1 })
	<-first.opened
	if err := first.store.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "the step has ended", func() bool { return len(migrating()) == 0 })
	release()
	if err := open(t, d.url).Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// The whole server meanwhile: it lives, so that nobody ends it in the middle of the
// step, is not ready, and says why; then it is.
func TestServerDuringASlowMigrationOnPostgres(t *testing.T) {
	d, migrating, release := slowSchema(t, testbed.StartPostgres(t))
	defer release()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"htpasswd": testbed.HTPasswd(t, "admin", "badmin"), "policy.yaml": "bindings: []\n",
		"drawbridge.yaml": "server: { addr: \"127.0.0.1:0\", telemetry_addr: \"127.0.0.1:0\" }\nregistries: [ { service: S, issuer: I } ]\n" +
			"connectors: [ { name: local, type: htpasswd, file: htpasswd } ]\npolicy: { file: policy.yaml }\nstore: { url: \"" + d.url + "\" }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	logged := &starting{}
	cmd := exec.CommandContext(t.Context(), testbed.Program(t), "serve", "--config", "drawbridge.yaml")
	cmd.Dir, cmd.Stderr = dir, logged
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Wait() // the test's context has ended it
		if t.Failed() {
			t.Log(logged.said())
		}
	})
	var telemetry string
	eventually(t, "the server has started", func() bool {
		_, after, found := strings.Cut(logged.said(), `"telemetry_addr":"`)
		telemetry, _, _ = strings.Cut(after, `"`)
		return found
	})
	ask := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http://" + telemetry + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if status, body := ask("/livez"); status != http.StatusOK {
		t.Errorf("/livez: %d %s", status, body)
	}
	if status, body := ask("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "bring the store's schema up to date") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if len(migrating()) != 1 {
		t.Error("the step was broken off")
	}
	release()
	eventually(t, "the server is ready", func() bool {
		status, _ := ask("/readyz")
		return status == http.StatusOK
	})
}
