package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/tracing"

	"github.com/redis/go-redis/v9"
)

// ErrDown is returned at once, without touching the network, while Redis does
// not answer. A caller treats it like any other error: as a miss.
var ErrDown = errors.New("cache: redis is down and is not asked until it answers again")

// Redis is a cache on a Redis server, on a master behind Sentinel or on a Redis
// Cluster. See the package documentation for what it does when Redis is down.
type Redis struct {
	client  redis.UniversalClient
	breaker *breaker
	timeout time.Duration
	stop    context.CancelFunc
	close   func() error
	hits    atomic.Uint64
	misses  atomic.Uint64
	errors  atomic.Uint64
	skipped atomic.Uint64
}

// NewRedis returns the cache and begins to connect in the background. It fails
// on options that can never work, such as a missing CA file, and not because
// Redis is down. Close it when it is no longer needed.
//
// The library under it has one log for the whole process, in a format of its
// own: NewRedis sends that to opts.Log at level debug.
func NewRedis(opts RedisOptions) (*Redis, error) {
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	client, err := opts.client()
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	log := opts.Log.With("component", "cache", "redis_mode", opts.mode())
	redis.SetLogger(libraryLog{log})
	ctx, stop := context.WithCancel(context.Background())
	r := &Redis{client: client, timeout: opts.Timeout, stop: stop, close: sync.OnceValue(client.Close)}
	r.breaker = newBreaker(r.probe, log)
	go r.breaker.run(ctx)
	return r, nil
}

// Get implements [Cache].
func (r *Redis) Get(ctx context.Context, key string) ([]byte, bool, error) {
	key = keyPrefix + key
	var value []byte
	err := r.do(ctx, "get", key, func(ctx context.Context) (err error) {
		value, err = r.client.Get(ctx, key).Bytes()
		return err
	})
	switch {
	case errors.Is(err, redis.Nil):
		r.misses.Add(1)
		return nil, false, nil
	case err != nil:
		return nil, false, opError("get", err)
	}
	r.hits.Add(1)
	return value, true, nil
}

// Set implements [Cache].
func (r *Redis) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return ctx.Err()
	}
	// Redis counts milliseconds, and zero of them would mean forever.
	ttl = min(max(ttl, time.Millisecond), MaxTTL)
	key = keyPrefix + key
	err := r.do(ctx, "set", key, func(ctx context.Context) error {
		return r.client.Set(ctx, key, value, ttl).Err()
	})
	return opError("set", err)
}

// Delete implements [Cache].
func (r *Redis) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return ctx.Err()
	}
	err := r.do(ctx, "delete", keyPrefix+keys[0], func(ctx context.Context) error {
		// One DEL per key: in a cluster the keys may lie on several nodes.
		_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, key := range keys {
				p.Del(ctx, keyPrefix+key)
			}
			return nil
		})
		return err
	})
	return opError("delete", err)
}

// eval runs a script on one key and returns the numbers that it answers.
func (r *Redis) eval(ctx context.Context, op, script, key string, args ...any) ([]int64, error) {
	key = keyPrefix + key
	var answer []int64
	err := r.do(ctx, op, key, func(ctx context.Context) (err error) {
		answer, err = r.client.Eval(ctx, script, []string{key}, args...).Int64Slice()
		return err
	})
	return answer, opError(op, err)
}

// Close stops the probes and closes the connections. Operations fail afterwards;
// a second Close does nothing.
func (r *Redis) Close() error {
	r.stop()
	<-r.breaker.done
	return r.close()
}

// Healthy reports whether Redis is being asked.
func (r *Redis) Healthy() bool { return !r.breaker.down.Load() }

// Stats returns the counters since the start.
func (r *Redis) Stats() Stats {
	return Stats{
		Hits:    r.hits.Load(),
		Misses:  r.misses.Load(),
		Errors:  r.errors.Load(),
		Skipped: r.skipped.Load(),
		Trips:   r.breaker.trips.Load(),
	}
}

// do runs one operation, of that name in traces, within its bound and tells the breaker
// how it went.
func (r *Redis) do(ctx context.Context, name, key string, op func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.breaker.down.Load() {
		r.skipped.Add(1)
		return ErrDown
	}
	bounded, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	span := tracing.Ask(ctx, "redis", name, "")
	err := op(bounded)
	switch {
	case err == nil:
		span.End("ok", false)
		r.breaker.succeeded()
	case errors.Is(err, redis.Nil):
		span.End("miss", false)
		r.breaker.succeeded()
	case gaveUp(ctx) != nil:
		// That says nothing about Redis.
		span.End("given_up", true)
		return gaveUp(ctx)
	default:
		span.End("failed", true)
		r.errors.Add(1)
		r.breaker.failed(key, err)
	}
	return err
}

// gaveUp returns why the caller no longer waits, or nil. The connection has the
// caller's deadline too and may report it before the context does.
func gaveUp(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// probe asks Redis for the key whose operation failed: a PING would be answered
// by a node that serves another part of a cluster, by a cluster that is down and
// by a server that is still loading. The first answer may take as long as a new
// connection takes; the second one must come as fast as a login needs it.
func (r *Redis) probe(ctx context.Context, key string) error {
	for _, bound := range []time.Duration{max(probeTimeout, r.timeout), r.timeout} {
		bounded, cancel := context.WithTimeout(ctx, bound)
		err := r.client.Exists(bounded, key).Err()
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// opError names the operation. It leaves the errors that callers compare whole,
// and names no key: keys are opaque, and a log of them is a log of who logs in.
func opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cache: redis %s: %w", op, err)
}

// libraryLog is the library's process-wide log.
type libraryLog struct{ log *slog.Logger }

// Printf implements the library's logging interface.
func (l libraryLog) Printf(ctx context.Context, format string, args ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "redis library", "text", fmt.Sprintf(format, args...))
	}
}
