package tokens

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"drawbridge/store/feed"
)

// NewCA makes the CA that is to follow ours, and adds its certificate to
// signing-ca.pem. It signs nothing yet: that is for [Keys.RetireCA], once every
// registry was restarted with the new file. Only a CA of ours can be changed so.
func (k *Keys) NewCA(ctx context.Context, o Order) error {
	if k.opts.operatorCA() {
		return ErrOperatorCA
	}
	return k.ordered(ctx, func(t *turn) error {
		path := filepath.Join(k.opts.Dir, caNextName)
		if t.ring.next != nil {
			return fmt.Errorf("a new CA was made already, and its certificate is the second in %s: restart the registries with that file, "+
				"then retire the old CA; to give the new one up instead, remove %s", caExportName, path)
		}
		next, err := newOwnCA(path, k.opts)
		if err != nil {
			return err
		}
		both, err := newRing(t.ring.authority, next)
		if err != nil {
			return err
		}
		// The file comes last: seals of a CA that was never kept do no harm.
		if err := t.reseal(ctx, both, o); err != nil {
			return err
		}
		return keepAuthority(next, k.opts)
	})
}

// RetireCA puts the CA that [Keys.NewCA] made in the place of the old one, which is
// forgotten: new tokens are signed by a leaf under the new CA. A registry that was
// not restarted in between refuses them.
func (k *Keys) RetireCA(ctx context.Context, o Order) error {
	if k.opts.operatorCA() {
		return ErrOperatorCA
	}
	return k.ordered(ctx, func(t *turn) error {
		if t.ring.next == nil {
			return errors.New("there is no new CA to go on with: make one first")
		}
		// What the old CA's key can open must not stay behind. Until the file is in
		// its place, both are known, and one seal is enough.
		alone, err := newRing(t.ring.next, nil)
		if err != nil {
			return err
		}
		if err := t.reseal(ctx, alone, o); err != nil {
			return err
		}
		if err := renameSynced(k.opts.Dir, caNextName, caName); err != nil {
			return fmt.Errorf("replace the signing CA: %w", err)
		}
		return nil
	})
}

// ErrOperatorCA is what [Keys.NewCA] and [Keys.RetireCA] return for a CA that is
// not ours to change.
var ErrOperatorCA = errors.New("the signing CA is the operator's own (tokens.ca_cert_file)")

// reseal puts the static keys under the seals of another ring, and announces its
// newest authority. Leaves are sealed again by their owners.
func (t *turn) reseal(ctx context.Context, ring *ring, o Order) error {
	var records []Record
	for kid := range t.known.keys {
		r := t.known.rows[kid]
		if !r.static() {
			continue
		}
		pair, err := t.ring.private(&r)
		if r.State == StateRetired {
			pair, err = nil, nil
		}
		if err != nil {
			return fmt.Errorf("open key %s: %w", kid, err)
		}
		if r, err = ring.seal(r, pair); err != nil {
			return err
		}
		records = append(records, r)
	}
	newest := ring.sealers[len(ring.sealers)-1].authority
	return t.saveAll(ctx, records, []feed.Change{announcement(newest, t.now, o)})
}
