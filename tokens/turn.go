package tokens

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"drawbridge/store/feed"
)

// announceFor is how long an announcement of a key stays in the feed. Whoever
// misses it reads all keys at its start and once a minute.
const announceFor = 10 * time.Minute

// conflictTries bounds how often a turn is taken again because another process
// has changed a record in between.
const conflictTries = 4

// turn brings this process in line with its directory and the store, once.
type turn struct {
	k        *Keys
	ring     *ring
	known    known
	storeErr error // why nothing is known of the store
	now      time.Time
	// later is what has to wait until the store answers.
	later error
}

// refresh takes a turn under the directory's lock; roll makes a new leaf in any
// case. The first error is what the store was needed for and did not do; the
// keys in use go on. The second one is any other fault.
func (k *Keys) refresh(ctx context.Context, roll bool) (later, err error) {
	k.rotating.Lock()
	defer k.rotating.Unlock()
	unlock, err := lockDir(ctx, k.opts.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for try := 1; ; try++ {
		later, err = k.turn(ctx, roll)
		if try == conflictTries || !errors.Is(later, ErrConflict) && !errors.Is(err, ErrConflict) {
			return later, err
		}
	}
}

func (k *Keys) turn(ctx context.Context, roll bool) (later, err error) {
	t, err := k.begin(ctx)
	if err != nil {
		return nil, err
	}
	next := &state{ring: t.ring}
	staticErr := t.statics(ctx, next)
	if staticErr != nil && k.state.Load() == nil {
		return nil, staticErr
	}
	leaf, err := t.leaf(ctx, roll)
	if err != nil {
		return t.later, errors.Join(err, staticErr)
	}
	next.leaf, next.retired = leaf.current, leaf.retired
	if old := k.state.Load(); old != nil && old.leaf != nil && old.leaf.jwk.KeyID != next.leaf.jwk.KeyID {
		k.opts.Log.Info("the signing key changed", "kid", next.leaf.jwk.KeyID, "was", old.leaf.jwk.KeyID,
			"expires", next.leaf.cert.NotAfter.UTC())
	}
	return t.later, errors.Join(k.install(next), staticErr)
}

// begin reads the authorities and what the store knows.
func (k *Keys) begin(ctx context.Context) (*turn, error) {
	if err := sweep(k.opts.Dir); err != nil {
		return nil, fmt.Errorf("clean up the key directory: %w", err)
	}
	t := &turn{k: k, now: k.opts.Clock()}
	var old *ring
	if s := k.state.Load(); s != nil {
		old = s.ring
	}
	var err error
	if t.ring, err = loadRing(k.opts, old); err != nil {
		return nil, err
	}
	if t.known, t.storeErr = k.load(ctx, t.ring); t.storeErr != nil {
		t.later = t.storeErr
		return t, nil
	}
	t.prune(ctx)
	return t, nil
}

// prune removes leaves from the store whose time is long over.
func (t *turn) prune(ctx context.Context) {
	before := t.now.Add(-leafMargin)
	for _, r := range t.known.rows {
		if !r.static() && r.NotAfter.Before(before) && r.Until.Before(before) {
			_, err := t.k.opts.Store.PruneKeys(ctx, before)
			t.later = errors.Join(t.later, err)
			return
		}
	}
}

// leaf decides which leaf signs, tells the store, and keeps it. Since it reads the
// file first, two processes never both replace one leaf.
func (t *turn) leaf(ctx context.Context, roll bool) (leafFile, error) {
	if t.ring.authority.direct {
		file, err := directLeaf(t.ring.authority)
		if err != nil {
			return file, err
		}
		t.later = errors.Join(t.later, t.announce(ctx, file))
		return file, nil
	}
	file, err := readLeaf(t.ring.authority, t.k.opts)
	if err != nil {
		return file, err
	}
	next, changed, err := t.nextLeaf(file, roll)
	if err != nil {
		return file, err
	}
	if err := t.announce(ctx, next); err != nil {
		if roll {
			return file, fmt.Errorf("tell the store of a new signing key: %w", err)
		}
		t.later = errors.Join(t.later, err)
		if changed && t.mayWait(file) {
			file.retired = file.live(t.now)
			return file, nil
		}
	}
	if changed {
		if err := next.write(t.k.opts.Dir); err != nil {
			return file, fmt.Errorf("keep the new leaf: %w", err)
		}
	}
	return next, nil
}

// nextLeaf returns what leaf.pem should hold, and whether that is new.
func (t *turn) nextLeaf(file leafFile, roll bool) (next leafFile, changed bool, err error) {
	next = leafFile{current: file.current, retired: file.live(t.now)}
	if file.current == nil || roll || t.mustRoll(file.current) || leafDue(file.current.cert, t.ring.authority, t.k.opts) {
		changed = true
		if file.current != nil {
			next = file.retire(file.current.cert, t.k.opts)
		}
		if next.current, err = issueLeaf(t.ring.authority, t.k.opts); err != nil {
			return next, false, err
		}
	}
	if old := t.k.state.Load(); old != nil && old.leaf != nil && !next.knows(old.leaf.cert) {
		// Somebody removed the file; the tokens of the leaf it held are alive.
		next.retired = next.retire(old.leaf.cert, t.k.opts).retired
		changed = true
	}
	return next, changed, nil
}

// mustRoll reports whether somebody wants the leaf to be replaced.
func (t *turn) mustRoll(leaf *signer) bool {
	kid := leaf.jwk.KeyID
	if t.k.isRevoked(kid) {
		return true
	}
	if _, ours := t.known.keys[kid]; !ours {
		return false
	}
	state := t.known.rows[kid].State
	return state == StateAsked || state == StateRetired
}

// mayWait reports whether the leaf can go on until the store knows its successor:
// others would refuse the successor's tokens until then.
func (t *turn) mayWait(file leafFile) bool {
	return file.current != nil && !t.mustRoll(file.current) &&
		file.current.cert.NotAfter.After(t.now.Add(t.k.opts.LongestTTL+leafMargin/2))
}

// announce makes the store's records of our leaves say what the file says.
func (t *turn) announce(ctx context.Context, file leafFile) error {
	if t.k.opts.Store == nil {
		return nil
	}
	if t.storeErr != nil {
		return t.storeErr
	}
	var records []Record
	leaf := Record{
		KeyID: file.current.jwk.KeyID, Algorithm: file.current.jwk.Algorithm, State: StateSigning,
		NotBefore: file.current.cert.NotBefore, NotAfter: file.current.cert.NotAfter,
		Until: file.current.cert.NotAfter.Add(Leeway),
	}
	records, err := t.differing(records, leaf, file.current.jwk)
	if err != nil {
		return err
	}
	for _, old := range file.retired {
		key, err := old.public()
		if err != nil {
			return err
		}
		retired := Record{
			KeyID: key.jwk.KeyID, Algorithm: key.jwk.Algorithm, State: StateRetired,
			NotBefore: old.cert.NotBefore, NotAfter: old.cert.NotAfter, Until: old.until,
		}
		if records, err = t.differing(records, retired, key.jwk); err != nil {
			return err
		}
	}
	return t.save(ctx, records)
}

// differing appends the record, sealed, unless the store has it like that.
func (t *turn) differing(records []Record, want Record, key jwk) ([]Record, error) {
	stored, there := t.known.rows[want.KeyID]
	_, ours := t.known.keys[want.KeyID]
	if there && ours && stored.State == want.State && t.ring.sealed(&stored) {
		return records, nil
	}
	sealed, err := t.sealRecord(want, key, nil)
	if err != nil {
		return nil, err
	}
	sealed.Version = stored.Version
	return append(records, sealed), nil
}

// sealRecord completes a record of a key of ours.
func (t *turn) sealRecord(r Record, key jwk, private []byte) (Record, error) {
	public, err := json.Marshal(key)
	if err != nil {
		return r, err
	}
	r.Public, r.Replica = string(public), t.k.opts.Replica
	// As the store keeps times, so that the seals cover what comes back.
	for _, at := range []*time.Time{&r.NotBefore, &r.NotAfter, &r.Until} {
		*at = at.UTC().Truncate(time.Millisecond)
	}
	return t.ring.seal(r, private)
}

// save writes records and announces them, and reads the keys again.
func (t *turn) save(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	var changes []feed.Change
	for i := range records {
		changes = append(changes, announcement(records[i].KeyID, t.now, Order{}))
	}
	if _, err := t.k.opts.Store.SaveKeys(ctx, records, changes...); err != nil {
		return err
	}
	known, err := t.k.load(ctx, t.ring)
	if err != nil {
		t.later = errors.Join(t.later, err)
		return nil // it is written
	}
	t.known = known
	return nil
}

func announcement(kid string, now time.Time, o Order) feed.Change {
	return feed.Change{Kind: feed.KeysChanged, Value: kid, At: now, By: o.By, Reason: o.Reason, ExpiresAt: now.Add(announceFor)}
}
