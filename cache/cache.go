package cache

import (
	"context"
	"time"
)

// Cache stores bytes under a key for a while. Implementations are safe for
// concurrent use, bounded in size and prompt: an operation that cannot be
// answered soon fails.
type Cache interface {
	// Get returns the value and true, or false when there is none. The caller
	// may keep the value but not change it.
	Get(ctx context.Context, key string) (value []byte, ok bool, err error)
	// Set stores the value until ttl has passed. A ttl of zero or less stores
	// nothing.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete drops the keys. A key that is not there is no error.
	Delete(ctx context.Context, keys ...string) error
}
