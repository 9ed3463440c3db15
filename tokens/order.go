package tokens

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"drawbridge/store/feed"
)

// Order says who wants a key to be changed, and why: for the feed, and from there
// for the audit log of every process.
type Order struct {
	By, Reason string
}

// ErrNoStore is what the methods that change keys on several processes return when
// there is no store to reach them through.
var ErrNoStore = errors.New("there is no store to tell other processes through")

// ordered takes a turn for an order: under the locks, with the store's answer.
func (k *Keys) ordered(ctx context.Context, do func(t *turn) error) error {
	if k.opts.Store == nil {
		return ErrNoStore
	}
	k.rotating.Lock()
	defer k.rotating.Unlock()
	unlock, err := lockDir(ctx, k.opts.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	for try := 1; ; try++ {
		t, err := k.begin(ctx)
		if err != nil {
			return err
		}
		if t.storeErr != nil {
			return t.storeErr
		}
		if err = do(t); try == conflictTries || !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// RollLeaves asks every process that shares the store to make a new leaf, and
// returns the leaves that are to be replaced. Running processes do so within a
// second, this one with its next [Keys.Sync], and those that are down when they
// start. No token is refused for it, and no registry needs to be told.
func (k *Keys) RollLeaves(ctx context.Context, o Order) ([]Record, error) {
	return k.rollLeaves(ctx, o, false)
}

// RevokeLeaves is [Keys.RollLeaves] for when a leaf is in wrong hands: every token
// that any leaf has signed so far is refused by every process's [Keys.Verify] as
// soon as it learns of it, for ever.
//
// Registries do not ask: without /verify in front of them they go on to accept
// what a stolen leaf signs, since they trust the CA that has issued it, until its
// certificate ends ([Record.NotAfter]) or they trust the CA no more ([Keys.NewCA]).
func (k *Keys) RevokeLeaves(ctx context.Context, o Order) ([]Record, error) {
	return k.rollLeaves(ctx, o, true)
}

func (k *Keys) rollLeaves(ctx context.Context, o Order, revoke bool) ([]Record, error) {
	if k.state.Load().ring.authority.direct {
		return nil, ErrNoRotation
	}
	var rolled []Record
	err := k.ordered(ctx, func(t *turn) error {
		rolled = nil
		var changes []feed.Change
		for _, kid := range slices.Sorted(maps.Keys(t.known.keys)) {
			r := t.known.rows[kid]
			if r.static() || !r.live(t.now) || r.State == StateRetired && !revoke {
				continue
			}
			if r.State == StateSigning {
				r.State = StateAsked
			}
			if revoke {
				r.RevokedAt = t.now
				changes = append(changes, revocation(&r, t.now, o))
			}
			sealed, err := t.ring.seal(r, nil)
			if err != nil {
				return err
			}
			rolled = append(rolled, sealed)
			changes = append(changes, announcement(kid, t.now, o))
		}
		return t.saveAll(ctx, rolled, changes)
	})
	return rolled, err
}

// revocation announces that the tokens of a key are refused. It stays in the feed
// as long as the certificate: nothing that the key has signed can matter longer,
// whatever the token says.
func revocation(r *Record, now time.Time, o Order) feed.Change {
	return feed.Change{Kind: feed.RevokeKey, Value: r.KeyID, At: now, By: o.By, Reason: o.Reason, ExpiresAt: r.NotAfter.Add(Leeway)}
}

// saveAll writes what was ordered, and announces it.
func (t *turn) saveAll(ctx context.Context, records []Record, changes []feed.Change) error {
	if len(records) == 0 && len(changes) == 0 {
		return nil
	}
	stored, err := t.k.opts.Store.SaveKeys(ctx, records, changes...)
	if err == nil && t.k.opts.Announce != nil {
		t.k.opts.Announce(ctx, stored...)
	}
	return err
}

// Waiting returns those of the leaves that their owners have not replaced yet: of
// processes that are down, or that have not looked since.
func (k *Keys) Waiting(ctx context.Context, leaves []Record) ([]Record, error) {
	known, err := k.load(ctx, k.state.Load().ring)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(leaves), func(r Record) bool {
		return known.rows[r.KeyID].State == StateRetired
	}), nil
}
