package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/identity"
	"drawbridge/tracing"
)

// ErrUnavailable is what every method returns, wrapped, when the database does
// not answer or refuses to work: retry later, and conclude nothing.
var ErrUnavailable = errors.New("the store is unavailable")

// ErrNotFound is what a method that looks one thing up returns, wrapped, when it
// is not there.
var ErrNotFound = errors.New("not found")

// callTimeout bounds one call on the store, so that a database that hangs holds
// no request for longer than a client waits.
const callTimeout = 5 * time.Second

// Options configures [Open].
type Options struct {
	// URL is postgres://...; empty is SQLite in Dir.
	URL identity.Secret
	// Dir is data_dir, which exists.
	Dir   string
	Clock func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: nothing is logged
}

// Store is the durable state. Its methods may be called concurrently, also from
// several processes.
type Store struct {
	opts    Options
	dialect dialect
	// read and write are one pool on PostgreSQL. SQLite has one writer at a time
	// anyway, and queueing for it here is cheaper than its busy loop.
	read, write *sql.DB

	migrated  atomic.Bool
	migrating sync.Mutex
	last      *migration      // nil before the first
	life      context.Context // of migrations; ends with Close
	end       context.CancelFunc
}

// Open opens the store and brings its schema up to date. A PostgreSQL server that
// does not answer is no error, see the package's text; [Store.Ready] tells.
func Open(ctx context.Context, opts Options) (*Store, error) {
	s, err := connect(opts)
	if err != nil {
		return nil, err
	}
	if !s.dialect.remote { // nothing goes on without it
		err = s.migrateFully(ctx)
	}
	if err == nil {
		err = s.Ready(ctx)
	}
	switch {
	case err == nil:
	case s.dialect.remote && errors.Is(err, errMigrating):
		s.opts.Log.WarnContext(ctx, "the store's schema is being brought up to date; the store will be used when that is done")
	case s.dialect.remote && errors.Is(err, ErrUnavailable):
		s.opts.Log.WarnContext(ctx, "the store does not answer; it will be used as soon as it does", "error", err)
	default:
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// connect prepares the connections, and leaves the schema as it is.
func connect(opts Options) (*Store, error) {
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{opts: opts}
	s.life, s.end = context.WithCancel(context.Background())
	open := s.openSQLite
	if !opts.URL.Empty() {
		open = s.openPostgres
	}
	return s, open()
}

// Close closes the connections. It breaks off a migration, which the next start does.
func (s *Store) Close() error {
	s.endMigration()
	if s.read == s.write {
		return s.write.Close()
	}
	return errors.Join(s.read.Close(), s.write.Close())
}

// Ready returns nil when the store answers and its schema is up to date.
func (s *Store) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if err := s.read.PingContext(ctx); err != nil {
		return unavailable("ask the store", err)
	}
	return nil
}

// view runs reads outside of a transaction.
func (s *Store) view(ctx context.Context, what string, f func(ctx context.Context, q querier) error) error {
	return s.viewFor(ctx, callTimeout, what, f)
}

// update runs f in one transaction, which is durable when update returns nil.
func (s *Store) update(ctx context.Context, what string, f func(ctx context.Context, tx *sql.Tx) error) (err error) {
	span := tracing.Ask(ctx, s.dialect.name, what, "")
	defer func() { end(span, err) }()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.migrate(ctx); err != nil {
		return err
	}
	tx, err := s.begin(ctx)
	if err != nil {
		return unavailable(what, err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if err := f(ctx, tx); err != nil {
		return classify(what, err)
	}
	if err := tx.Commit(); err != nil {
		return unavailable(what, err)
	}
	return nil
}

// end ends a span. An answer that there is no such thing is an answer.
func end(span tracing.Span, err error) {
	_, conflict := errors.AsType[*Conflict](err)
	switch {
	case err == nil:
		span.End("ok", false)
	case errors.Is(err, ErrNotFound):
		span.End("not_found", false)
	case conflict:
		span.End("conflict", false)
	default:
		span.End("failed", true)
	}
}

// querier is what *sql.DB and *sql.Tx share.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// classify turns what a driver says into the errors of this package.
func classify(what string, err error) error {
	var ours *Conflict
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, ErrNotFound):
		return fmt.Errorf("%s: %w", what, ErrNotFound)
	case errors.As(err, &ours):
		return fmt.Errorf("%s: %w", what, ours)
	}
	return unavailable(what, err)
}

// Conflict refuses a write that contradicts what is stored, such as a robot whose
// name is taken. Its text is for the person who asked.
type Conflict struct{ Message string }

// Error returns the message.
func (e *Conflict) Error() string { return e.Message }

func unavailable(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}

// millis and timeOf are the form of times in the tables.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
