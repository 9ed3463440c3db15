package cache

import (
	"context"
	"time"
)

// Tiered puts a cache in this process before a shared one: what was read or
// written here is answered from here for the time fresh. It saves round trips for
// what is asked again and again. What another process changes is seen here that
// time later.
//
// A value that the shared cache did not take, because it is slow or down, is
// answered from here for the time alone: each process then remembers for itself. It
// should be no longer than a value is good without asking anybody, since nobody
// else can take its place meanwhile.
func Tiered(local, shared Cache, fresh, alone time.Duration) Cache {
	return &tiered{local: local, shared: shared, fresh: fresh, alone: max(fresh, alone)}
}

type tiered struct {
	local, shared Cache
	fresh, alone  time.Duration
}

// Get implements [Cache].
func (t *tiered) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if value, ok, err := t.local.Get(ctx, key); ok && err == nil {
		return value, true, nil
	}
	value, ok, err := t.shared.Get(ctx, key)
	if ok && err == nil {
		_ = t.local.Set(ctx, key, value, t.fresh) // only saves time
	}
	return value, ok, err
}

// Set implements [Cache]. The error is the shared cache's.
func (t *tiered) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_ = t.local.Set(ctx, key, value, min(ttl, t.fresh)) // only saves time
	err := t.shared.Set(ctx, key, value, ttl)
	if err != nil {
		_ = t.local.Set(ctx, key, value, min(ttl, t.alone)) // only saves time
	}
	return err
}

// Delete implements [Cache]. A failure of either counts: the caller wants the
// values gone.
func (t *tiered) Delete(ctx context.Context, keys ...string) error {
	if err := t.local.Delete(ctx, keys...); err != nil {
		return err
	}
	return t.shared.Delete(ctx, keys...)
}
