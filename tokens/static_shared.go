package tokens

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// statics fills in the keys of the kid services. One that cannot be had now keeps
// the key that it has in this process.
func (t *turn) statics(ctx context.Context, next *state) error {
	next.statics, next.waiting = make(map[string]*signer), make(map[string]error)
	var faults []error
	for _, r := range t.k.opts.Registries {
		if r.Form != FormKID {
			continue
		}
		s, err := t.static(ctx, r.Service)
		if err == nil {
			err = t.exportStatic(s)
		}
		if err != nil {
			err = fmt.Errorf("the static key of service %q: %w", r.Service, err)
			if waits, ok := errors.AsType[*waitsError](err); ok {
				t.later = errors.Join(t.later, waits.err)
			} else {
				faults = append(faults, err)
			}
			next.waiting[r.Service] = err
			if old := t.k.state.Load(); old != nil {
				s = old.statics[r.Service]
			}
		}
		if s != nil {
			next.statics[r.Service] = s
		}
	}
	return errors.Join(faults...)
}

// waitsError says that there is no key because the store could not be asked
// whether another replica has made it: a registry may trust that one.
type waitsError struct{ err error }

func (e *waitsError) Error() string { return "the store must tell first: " + e.err.Error() }

func (t *turn) staticFile(service string) string {
	return filepath.Join(t.k.opts.Dir, staticStem(service, t.k.opts.Algorithm)+".pem")
}

func (t *turn) exportStatic(s *signer) error {
	path := strings.TrimSuffix(t.staticFile(s.service), ".pem") + ".crt"
	if err := exportFile(path, encodeCert(s.cert)); err != nil {
		return fmt.Errorf("export its certificate: %w", err)
	}
	return nil
}

// static returns the one key of a kid service: that of the file, and the store's
// where there is no file or where the file's was rotated out. The first replica to
// need a key makes it.
func (t *turn) static(ctx context.Context, service string) (*signer, error) {
	local, err := readStatic(t.staticFile(service), service)
	if err != nil {
		return nil, err
	}
	switch {
	case t.k.opts.Store == nil && local == nil:
		if local, err = newStatic(service, t.k.opts); err != nil {
			return nil, err
		}
		return local, t.keepStatic(local)
	case t.k.opts.Store == nil:
		return local, nil
	case t.storeErr != nil && local == nil:
		return nil, &waitsError{t.storeErr}
	case t.storeErr != nil:
		return local, nil
	}
	stored, ours := t.signingStatic(service)
	switch {
	case stored == nil || local != nil && stored.KeyID == local.jwk.KeyID:
		return t.offer(ctx, local, stored, service)
	case !ours:
		return nil, fmt.Errorf("the store has key %s of replica %q, which was sealed under another signing CA: "+
			"give this server the CA of the others (tokens.ca_cert_file), or make a new key with "+
			"`drawbridge keys rotate --service %q` and give it to the registry", stored.KeyID, stored.Replica, service)
	case local == nil || t.retired(local):
		return t.takeOver(stored)
	}
	return nil, fmt.Errorf("%s holds key %s and the store has key %s of replica %q: only one of them can be the one that the "+
		"registry trusts. If it is the store's, move the file away and restart, which takes the store's over; if it is the "+
		"file's, do the same and give the registry the new file, or `drawbridge keys rotate --service %q` on a server that starts",
		t.staticFile(service), local.jwk.KeyID, stored.KeyID, stored.Replica, service)
}

// signingStatic returns the store's key of the service that signs, and whether our
// authority vouches for it.
func (t *turn) signingStatic(service string) (stored *Record, ours bool) {
	for _, r := range t.known.rows {
		if r.Service == service && r.Algorithm == t.k.opts.Algorithm && r.State == StateSigning {
			_, ours := t.known.keys[r.KeyID]
			return &r, ours
		}
	}
	return nil, false
}

// retired reports whether the store says that the key was rotated out.
func (t *turn) retired(local *signer) bool {
	_, ours := t.known.keys[local.jwk.KeyID]
	return ours && t.known.rows[local.jwk.KeyID].State == StateRetired
}

// offer publishes the file's key, or a new one, unless the store has it already.
// The store comes before the file: a key that another replica was faster with is
// thrown away.
func (t *turn) offer(ctx context.Context, local *signer, stored *Record, service string) (*signer, error) {
	s, err := local, error(nil)
	if local == nil {
		if s, err = newStatic(service, t.k.opts); err != nil {
			return nil, err
		}
	}
	record, err := t.staticRecord(s, StateSigning)
	if err != nil {
		return nil, err
	}
	switch {
	case stored != nil && sameKey(&record, stored) && t.ring.sealed(stored):
		return s, nil
	case stored != nil && sameKey(&record, stored):
		// Other authorities' seals stay good, since nothing changes under them.
		if record, err = t.addSeals(*stored, s); err != nil {
			return nil, err
		}
	case stored != nil:
		record.Version = stored.Version
	case t.known.rows[record.KeyID].Version != 0:
		return nil, fmt.Errorf("the store has key %s, but not as the one that signs: make a new one with "+
			"`drawbridge keys rotate --service %q` and give it to the registry", record.KeyID, service)
	}
	if err := t.save(ctx, []Record{record}); err != nil {
		if local == nil {
			return nil, &waitsError{err}
		}
		t.later = errors.Join(t.later, err)
		return s, nil
	}
	if local == nil {
		err = t.keepStatic(s)
	}
	return s, err
}

// sameKey reports whether two records differ in nothing that matters but their seals.
func sameKey(a, b *Record) bool {
	return a.KeyID == b.KeyID && a.Service == b.Service && a.Algorithm == b.Algorithm && a.Public == b.Public &&
		a.State == b.State && a.NotBefore.Equal(b.NotBefore) && a.NotAfter.Equal(b.NotAfter) && a.Until.Equal(b.Until)
}

// maxSeals bounds the seals of one record: those of a CA, its successor and a few
// that nobody has removed.
const maxSeals = 8

// addSeals returns the record with our authorities' seals besides those it has.
func (t *turn) addSeals(r Record, s *signer) (Record, error) {
	private, err := encodePair(s.key, s.cert)
	if err != nil {
		return r, err
	}
	others := r.Seals
	if r, err = t.ring.seal(r, private); err != nil {
		return r, err
	}
	for _, seal := range others {
		if len(r.Seals) < maxSeals && !slices.ContainsFunc(r.Seals, func(o Seal) bool { return o.Authority == seal.Authority }) {
			r.Seals = append(r.Seals, seal)
		}
	}
	return r, nil
}

// staticRecord is a static key as the store has it.
func (t *turn) staticRecord(s *signer, state KeyState) (Record, error) {
	private, err := encodePair(s.key, s.cert)
	if err != nil {
		return Record{}, err
	}
	return t.sealRecord(Record{
		KeyID: s.jwk.KeyID, Service: s.service, Algorithm: s.jwk.Algorithm, State: state,
		NotBefore: s.cert.NotBefore, NotAfter: s.cert.NotAfter, Until: s.cert.NotAfter.Add(Leeway),
	}, s.jwk, private)
}

// takeOver makes the store's key the file's.
func (t *turn) takeOver(stored *Record) (*signer, error) {
	pair, err := t.ring.private(stored)
	if err != nil {
		return nil, fmt.Errorf("open key %s of the store: %w", stored.KeyID, err)
	}
	s, err := parseStatic(pair, stored.Service)
	if err != nil {
		return nil, fmt.Errorf("read key %s of the store: %w", stored.KeyID, err)
	}
	if s.jwk.KeyID != stored.KeyID {
		return nil, fmt.Errorf("key %s of the store holds another key, %s", stored.KeyID, s.jwk.KeyID)
	}
	if err := t.keepStatic(s); err != nil {
		return nil, err
	}
	t.k.opts.Log.Warn("took over a static signing key from the store; its registry must read this public key and be restarted, unless it has it",
		"service", s.service, "kid", s.jwk.KeyID, "replica", stored.Replica)
	return s, nil
}

func (t *turn) keepStatic(s *signer) error {
	content, err := encodePair(s.key, s.cert)
	if err != nil {
		return err
	}
	if err := writeFile(t.staticFile(s.service), content, modePrivate); err != nil {
		return fmt.Errorf("keep it: %w", err)
	}
	return nil
}
