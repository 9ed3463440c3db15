package tokens

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/store/feed"
)

// shared is what is known of the keys of all processes that share the store.
type shared struct {
	view    atomic.Pointer[view]
	loading chan struct{} // holds one token: one query at a time
	lookups lookups

	mu         sync.Mutex // guards what follows, and making a view of it
	known      known
	revoked    map[string]struct{} // kids that the feed told us of
	complained map[string]struct{} // kids of records that were refused, and logged
}

// known is what the store said last. It is replaced as a whole and never changed.
type known struct {
	rows map[string]Record    // as stored, whoever wrote them
	keys map[string]publicKey // of the rows that our authority vouches for
}

// view is what verifies tokens, for readers that take no lock.
type view struct {
	public map[string]publicKey
	// revoked are the keys whose tokens are refused, as far as we have them: the
	// zero key for others.
	revoked map[string]publicKey
	jwks    []byte
}

func newShared() shared {
	return shared{
		loading: make(chan struct{}, 1), revoked: map[string]struct{}{}, complained: map[string]struct{}{},
		lookups: lookups{missing: map[string]time.Time{}},
	}
}

// load asks the store for all keys and puts them in force. A record that none of
// the ring's authorities vouches for is ignored, except that it may revoke.
func (k *Keys) load(ctx context.Context, g *ring) (known, error) {
	if k.opts.Store == nil {
		return known{}, nil
	}
	select {
	case k.shared.loading <- struct{}{}:
		defer func() { <-k.shared.loading }()
	case <-ctx.Done():
		return known{}, ctx.Err()
	}
	records, err := k.opts.Store.Keys(ctx)
	if err != nil {
		return known{}, err
	}
	now := known{rows: make(map[string]Record, len(records)), keys: make(map[string]publicKey, len(records))}
	for i := range records {
		r := &records[i]
		now.rows[r.KeyID] = *r
		key, err := g.check(r)
		if err != nil {
			k.complain(r, err)
			continue
		}
		now.keys[r.KeyID] = key
	}
	k.shared.mu.Lock()
	k.shared.known = now
	k.shared.mu.Unlock()
	k.shared.lookups.found(now.keys)
	return now, k.publish(nil)
}

// complain logs a refused record once.
func (k *Keys) complain(r *Record, err error) {
	k.shared.mu.Lock()
	_, before := k.shared.complained[r.KeyID]
	k.shared.complained[r.KeyID] = struct{}{}
	k.shared.mu.Unlock()
	if !before && !r.revoked() {
		k.opts.Log.Warn("a signing key in the store is not accepted", "kid", r.KeyID, "replica", r.Replica, "error", err)
	}
}

// publish puts in force what follows from our own keys and what is known of the
// others'. A new state is put in force with it, after it, so that no token is
// signed with a key that does not verify yet.
func (k *Keys) publish(next *state) error {
	k.shared.mu.Lock()
	defer k.shared.mu.Unlock()
	s := next
	if s == nil {
		if s = k.state.Load(); s == nil {
			return nil // at the start
		}
	}
	v, err := k.shared.viewOf(s, k.opts.Clock())
	if err != nil {
		return err
	}
	k.shared.view.Store(v)
	k.state.Store(s)
	return nil
}

// viewOf makes a view. The caller holds the lock.
func (sh *shared) viewOf(s *state, now time.Time) (*view, error) {
	v := &view{public: make(map[string]publicKey), revoked: make(map[string]publicKey)}
	for kid := range sh.revoked {
		v.revoked[kid] = publicKey{}
	}
	for kid, r := range sh.known.rows {
		if r.revoked() {
			v.revoked[kid] = publicKey{}
		}
	}
	add := func(key publicKey) {
		kid := key.jwk.KeyID
		if _, gone := v.revoked[kid]; gone {
			v.revoked[kid] = key
			return
		}
		if _, known := v.public[kid]; !known && key.alive(now) {
			v.public[kid] = key
		}
	}
	if s.leaf != nil { // a command may find none
		add(s.leaf.public())
	}
	for _, static := range s.statics {
		add(static.public())
	}
	for _, old := range s.retired {
		key, err := old.public()
		if err != nil {
			return nil, err
		}
		add(key)
	}
	for _, key := range sh.known.keys {
		add(key)
	}
	var set []jwk
	for _, key := range v.public {
		set = append(set, key.jwk)
	}
	// The same order in every process, so that those that share a directory do
	// not overwrite each other's file.
	slices.SortFunc(set, func(a, b jwk) int { return cmp.Compare(a.KeyID, b.KeyID) })
	var err error
	v.jwks, err = keySet(set)
	return v, err
}

// alive reports whether the key's last token is not over yet.
func (p publicKey) alive(now time.Time) bool { return p.until.IsZero() || now.Before(p.until) }

// Apply acts on a change that another process has announced, at once for a
// revoked key and otherwise by asking [Keys.Run] for a turn. It does not block.
func (k *Keys) Apply(c feed.Change) {
	switch c.Kind {
	case feed.RevokeKey:
		k.shared.mu.Lock()
		k.shared.revoked[c.Value] = struct{}{}
		k.shared.mu.Unlock()
		if err := k.publish(nil); err != nil {
			k.opts.Log.Error("a revoked key could not be dropped", "kid", c.Value, "error", err)
		}
		k.ask()
	case feed.KeysChanged:
		k.ask()
	default: // other subscribers'
	}
}

// ask makes Run take a turn now.
func (k *Keys) ask() {
	select {
	case k.wake <- struct{}{}:
	default: // it was asked already
	}
}

// isRevoked reports whether the tokens of a key are refused.
func (k *Keys) isRevoked(kid string) bool {
	k.shared.mu.Lock()
	defer k.shared.mu.Unlock()
	_, byFeed := k.shared.revoked[kid]
	r := k.shared.known.rows[kid]
	return byFeed || r.revoked()
}
