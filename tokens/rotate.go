package tokens

import (
	"context"
	"crypto/x509"
	"errors"
	"time"
)

// ErrNoRotation is what [Keys.Rotate] returns when the operator's certificate
// signs tokens itself, so that there are no leaves.
var ErrNoRotation = errors.New("tokens are signed by the operator's own certificate, which is not a CA; " +
	"to roll the key, replace ca_cert_file and ca_key_file, mount the new certificate in the registries and restart")

const (
	checkEvery = time.Minute
	// retryEvery is the interval instead of checkEvery while the store has not
	// taken our keys, so that other processes learn of them soon.
	retryEvery = 5 * time.Second
	// warnBefore is when Run begins to say daily that the authority ends.
	warnBefore = 30 * 24 * time.Hour
	warnEvery  = 24 * time.Hour
)

// Run rotates the leaf when it is due, takes over what other processes have
// changed, and warns before the authority ends. A failed rotation is logged and
// tried again a minute later; until it succeeds the old leaf goes on, which it can
// do for days. Run returns when ctx ends.
func (k *Keys) Run(ctx context.Context) {
	var last string // the log has one line when something begins to wait
	timer := time.NewTimer(checkEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-k.wake:
		}
		later, err := k.maintain(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			k.opts.Log.Error("the signing keys could not be brought up to date; those in use go on", "error", err)
		}
		timer.Reset(checkEvery)
		switch {
		case later == nil:
			last = ""
			continue
		case later.Error() != last:
			last = later.Error()
			k.opts.Log.Warn("the signing keys wait for the store; those in use go on", "error", later)
		}
		timer.Reset(retryEvery)
	}
}

// Rotate replaces this process's leaf now. Tokens signed by the old one stay valid
// until they expire. It fails, changing nothing, when the new leaf cannot be kept
// or the store does not take it.
func (k *Keys) Rotate(ctx context.Context) error {
	if k.state.Load().ring.authority.direct {
		return ErrNoRotation
	}
	later, err := k.refresh(ctx, true)
	return errors.Join(err, later)
}

// Sync takes over what was changed in the directory and in the store, as Run does
// by itself. A command changes nothing in a directory where no server has run.
func (k *Keys) Sync(ctx context.Context) error {
	if k.opts.Existing && k.state.Load().leaf == nil {
		return nil
	}
	later, err := k.refresh(ctx, false)
	return errors.Join(err, later)
}

// maintain is one turn of Run. The first error is what the store was needed for.
func (k *Keys) maintain(ctx context.Context) (later, err error) {
	k.warnOfEnd()
	return k.refresh(ctx, false)
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
	now, ring := k.opts.Clock(), k.state.Load().ring
	if ring.authority.cert.NotAfter.Sub(now) > warnBefore || now.Sub(k.warned) < warnEvery {
		return
	}
	k.warned = now
	what := "renew it, mount the new one in every registry and restart"
	if !k.opts.operatorCA() {
		what = "replace it, beginning with `drawbridge keys rotate --new-ca`"
	}
	k.opts.Log.Warn("the signing certificate ends soon; "+what,
		"file", ring.authority.source, "expires", ring.authority.cert.NotAfter.UTC())
}
