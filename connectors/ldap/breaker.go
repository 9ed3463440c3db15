package ldap

import (
	"errors"
	"sync"
	"time"
)

// The times of a breaker. The first failure is forgiven soon, so that a restart of
// the directory does not send everybody elsewhere for long.
const (
	firstBackoff = time.Second
	maxBackoff   = time.Minute
	// openAfter failures in a row, one caller at a time may try the host.
	openAfter = 3
	// trialLease is how long the one caller who tries a host after its backoff has
	// for it before another one may.
	trialLease = 5 * time.Second
)

var errHostOpen = errors.New("the host failed lately, and another login is trying it now")

// BreakerState is whether a host is in use.
type BreakerState uint8

// The states of a host.
const (
	// BreakerClosed: the host answers.
	BreakerClosed BreakerState = iota
	// BreakerHalfOpen: the host failed and its backoff is over; one login tries it.
	BreakerHalfOpen
	// BreakerOpen: the host failed and is asked only when no other one answers.
	BreakerOpen
)

// String returns the state's name.
func (s BreakerState) String() string {
	switch s {
	case BreakerHalfOpen:
		return "half_open"
	case BreakerOpen:
		return "open"
	case BreakerClosed:
	}
	return "closed"
}

// breaker keeps logins away from a host that fails: it comes after the others for
// a time that doubles with each failure, then one login tries it. When no other
// host answers it is asked all the same, so that a directory that is back is used
// at once; but after openAfter failures by one login at a time while the others
// are answered without waiting, or an outage would cost each of them the time of a
// dial that hangs.
type breaker struct {
	mu       sync.Mutex
	failures int
	backoff  time.Duration
	retryAt  time.Time
	trying   bool
}

// failed counts a failure to connect, to bind as the service account, or to answer
// in time.
func (b *breaker) failed(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Logins that were under way together fail together: they are one failure for
	// the backoff.
	if b.failures == 0 || !now.Before(b.retryAt) || b.trying {
		b.backoff = min(max(2*b.backoff, firstBackoff), maxBackoff)
		b.retryAt = now.Add(b.backoff)
	}
	b.failures++
}

// answered forgets the failures: the host gave an LDAP result.
func (b *breaker) answered() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.backoff, b.retryAt = 0, 0, time.Time{}
}

// preferred reports whether the host keeps its place in the order. After the
// backoff it says so to one caller for a time.
func (b *breaker) preferred(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures == 0 {
		return true
	}
	if now.Before(b.retryAt) {
		return false
	}
	b.retryAt = now.Add(trialLease)
	return true
}

// enter reports whether the caller may connect now; leave ends the attempt.
func (b *breaker) enter() (leave func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < openAfter {
		return func() {}, true
	}
	if b.trying {
		return nil, false
	}
	b.trying = true
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.trying = false
	}, true
}

// state is for metrics.
func (b *breaker) state(now time.Time) BreakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failures == 0:
		return BreakerClosed
	case b.trying || !now.Before(b.retryAt):
		return BreakerHalfOpen
	}
	return BreakerOpen
}
