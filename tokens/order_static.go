package tokens

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"drawbridge/store/feed"
)

// PrepareStatic makes the key that is to follow the one of a kid service, and
// lists it in the JWKS of every process, so that registries can learn of it before
// [Keys.SwitchStatic] puts it in force.
func (k *Keys) PrepareStatic(ctx context.Context, service string, o Order) (Record, error) {
	var made Record
	err := k.orderedStatic(ctx, service, func(t *turn) error {
		if next := t.nextStatic(service); next != nil {
			return fmt.Errorf("key %s is prepared already for service %q: restart its registry with the new file, "+
				"then run the command with --retire", next.KeyID, service)
		}
		if stored, ours := t.signingStatic(service); stored == nil || !ours {
			return fmt.Errorf("service %q has no key in the store that this CA vouches for, so there is none to go on with meanwhile: "+
				"run the command with --retire", service)
		}
		var err error
		if made, err = t.makeStatic(service, StateNext); err != nil {
			return err
		}
		return t.saveAll(ctx, []Record{made}, []feed.Change{announcement(made.KeyID, t.now, o)})
	})
	return made, err
}

// SwitchStatic puts the prepared key of a kid service in force, or a new one when
// none is prepared, and retires the one before: its tokens verify until they
// expire, or never again when revoke is set. The registry must have the new key
// already, or be restarted with it now.
func (k *Keys) SwitchStatic(ctx context.Context, service string, revoke bool, o Order) (now Record, before []Record, err error) {
	err = k.orderedStatic(ctx, service, func(t *turn) error {
		before = nil
		var err error
		if next := t.nextStatic(service); next != nil && !revoke {
			now, err = t.signNow(*next)
		} else {
			now, err = t.makeStatic(service, StateSigning)
		}
		if err != nil {
			return err
		}
		changes := []feed.Change{announcement(now.KeyID, t.now, o)}
		for _, kid := range slices.Sorted(maps.Keys(t.known.rows)) {
			old := t.known.rows[kid]
			if old.Service != service || old.Algorithm != t.k.opts.Algorithm || kid == now.KeyID || !old.live(t.now) {
				continue
			}
			if old, err = t.retireStatic(old, revoke); err != nil {
				return err
			}
			if old.revoked() {
				changes = append(changes, revocation(&old, t.now, o))
			}
			before = append(before, old)
			changes = append(changes, announcement(kid, t.now, o))
		}
		return t.saveAll(ctx, append([]Record{now}, before...), changes)
	})
	return now, before, err
}

// retireStatic ends a key of a service. One that our authority does not vouch for
// was accepted by nobody here and gets no seal; it is only put out of the way.
func (t *turn) retireStatic(old Record, revoke bool) (Record, error) {
	if _, ours := t.known.keys[old.KeyID]; !ours {
		old.State, old.RevokedAt, old.Seals = StateRetired, t.now, nil
		return old, nil
	}
	if revoke {
		old.RevokedAt = t.now
	}
	if old.State != StateRetired {
		old.State, old.Until = StateRetired, t.now.Add(t.k.opts.LongestTTL+Leeway).Truncate(time.Millisecond)
	}
	return t.ring.seal(old, nil) // without the private half: nobody signs with it again
}

// signNow returns the record of a prepared key as one that signs.
func (t *turn) signNow(r Record) (Record, error) {
	pair, err := t.ring.private(&r)
	if err != nil {
		return r, fmt.Errorf("open key %s: %w", r.KeyID, err)
	}
	r.State = StateSigning
	return t.ring.seal(r, pair)
}

func (t *turn) makeStatic(service string, state KeyState) (Record, error) {
	s, err := newStatic(service, t.k.opts)
	if err != nil {
		return Record{}, err
	}
	return t.staticRecord(s, state)
}

// nextStatic returns the key that is prepared for the service.
func (t *turn) nextStatic(service string) *Record {
	for kid := range t.known.keys {
		if r := t.known.rows[kid]; r.Service == service && r.Algorithm == t.k.opts.Algorithm && r.State == StateNext && !r.revoked() {
			return &r
		}
	}
	return nil
}

// orderedStatic is ordered for a service that must be of the kid form.
func (k *Keys) orderedStatic(ctx context.Context, service string, do func(t *turn) error) error {
	i := slices.IndexFunc(k.opts.Registries, func(r Registry) bool { return r.Service == service })
	switch {
	case i < 0:
		return fmt.Errorf("no registry with the service %q is configured", service)
	case k.opts.Registries[i].Form != FormKID:
		return fmt.Errorf("service %q has no key of its own: its tokens are signed by a leaf, which `drawbridge keys rotate` replaces", service)
	}
	return k.ordered(ctx, do)
}
