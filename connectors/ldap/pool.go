package ldap

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// The pool's bounds. Firewalls and Active Directory drop what idles for minutes,
// and a bounded lifetime moves connections back to the first host after an
// outage; the jitter keeps them from all being renewed in one second.
const (
	poolSize    = 8
	maxIdle     = 60 * time.Second
	probeAfter  = 15 * time.Second
	minLifetime = 5 * time.Minute
	maxLifetime = 10 * time.Minute
)

var errPoolBusy = errors.New("all service connections are in use")

// pool lends service connections, at most poolSize at a time, the one used last
// first. It never holds a connection that saw a person's bind.
type pool struct {
	clock func() time.Time
	slots chan struct{}
	// waiting counts those in acquire.
	waiting atomic.Int32

	mu     sync.Mutex
	idle   []*session // the one used last at the end
	reaper *time.Timer
	closed bool
}

func newPool(clock func() time.Time) *pool {
	return &pool{clock: clock, slots: make(chan struct{}, poolSize)}
}

// acquire waits for the right to one more connection, at most for the limit. The
// caller calls release once.
func (p *pool) acquire(ctx context.Context, limit time.Duration) error {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	return takeSlot(ctx, p.slots, limit, errPoolBusy)
}

func (p *pool) release() { <-p.slots }

// takeSlot puts a token into slots, or returns busy when the limit has passed.
func takeSlot(ctx context.Context, slots chan struct{}, limit time.Duration, busy error) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return busy
	}
}

// get returns an idle connection that still works, or nil. A connection that
// idled for a while is asked for the root DSE first, because a firewall that
// forgot it says nothing.
func (p *pool) get(ctx context.Context, limit time.Duration) *session {
	for {
		s := p.pop()
		if s == nil {
			return nil
		}
		if p.clock().Sub(s.used) < probeAfter || s.probe(ctx, limit) == nil {
			return s
		}
		s.close()
	}
}

// pop takes the connection used last and closes those that are too old.
func (p *pool) pop() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropStale()
	if len(p.idle) == 0 {
		return nil
	}
	s := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return s
}

// dropStale closes idle connections that are over their time or that the server
// has closed. The caller holds the lock.
func (p *pool) dropStale() {
	now := p.clock()
	kept := p.idle[:0]
	for _, s := range p.idle {
		if s.usable() && now.Sub(s.used) < maxIdle && now.Before(s.expires) {
			kept = append(kept, s)
			continue
		}
		s.close()
	}
	clear(p.idle[len(kept):])
	p.idle = kept
}

// put takes a connection back, or closes it when it is not clean.
func (p *pool) put(s *session) {
	now := p.clock()
	s.used = now
	if s.expires.IsZero() {
		s.expires = now.Add(minLifetime + jitter(maxLifetime-minLifetime))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !s.usable() || !now.Before(s.expires) {
		s.close()
		return
	}
	p.idle = append(p.idle, s)
	if p.reaper == nil {
		p.reaper = time.AfterFunc(maxIdle, p.reap)
	}
}

// reap closes what idled too long when no login comes to do it.
func (p *pool) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropStale()
	p.reaper = nil
	if len(p.idle) > 0 && !p.closed {
		p.reaper = time.AfterFunc(maxIdle, p.reap)
	}
}

// close closes the idle connections; those that are lent close when they return.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.reaper != nil {
		p.reaper.Stop()
	}
	for _, s := range p.idle {
		s.close()
	}
	p.idle = nil
}

func (p *pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// probe asks for the root DSE (RFC 4512 section 5.1), which every bind may read.
func (s *session) probe(ctx context.Context, limit time.Duration) error {
	return s.do(ctx, opProbe, limit, func(conn *ldap3.Conn) error {
		_, err := conn.Search(ldap3.NewSearchRequest("", ldap3.ScopeBaseObject, ldap3.NeverDerefAliases,
			1, seconds(limit), false, anyEntry, []string{noAttributes}, nil))
		return err
	})
}

// seconds is a time limit as a search request carries it: whole seconds, not 0,
// which would mean no limit.
func seconds(d time.Duration) int { return max(1, int(d/time.Second)) }

// jitter returns a random part of the span.
func jitter(span time.Duration) time.Duration { return time.Duration(random(int64(span))) }

// random returns a random number from 0 to n-1, n/2 where there is no randomness to
// be had.
func random(n int64) int64 {
	r, err := rand.Int(rand.Reader, big.NewInt(n))
	if err != nil {
		return n / 2
	}
	return r.Int64()
}
