package robot

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Use is a login with a secret.
type Use struct {
	SecretID string
	At       time.Time
	Address  string
}

// UseWriter keeps when secrets were used last; the store is one.
type UseWriter interface {
	// RecordRobotUses writes each use unless a later one is known. A secret that is
	// gone is passed over.
	RecordRobotUses(ctx context.Context, uses []Use) error
}

const (
	// useInterval is how often the use of one secret is written at most.
	useInterval = time.Minute
	// useFlush is how often is looked for what to write.
	useFlush = time.Second
)

// Uses collects the logins and writes them in the background. Only the last use of
// each secret counts, so that it holds no more entries than there are secrets.
type Uses struct {
	writer UseWriter
	clock  func() time.Time
	log    *slog.Logger

	mu      sync.Mutex
	pending map[string]Use       // by secret
	written map[string]time.Time // when, by secret
}

// NewUses returns an empty collection; [Uses.Run] writes it.
func NewUses(writer UseWriter, clock func() time.Time, log *slog.Logger) *Uses {
	return &Uses{writer: writer, clock: clock, log: log, pending: map[string]Use{}, written: map[string]time.Time{}}
}

// used takes note of a login. It never waits for I/O.
func (u *Uses) used(use Use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pending[use.SecretID] = use
}

// Run writes until ctx ends.
func (u *Uses) Run(ctx context.Context) {
	ticker := time.NewTicker(useFlush)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			err := u.write(ctx, useInterval)
			if failing != (err != nil) {
				failing = err != nil
				u.log.WarnContext(ctx, "writing when robots were used last", "failing", failing, "error", err)
			}
		}
	}
}

// Close writes what is left when no more logins come. The store bounds how long that
// takes.
func (u *Uses) Close() error { return u.write(context.Background(), 0) }

// write stores the pending uses of the secrets that were not written within the
// interval. What cannot be written stays pending.
func (u *Uses) write(ctx context.Context, interval time.Duration) error {
	due := u.take(interval)
	if len(due) == 0 {
		return nil
	}
	err := u.writer.RecordRobotUses(ctx, due)
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.clock()
	for _, use := range due {
		if err == nil {
			u.written[use.SecretID] = now
		} else if _, newer := u.pending[use.SecretID]; !newer {
			u.pending[use.SecretID] = use
		}
	}
	return err
}

// take removes what is due. It forgets what was written long ago, so that secrets
// that are gone leave nothing behind.
func (u *Uses) take(interval time.Duration) []Use {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.clock()
	for id, at := range u.written {
		if now.Sub(at) >= interval {
			delete(u.written, id)
		}
	}
	var due []Use
	for id, use := range u.pending {
		if _, lately := u.written[id]; !lately {
			due = append(due, use)
			delete(u.pending, id)
		}
	}
	return due
}
