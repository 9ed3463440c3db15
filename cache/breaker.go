package cache

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// tripAfter is how many operations in a row may fail quickly, as with a
	// refused connection, before Redis counts as down. One that runs into its
	// timeout is enough: a login must not pay for a second one.
	tripAfter = 3
	// refusalLogEvery is the least time between two log lines about commands
	// that Redis refuses.
	refusalLogEvery = time.Minute
)

// breaker decides whether Redis is asked. It opens on failures, and while it is
// open one goroutine probes in the background until Redis answers.
type breaker struct {
	probe func(ctx context.Context, key string) error
	log   *slog.Logger

	down     atomic.Bool
	failures atomic.Int32 // in a row
	trips    atomic.Uint64
	tripped  chan trip     // at most one waits: see trip
	done     chan struct{} // closed when run has returned
	refused  atomic.Int64  // Unix seconds of the last log line about a refusal
}

// trip is what opened the breaker.
type trip struct {
	key string
	err error
}

func newBreaker(probe func(ctx context.Context, key string) error, log *slog.Logger) *breaker {
	return &breaker{probe: probe, log: log, tripped: make(chan trip, 1), done: make(chan struct{})}
}

// succeeded notes an answer.
func (b *breaker) succeeded() {
	// The load spares a write to a shared cache line per operation.
	if b.failures.Load() != 0 {
		b.failures.Store(0)
	}
}

// failed notes an operation that Redis did not answer, and opens the breaker
// when that is enough.
func (b *breaker) failed(key string, err error) {
	if refusal(err) {
		b.logRefusal(err)
		return
	}
	if isTimeout(err) || b.failures.Add(1) >= tripAfter {
		b.trip(key, err)
	}
}

// trip opens the breaker. The channel has room: the breaker closes only after
// the goroutine that reads it took the last one.
func (b *breaker) trip(key string, err error) {
	if b.down.CompareAndSwap(false, true) {
		b.trips.Add(1)
		b.tripped <- trip{key, err}
	}
}

// run probes once, so that a Redis that is down at the start costs no login
// anything, and then whenever the breaker is open. It returns when ctx ends.
func (b *breaker) run(ctx context.Context) {
	defer close(b.done)
	const key = keyPrefix + "probe"
	if err := b.probe(ctx, key); err != nil && ctx.Err() == nil {
		b.trip(key, err)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-b.tripped:
			b.recover(ctx, t)
		}
	}
}

// recover logs that Redis is down and probes until it answers.
func (b *breaker) recover(ctx context.Context, t trip) {
	since := time.Now()
	b.log.Warn("redis is down; each process remembers for itself until it answers", "err", t.err)
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if b.probe(ctx, t.key) != nil {
			continue
		}
		b.log.Info("redis answers again", "down_for", time.Since(since).Round(time.Millisecond).String())
		b.failures.Store(0)
		b.down.Store(false)
		return
	}
}

// logRefusal logs that Redis refuses commands while it answers others. That
// opens no breaker, and a line per login would drown the log.
func (b *breaker) logRefusal(err error) {
	now, last := time.Now().Unix(), b.refused.Load()
	if now-last >= int64(refusalLogEvery/time.Second) && b.refused.CompareAndSwap(last, now) {
		b.log.Warn("redis refuses commands; what they would have cached is looked up again, what they would have counted is counted by each process", "err", err)
	}
}

// refusal reports whether Redis answered, promptly, that it will not do this
// one command: out of memory, a replica, a missing right, a key of another
// type. Other commands may well work.
func refusal(err error) bool {
	reply, ok := errors.AsType[redis.Error](err)
	if !ok {
		return false
	}
	code, text, _ := strings.Cut(reply.Error(), " ")
	switch code {
	case "OOM", "READONLY", "NOPERM", "WRONGTYPE", "MISCONF", "NOREPLICAS":
		return true
	case "ERR":
		// What goes wrong inside a script, a missing right for one, names the script.
		return strings.Contains(text, "script") || strings.HasPrefix(text, "unknown command")
	}
	return false
}

// isTimeout reports whether the error cost its whole timeout.
func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, redis.ErrPoolTimeout) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
