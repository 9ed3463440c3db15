package tokens

import (
	"context"
	"encoding/base64"
	"errors"
	"sync"
	"time"
)

// How a key that a token names and nobody here knows is asked for. Whoever sends
// tokens can make kids up, a fresh one for each request, so the store gets one
// query for all tokens that arrive within lookupSpacing, and no more than
// maxLookups requests wait for it.
const (
	lookupSpacing  = 250 * time.Millisecond
	lookupPatience = 3 * time.Second
	maxLookups     = 512
	// A kid that the store does not know is not asked for again for a while:
	// clients send an old token more than once.
	missFor   = 10 * time.Second
	maxMisses = 4096
)

var errUnknownKey = errors.New("the header names no key of ours")

// lookups batches the questions for unknown keys.
type lookups struct {
	mu      sync.Mutex
	next    *flight // that has not begun; newcomers join it
	last    time.Time
	waiting int
	missing map[string]time.Time // when the store did not know the kid
}

// flight is one query.
type flight struct {
	done chan struct{}
	err  error // written before done is closed
}

// unableError says that the store could not be asked, so that nothing is known of
// the key.
type unableError struct{ err error }

func (e *unableError) Error() string { return "look up a signing key: " + e.err.Error() }

// lookup asks the store for the key. The error is errUnknownKey when there is none,
// and an unableError when the store could not tell.
func (k *Keys) lookup(kid string) (publicKey, error) {
	thumbprint, err := base64.RawURLEncoding.DecodeString(kid)
	if err != nil || len(thumbprint) != 32 || k.opts.Store == nil {
		return publicKey{}, errUnknownKey
	}
	f, err := k.join(kid)
	if err != nil {
		return publicKey{}, err
	}
	defer k.shared.lookups.leave()
	patience := time.NewTimer(lookupPatience)
	defer patience.Stop()
	select {
	case <-f.done:
	case <-patience.C:
		return publicKey{}, &unableError{errors.New("the store does not answer in time")}
	}
	if f.err != nil {
		return publicKey{}, &unableError{f.err}
	}
	key, ok := k.shared.view.Load().public[kid]
	if !ok {
		k.shared.lookups.miss(kid)
		return publicKey{}, errUnknownKey
	}
	return key, nil
}

// join returns the query that will answer for the kid.
func (k *Keys) join(kid string) (*flight, error) {
	l := &k.shared.lookups
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.missing[kid]; ok && time.Since(at) < missFor {
		return nil, errUnknownKey
	}
	if l.waiting >= maxLookups {
		return nil, &unableError{errors.New("too many tokens with unknown keys at once")}
	}
	l.waiting++
	if l.next == nil {
		l.next = &flight{done: make(chan struct{})}
		go k.fly(l.next, lookupSpacing-time.Since(l.last))
	}
	return l.next, nil
}

// fly waits for its time and asks the store.
func (k *Keys) fly(f *flight, wait time.Duration) {
	defer close(f.done)
	time.Sleep(max(wait, 0)) // the spacing itself
	l := &k.shared.lookups
	l.mu.Lock()
	l.next, l.last = nil, time.Now() // who comes now may name a newer key
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), lookupPatience)
	defer cancel()
	_, f.err = k.load(ctx, k.state.Load().ring)
}

func (l *lookups) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting--
}

// miss remembers that the store does not know a kid.
func (l *lookups) miss(kid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.missing) >= maxMisses {
		clear(l.missing)
	}
	l.missing[kid] = time.Now()
}

// found forgets the misses that are none any more.
func (l *lookups) found(keys map[string]publicKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kid := range keys {
		delete(l.missing, kid)
	}
}
