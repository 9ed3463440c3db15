package cache

import (
	"context"
	"log/slog"
	"time"
)

// TieredRate is a [Rate] that holds in this process and, as long as it answers, in
// what replicas share. This process is asked first, so that a flood costs no round
// trips, and goes on by itself during an outage.
type TieredRate struct {
	local, shared Rate
	log           *slog.Logger
}

// NewTieredRate returns a rate; shared may be nil.
func NewTieredRate(local, shared Rate, log *slog.Logger) *TieredRate {
	return &TieredRate{local, shared, log}
}

// Allow implements [Rate]. It fails with the context alone.
func (r *TieredRate) Allow(ctx context.Context, key string) (time.Duration, error) {
	wait, err := r.local.Allow(ctx, key)
	if err != nil || wait > 0 || r.shared == nil {
		return wait, err
	}
	if wait, err = r.shared.Allow(ctx, key); err != nil {
		r.log.DebugContext(ctx, "a rate is limited in this process only", "error", err)
		return 0, ctx.Err()
	}
	return wait, nil
}
