package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3/lock"
)

// migrateTimeout bounds bringing the schema up to date. A step over a table of
// millions of rows takes its minutes.
const migrateTimeout = 10 * time.Minute

// errMigrating is what calls on the store end with while the schema is brought up to
// date for longer than they wait.
var errMigrating = errors.New("that is being done, here or by another server, and takes its time")

// migration is one try to bring the schema up to date. It is no part of the call that
// began it, which gives up sooner: a step that is broken off is rolled back, and the
// next try would not get any further.
type migration struct {
	works atomic.Bool   // there is something to do, and the database has answered
	slow  chan struct{} // closed when calls are not to wait for it any longer
	done  chan struct{} // closed when err is set
	err   error
}

// unfinished is the error of a call that waits no longer.
func (m *migration) unfinished(err error) error {
	if m.works.Load() {
		err = errMigrating
	}
	return unavailable(bringing, err)
}

// migrate brings the schema up to date once in the life of the Store, and waits for
// that as long as a call waits.
func (s *Store) migrate(ctx context.Context) error {
	if s.migrated.Load() {
		return nil
	}
	m := s.migration()
	select {
	case <-m.done:
		return m.err
	case <-m.slow:
		return m.unfinished(context.DeadlineExceeded)
	case <-ctx.Done():
		return m.unfinished(ctx.Err())
	}
}

// migrateFully is migrate for those who cannot go on without it.
func (s *Store) migrateFully(ctx context.Context) error {
	m := s.migration()
	select {
	case <-m.done:
		return m.err
	case <-ctx.Done():
		return m.unfinished(ctx.Err())
	}
}

// bringing is what the errors of a migration say that was done.
const bringing = "bring the store's schema up to date"

// migration returns the one that goes on or has succeeded, or begins one.
func (s *Store) migration() *migration {
	s.migrating.Lock()
	defer s.migrating.Unlock()
	if m := s.last; m != nil {
		select {
		case <-m.done:
			if m.err == nil {
				return m
			}
		default:
			return m
		}
	}
	m := &migration{slow: make(chan struct{}), done: make(chan struct{})}
	s.last = m
	go func() {
		defer close(m.done)
		ctx, cancel := context.WithTimeout(s.life, migrateTimeout)
		defer cancel()
		defer time.AfterFunc(callTimeout, func() { close(m.slow) }).Stop()
		if m.err = s.migrateAll(ctx, m); m.err == nil {
			s.migrated.Store(true)
		}
	}()
	return m
}

// endMigration breaks off one that goes on, and lets none begin any more.
func (s *Store) endMigration() {
	s.end()
	s.migrating.Lock()
	m := s.last
	s.migrating.Unlock()
	if m != nil {
		<-m.done
	}
}

func (s *Store) migrateAll(ctx context.Context, m *migration) error {
	// SQLite has no lock across migrations: of two processes that start at once
	// one may find a table that the other has just made, and nothing left to do
	// when it looks again.
	for attempt := 1; ; attempt++ {
		err := s.migrateOnce(ctx, m)
		if err == nil {
			return nil
		}
		if s.dialect.remote || ctx.Err() != nil || attempt >= 5 && !isBusy(err) {
			return unavailable(bringing, err)
		}
		time.Sleep(writeBusy)
	}
}

// migrateOnce applies the migrations that are missing. Only that may take long:
// whether any is missing is a question like others.
func (s *Store) migrateOnce(ctx context.Context, m *migration) error {
	provider, err := s.provider()
	if err != nil {
		return err
	}
	look, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.write.PingContext(look); err != nil {
		return err
	}
	pending, err := provider.HasPending(look)
	if err != nil {
		return err
	}
	current, newest, err := provider.GetVersions(look)
	if err != nil || !pending {
		s.opts.Log.DebugContext(ctx, "the store is open", "schema", current)
		return err
	}
	m.works.Store(true)
	s.opts.Log.InfoContext(ctx, "the store's schema is being brought up to date", "from", current, "to", newest)
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	s.opts.Log.InfoContext(ctx, "the store's schema is up to date", "schema", newest)
	return nil
}

// The lock that PostgreSQL keeps for a session: servers that start at once must not
// migrate at once. lockEvery is how often one that waits looks again.
const (
	lockEvery   = time.Second
	lockNotedAt = time.Second
)

// noted is a lock whose waiting is told in the log.
type noted struct {
	lock.SessionLocker
	log *slog.Logger
}

func newLocker(log *slog.Logger) (lock.SessionLocker, error) {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(uint64(lockEvery/time.Second), uint64(migrateTimeout/lockEvery)))
	return noted{locker, log}, err
}

// SessionLock waits for the lock until ctx ends.
func (n noted) SessionLock(ctx context.Context, conn *sql.Conn) error {
	defer time.AfterFunc(lockNotedAt, func() {
		n.log.InfoContext(ctx, "another server is bringing the store's schema up to date; this one waits for it")
	}).Stop()
	return n.SessionLocker.SessionLock(ctx, conn)
}
