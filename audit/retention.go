package audit

import (
	"context"
	"log/slog"
	"time"
)

// Pruner removes old events; the store is one.
type Pruner interface {
	// PruneAudit removes the events from before then, and the oldest of those that
	// are more than most; 0: any number.
	PruneAudit(ctx context.Context, before time.Time, most int64) (int64, error)
}

// Retention bounds what the store keeps.
type Retention struct {
	Store Pruner
	Keep  time.Duration
	Most  int64 // 0: any number
	Clock func() time.Time
	Log   *slog.Logger
}

const (
	// pruneFirst leaves the first minute after a start to others.
	pruneFirst = time.Minute
	pruneEvery = 10 * time.Minute
)

// Run removes what is too old or too much, until ctx ends. Replicas may all do so.
func (r Retention) Run(ctx context.Context) {
	timer := time.NewTimer(pruneFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		n, err := r.Store.PruneAudit(ctx, r.Clock().Add(-r.Keep), r.Most)
		switch {
		case err != nil && ctx.Err() == nil:
			r.Log.WarnContext(ctx, "old audit events cannot be removed now", "error", err)
		case n > 0:
			r.Log.InfoContext(ctx, "removed old audit events", "events", n)
		}
		timer.Reset(pruneEvery)
	}
}
