package tokens_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"drawbridge/tokens"
)

// A stranger with the same store and another CA is not believed, nor are we by it.
func TestAnotherCAIsAnotherWorld(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	opts := w.options("a")
	opts.Log = slog.New(slog.NewTextHandler(&log, nil))
	a := w.open(opts)
	w.ca = nil
	strange := w.options("stranger")
	strange.Registries = strange.Registries[:1] // it has no use for the static key
	stranger := w.open(strange)
	w.verify(w.mint(stranger, leafSvc), false, a)
	w.verify(w.mint(a, leafSvc), false, stranger)
	if n := bytes.Count(log.Bytes(), []byte("not accepted")); n != 1 {
		t.Errorf("%d lines of the log complain of the stranger's key:\n%s", n, log.String())
	}
}

// Whoever sends made-up key IDs, a new one each time, costs the store no flood.
func TestMadeUpKeysAreAskedForTogether(t *testing.T) {
	w := newWorld(t)
	a := w.replica("a")
	w.ca = nil
	strangers := w.options("stranger")
	strangers.Store, strangers.Registries = nil, strangers.Registries[:1]
	stranger := w.open(strangers)
	var forged []string
	for range 60 {
		forged = append(forged, w.mint(stranger, leafSvc))
		if err := stranger.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before, began := w.store.reads.Load(), time.Now()
	for range 2 { // the second time they are known to be unknown
		var wg sync.WaitGroup
		for _, token := range forged {
			wg.Go(func() { w.verify(token, false, a) })
		}
		wg.Wait()
	}
	// One query each 250 ms is what the package promises, however long this took.
	most := int64(time.Since(began)/(250*time.Millisecond)) + 2
	if n := w.store.reads.Load() - before; n < 1 || n > most {
		t.Errorf("%d queries for 120 tokens, want at most %d", n, most)
	}
}

// The usual token that names no key of ours is an old one.
func TestOldTokensAskForNothing(t *testing.T) {
	w := newWorld(t)
	opts := w.options("a")
	a := w.open(opts)
	w.ca = nil
	strangers := w.options("stranger")
	strangers.Store, strangers.Registries = nil, strangers.Registries[:1]
	expired := w.mint(w.open(strangers), leafSvc)
	w.clock.advance(ttl)
	revoked := w.mint(a, leafSvc)
	if _, err := w.command(opts).RevokeLeaves(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	w.sync(a)
	before := w.store.reads.Load()
	w.verify(expired, false, a)
	w.verify(revoked, false, a)
	if n := w.store.reads.Load() - before; n != 0 {
		t.Errorf("%d queries", n)
	}
}

// Somebody who can write the store, but has no CA, tries to have a key accepted.
func TestKeysOfTheStoreAreBelievedBySealOnly(t *testing.T) {
	w := newWorld(t)
	victim := w.replica("victim")
	genuine := map[string]tokens.Record{} // by service
	for _, r := range w.records() {
		genuine[r.Service] = r
	}
	w.ca = nil
	evilOpts := w.options("evil")
	evilStore := &flaky{Store: openStore(t, t.TempDir())}
	evilOpts.Store = evilStore
	evil := w.open(evilOpts)
	token := map[string]string{"": w.mint(evil, leafSvc), kidSvc: w.mint(evil, kidSvc)}
	evilRecords, err := evilStore.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range evilRecords {
		for name, edit := range map[string]func(r *tokens.Record){
			"its own seals":           func(*tokens.Record) {},
			"no seals":                func(r *tokens.Record) { r.Seals = nil },
			"the victim's seals":      func(r *tokens.Record) { r.Seals = genuine[r.Service].Seals },
			"the victim's authority":  func(r *tokens.Record) { r.Seals[0].Authority = genuine[r.Service].Seals[0].Authority },
			"a MAC that is empty":     func(r *tokens.Record) { r.Seals = genuine[r.Service].Seals[:1:1]; r.Seals[0].MAC = []byte{} },
			"the victim's public key": func(r *tokens.Record) { r.Public = genuine[r.Service].Public },
			"seals of the other kind": func(r *tokens.Record) { r.Seals = genuine[map[string]string{"": kidSvc, kidSvc: ""}[r.Service]].Seals },
		} {
			forged := own
			forged.State, forged.Version = tokens.StateRetired, 0 // the index allows one that signs
			forged.Seals = slices.Clone(forged.Seals)
			edit(&forged)
			w.put(forged)
			if err := victim.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, k := range []*tokens.Keys{victim, w.reopened(victim)} {
				if _, err := k.Verify(token[own.Service]); err == nil {
					t.Errorf("a key with %s is accepted", name)
				}
				if slices.Contains(kids(t, k), own.KeyID) {
					t.Errorf("a key with %s is in the JWKS", name)
				}
			}
		}
	}
}

// A genuine record that is edited vouches for nothing any more.
func TestSealsCoverTheWholeRecord(t *testing.T) {
	for name, edit := range map[string]func(r *tokens.Record){
		"a longer life":        func(r *tokens.Record) { r.Until = r.Until.Add(time.Hour) },
		"a later end":          func(r *tokens.Record) { r.NotAfter = r.NotAfter.Add(time.Hour) },
		"an earlier beginning": func(r *tokens.Record) { r.NotBefore = r.NotBefore.Add(-time.Hour) },
		"another state":        func(r *tokens.Record) { r.State = tokens.StateRetired },
		"another algorithm":    func(r *tokens.Record) { r.Algorithm = tokens.RS256 },
		"another replica":      func(r *tokens.Record) { r.Replica = "x" },
		"no service":           func(r *tokens.Record) { r.Service = "" },
		"another private key":  func(r *tokens.Record) { r.Seals[0].Private[20] ^= 1 },
	} {
		w := newWorld(t)
		a := w.replica("a")
		token := w.mint(a, kidSvc)
		readerOpts := w.options("reader")
		readerOpts.Registries = readerOpts.Registries[:1]
		i := slices.IndexFunc(w.records(), func(r tokens.Record) bool { return r.Service == kidSvc })
		r := w.records()[i]
		edit(&r)
		if _, err := w.store.SaveKeys(t.Context(), []tokens.Record{r}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.open(readerOpts).Verify(token); err == nil {
			t.Errorf("%s: the record still counts", name)
		}
	}
}

// The private half of a static key is in the store, but only for who has the CA.
func TestPrivateKeysInTheStoreAreSealed(t *testing.T) {
	w := newWorld(t)
	opts := w.options("a")
	w.open(opts)
	files, err := filepath.Glob(filepath.Join(opts.Dir, "static-*.pem"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	secret := bytes.Split(w.read(files[0]), []byte("\n"))[1] // a line of the key's base64
	sealed := false
	for _, r := range w.records() {
		row, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, seal := range r.Seals {
			sealed = sealed || len(seal.Private) > 0
			if bytes.Contains(seal.Private, secret) {
				t.Error("the private key is in the store in the clear")
			}
		}
		if bytes.Contains(row, secret) || bytes.Contains(row, []byte("PRIVATE")) || r.Service == "" && r.Seals[0].Private != nil {
			t.Errorf("%s", row)
		}
	}
	if !sealed {
		t.Error("no private key is in the store at all")
	}
}
