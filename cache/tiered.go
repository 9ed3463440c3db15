package cache

import (
	"context"
	"time"
)

// Tiered puts a cache in this process before a shared one: what was read or
// written here is answered from here for localTTL. It saves round trips for what
// is asked again and again, and carries on for that long when the shared cache is
// slow or down. What another process changes is seen here localTTL later.
func Tiered(local, shared Cache, localTTL time.Duration) Cache {
	return &tiered{local: local, shared: shared, localTTL: localTTL}
}

type tiered struct {
	local, shared Cache
	localTTL      time.Duration
}

// Get implements [Cache].
func (t *tiered) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if value, ok, err := t.local.Get(ctx, key); ok && err == nil {
		return value, true, nil
	}
	value, ok, err := t.shared.Get(ctx, key)
	if ok && err == nil {
		_ = t.local.Set(ctx, key, value, t.localTTL) // only saves time
	}
	return value, ok, err
}

// Set implements [Cache].
func (t *tiered) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_ = t.local.Set(ctx, key, value, min(ttl, t.localTTL)) // only saves time
	return t.shared.Set(ctx, key, value, ttl)
}

// Delete implements [Cache]. A failure of either counts: the caller wants the
// values gone.
func (t *tiered) Delete(ctx context.Context, keys ...string) error {
	if err := t.local.Delete(ctx, keys...); err != nil {
		return err
	}
	return t.shared.Delete(ctx, keys...)
}
