package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // registers the driver "sqlite", too
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is where the two databases differ.
type dialect struct {
	// name is the database's in traces.
	name  string
	goose goose.Dialect
	// remote says that the database is a server that may be down for a while.
	remote bool
	// hasTable counts the tables of a name.
	hasTable string
	// options of the migration.
	options func() ([]goose.ProviderOption, error)
}

// SQLiteName is the file in data_dir that holds the SQLite database. Beside it
// lie its -wal and -shm files.
const SQLiteName = "drawbridge.db"

const (
	// maxConns bounds the connections of one process to PostgreSQL, so that ten
	// replicas fit into the server's default of 100.
	maxConns     = 8
	maxIdle      = 4
	connLifetime = 10 * time.Minute
	connIdleTime = time.Minute
	// readers of a SQLite database do not block each other.
	maxReaders = 4

	// readBusy is how long a read waits for another process that recovers the
	// write-ahead log. writeBusy is how long SQLite itself waits for another
	// process that writes: see [Store.begin] for what waits longer.
	readBusy  = 4 * time.Second
	writeBusy = 20 * time.Millisecond
)

func (s *Store) openSQLite() error {
	path := filepath.Join(s.opts.Dir, SQLiteName)
	// The driver would make it readable for everybody.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // in data_dir
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	s.dialect = dialect{
		name: "sqlite", goose: goose.DialectSQLite3, hasTable: `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1`,
		options: func() ([]goose.ProviderOption, error) { return nil, nil },
	}
	if s.write, err = sql.Open("sqlite", sqliteURL(path, "immediate", writeBusy)); err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", sqliteURL(path, "deferred", readBusy)); err != nil {
		return errors.Join(fmt.Errorf("open the store: %w", err), s.write.Close())
	}
	s.read.SetMaxOpenConns(maxReaders)
	return nil
}

// sqliteURL sets what SQLite forgets between connections. synchronous(FULL) syncs
// the write-ahead log at every commit; NORMAL would lose the last ones in a power
// cut.
func sqliteURL(path, lock string, busy time.Duration) string {
	query := url.Values{"_txlock": {lock}, "_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
	}}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}).String()
}

// begin begins a transaction that may write. SQLite's own waiting for another
// process looks every 100 ms in the end, and so can miss every gap that a busy
// server leaves; this looks every few milliseconds, until ctx ends.
func (s *Store) begin(ctx context.Context) (*sql.Tx, error) {
	for {
		tx, err := s.write.BeginTx(ctx, nil)
		if !isBusy(err) || ctx.Err() != nil {
			return tx, err
		}
	}
}

// isBusy says that another process has the SQLite file.
func isBusy(err error) bool {
	var sqliteErr *sqlite.Error
	return errors.As(err, &sqliteErr) && sqliteErr.Code()&0xff == sqlite3.SQLITE_BUSY
}

func (s *Store) openPostgres() error {
	config, err := pgx.ParseConfig(s.opts.URL.Reveal())
	if err != nil {
		// pgx redacts the password, but not one that it cannot tell apart.
		return errors.New("store.url cannot be parsed; it must read postgres://user:password@host:5432/database?sslmode=verify-full " +
			"with special characters of the password percent-encoded")
	}
	config.ConnectTimeout = callTimeout / 2
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxIdle)
	db.SetConnMaxLifetime(connLifetime)
	db.SetConnMaxIdleTime(connIdleTime)
	s.read, s.write = db, db
	hasTable := `SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1`
	s.dialect = dialect{name: "postgresql", goose: goose.DialectPostgres, remote: true, hasTable: hasTable, options: func() ([]goose.ProviderOption, error) {
		locker, err := newLocker(s.opts.Log)
		if err != nil {
			return nil, err
		}
		return []goose.ProviderOption{goose.WithSessionLocker(locker)}, nil
	}}
	return nil
}
