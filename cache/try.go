package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"drawbridge/identity"

	"github.com/redis/go-redis/v9"
)

// tryKey is what [Try] writes. It begins as all our keys do, so that an ACL which
// lets us in lets it in.
const tryKey = keyPrefix + "doctor"

// ErrLost says that Redis has forgotten what was written a moment ago.
var ErrLost = errors.New("what was written a moment ago is not there any more: is maxmemory too small?")

// Try finds out whether the Redis of a configuration can be used: it writes something,
// reads and removes it, as [Redis] does, but waits as long as ctx allows and has no
// breaker, so that the error is Redis's own.
func Try(ctx context.Context, redisURL identity.Secret, caFile string, patience time.Duration) error {
	opts, err := ParseRedisURL(redisURL)
	if err != nil {
		return fmt.Errorf("cache.redis_url: %w", err)
	}
	opts.CAFile, opts.Timeout = caFile, patience
	redis.SetLogger(libraryLog{slog.New(slog.DiscardHandler)}) // what it says is in the error
	client, err := opts.client()
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := client.Set(ctx, tryKey, tryKey, time.Minute).Err(); err != nil {
		return fmt.Errorf("redis: write: %w", err)
	}
	value, err := client.Get(ctx, tryKey).Result()
	if errors.Is(err, redis.Nil) || err == nil && value != tryKey {
		return ErrLost
	}
	if err != nil {
		return fmt.Errorf("redis: read: %w", err)
	}
	if err := client.Del(ctx, tryKey).Err(); err != nil {
		return fmt.Errorf("redis: remove: %w", err)
	}
	return nil
}
