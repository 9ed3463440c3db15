package cache

import (
	"fmt"
	"io"
	"log/slog"

	"drawbridge/identity"
)

// Backend is a [Cache] with what the program that opened it needs besides:
// closing it, and its state for readiness pages and metrics.
type Backend interface {
	Cache
	io.Closer
	// Healthy reports whether the cache is being asked. While it is not, every
	// operation fails at once with [ErrDown].
	Healthy() bool
	// Stats returns the counters since the start.
	Stats() Stats
}

// Stats counts what a cache did since it was opened.
type Stats struct {
	Hits    uint64 // Gets that found a value
	Misses  uint64 // Gets that found none
	Errors  uint64 // operations that the backend failed or did not answer in time
	Skipped uint64 // operations that failed at once because the backend was down
	Trips   uint64 // how often the backend was found to be down
}

// Open returns the cache of a configuration: [Memory] when no Redis URL is set,
// else [Redis], with the certificates of the CA file if there is one. A Redis that
// is down does not fail the start, since no login needs it; only a URL or CA file
// that cannot be used does.
func Open(redisURL identity.Secret, caFile string, log *slog.Logger) (Backend, error) {
	if redisURL.Empty() {
		return NewMemory(DefaultMemoryBytes, nil), nil
	}
	opts, err := ParseRedisURL(redisURL)
	if err != nil {
		return nil, fmt.Errorf("cache.redis_url: %w", err)
	}
	opts.CAFile = caFile
	opts.Log = log
	r, err := NewRedis(opts)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return r, nil
}
