package tokens

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// ErrNoRotation is what [Keys.Rotate] returns when the operator's certificate
// signs tokens itself, so that there are no leaves.
var ErrNoRotation = errors.New("tokens are signed by the operator's own certificate, which is not a CA; " +
	"to roll the key, replace ca_cert_file and ca_key_file, mount the new certificate in the registries and restart")

const (
	checkEvery = time.Minute
	// warnBefore is when Run begins to say daily that the authority ends.
	warnBefore = 30 * 24 * time.Hour
	warnEvery  = 24 * time.Hour
)

// Run rotates the leaf when it is due, takes over a leaf that another process
// sharing the directory has made, and warns before the authority ends. A failed
// rotation is logged and tried again a minute later; until it succeeds the old
// leaf goes on, which it can do for days. Run returns when ctx ends.
func (k *Keys) Run(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := k.maintain(ctx); err != nil && ctx.Err() == nil {
				k.opts.Log.Error("the signing key could not be rotated; the old one goes on", "error", err)
			}
		}
	}
}

// Rotate replaces the leaf now. Tokens signed by the old one stay valid until
// they expire. It fails, changing nothing, when the new leaf cannot be kept.
func (k *Keys) Rotate(ctx context.Context) error {
	if k.authority.direct {
		return ErrNoRotation
	}
	return k.refresh(ctx, true)
}

// maintain is one turn of Run.
func (k *Keys) maintain(ctx context.Context) error {
	k.warnOfEnd()
	return k.refresh(ctx, false)
}

// refresh brings the state in line with the directory.
func (k *Keys) refresh(ctx context.Context, roll bool) error {
	k.rotating.Lock()
	defer k.rotating.Unlock()
	unlock, err := lockDir(ctx, k.opts.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	leaf, err := k.currentLeaf(roll)
	if err != nil {
		return err
	}
	old := k.state.Load()
	if !leaf.knows(old.leaf.cert) {
		// Somebody removed the file; the tokens of the leaf it held are alive.
		leaf.retired = leaf.retire(old.leaf.cert, k.opts).retired
		if err := leaf.write(k.opts.Dir); err != nil {
			return fmt.Errorf("keep the leaf before this one: %w", err)
		}
	}
	if leaf.current.jwk.KeyID == old.leaf.jwk.KeyID && len(leaf.retired) == len(old.retired) {
		return nil
	}
	k.opts.Log.Info("the signing key changed", "kid", leaf.current.jwk.KeyID, "was", old.leaf.jwk.KeyID,
		"expires", leaf.current.cert.NotAfter.UTC())
	return k.install(leaf, old.statics)
}

// currentLeaf returns the leaf of the directory, or a new one, already stored,
// when roll is set or the old one is due. The caller holds the directory's lock.
// Since it reads the file first, two processes never both replace one leaf.
func (k *Keys) currentLeaf(roll bool) (leafFile, error) {
	if k.authority.direct {
		return directLeaf(k.authority)
	}
	file, err := readLeaf(k.authority, k.opts)
	if err != nil {
		return leafFile{}, err
	}
	if file.current != nil && !roll && !leafDue(file.current.cert, k.authority, k.opts) {
		file.retired = file.live(k.opts.Clock())
		return file, nil
	}
	next := leafFile{retired: file.retired}
	if file.current != nil {
		next = file.retire(file.current.cert, k.opts)
	}
	if next.current, err = issueLeaf(k.authority, k.opts); err != nil {
		return leafFile{}, err
	}
	if err := next.write(k.opts.Dir); err != nil {
		return leafFile{}, fmt.Errorf("keep the new leaf: %w", err)
	}
	return next, nil
}

// directLeaf makes the authority's own certificate the leaf.
func directLeaf(a *authority) (leafFile, error) {
	chain := a.above
	if selfSigned(a.cert) {
		chain = []*x509.Certificate{a.cert}
	}
	s, err := newSigner(a.key, chain)
	if err != nil {
		return leafFile{}, err
	}
	s.cert = a.cert
	return leafFile{current: s}, nil
}

func (k *Keys) warnOfEnd() {
	k.rotating.Lock()
	defer k.rotating.Unlock()
	now := k.opts.Clock()
	if k.authority.cert.NotAfter.Sub(now) > warnBefore || now.Sub(k.warned) < warnEvery {
		return
	}
	k.warned = now
	k.opts.Log.Warn("the signing certificate ends soon; renew it, mount the new one in every registry and restart",
		"file", k.authority.source, "expires", k.authority.cert.NotAfter.UTC())
}
