package tokens_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"drawbridge/identity"
	"drawbridge/tokens"
)

func TestReplicasMakeOneStaticKey(t *testing.T) {
	w := newWorld(t)
	first := w.options("first")
	first.Registries = first.Registries[:1] // makes the CA, needs no static key
	w.open(first)
	var options []tokens.Options
	for range 4 {
		options = append(options, w.options("replica"))
	}
	certs := make([][]byte, len(options))
	var wg sync.WaitGroup
	for i := range options {
		wg.Go(func() {
			k, err := tokens.Open(options[i])
			if err != nil {
				t.Error(err)
				return
			}
			certs[i] = k.StaticCert(kidSvc)
		})
	}
	wg.Wait()
	for i, opts := range options {
		onDisk := w.read(w.open(opts).TrustFile(kidSvc))
		if !bytes.Equal(certs[i], certs[0]) || !bytes.Equal(onDisk, certs[0]) {
			t.Errorf("replica %d has another key", i)
		}
	}
}

// A file that differs from the store is never replaced, nor the store's key.
func TestStaticKeyThatDiffersFromTheStore(t *testing.T) {
	w := newWorld(t)
	w.replica("a")
	opts := w.options("b")
	alone := opts
	alone.Store = nil
	file := w.open(alone).TrustFile(kidSvc)
	before, records := w.read(file), w.records()
	_, err := tokens.Open(opts)
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("move the file away")) || !bytes.Contains([]byte(err.Error()), []byte(`replica "a"`)) {
		t.Fatalf("got %v", err)
	}
	if !bytes.Equal(w.read(file), before) {
		t.Error("the file was replaced")
	}
	if got := w.records(); !slices.EqualFunc(got, records, func(x, y tokens.Record) bool { return x.KeyID == y.KeyID && x.Version == y.Version }) {
		t.Errorf("the store was changed: %v", got)
	}
	pems, err := filepath.Glob(filepath.Join(opts.Dir, "static-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pems { // what the error says to do
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	w.open(opts)
	if bytes.Equal(w.read(file), before) {
		t.Error("the store's key was not taken over")
	}
}

// A first start while the store is down does not make a key of its own: the
// registry may trust another replica's.
func TestStaticKeyWaitsForTheStore(t *testing.T) {
	w := newWorld(t)
	a := w.replica("a")
	opts := w.options("b")
	w.store.down.Store(true)
	b := w.open(opts)
	_, err := b.Mint(kidSvc, claims(kidSvc, w.clock.Now()))
	if identity.AsError(err).Kind != identity.Unavailable {
		t.Errorf("got %v", err)
	}
	w.mint(b, leafSvc) // the others go on
	w.store.down.Store(false)
	w.sync(b)
	if !bytes.Equal(a.StaticCert(kidSvc), b.StaticCert(kidSvc)) {
		t.Error("the key was not taken over")
	}
	w.verify(w.mint(b, kidSvc), true, a)
}

// A store that was lost, or that is new after an upgrade, gets the file's key.
func TestStaticKeyOfTheFileIsPublished(t *testing.T) {
	w := newWorld(t)
	opts := w.options("a")
	alone := opts
	alone.Store = nil
	cert := w.open(alone).StaticCert(kidSvc)
	w.open(opts)
	if got := w.replica("b").StaticCert(kidSvc); !bytes.Equal(got, cert) {
		t.Error("another replica has another key")
	}
}

// While the operator changes the CA one replica after the other, both CAs seal the
// same static key. They must not write over each other for ever.
func TestTwoCAsSealOneStaticKey(t *testing.T) {
	w := newWorld(t)
	aOpts := w.options("a")
	a := w.open(aOpts)
	w.ca = nil
	bOpts := w.options("b")
	for _, path := range []string{"pem", "crt"} {
		files, err := filepath.Glob(filepath.Join(aOpts.Dir, "static-*."+path))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		w.write(filepath.Join(bOpts.Dir, filepath.Base(files[0])), w.read(files[0]))
	}
	b := w.open(bOpts)
	versions := func() map[string]int64 {
		found := map[string]int64{}
		for _, r := range w.records() {
			found[r.KeyID] = r.Version
		}
		return found
	}
	w.sync(a, b)
	settled := versions()
	for range 3 {
		w.sync(a, b)
	}
	if got := versions(); !maps.Equal(got, settled) {
		t.Errorf("the records change for ever: %v, then %v", settled, got)
	}
	w.verify(w.mint(a, kidSvc), true, b)
	if !bytes.Equal(a.StaticCert(kidSvc), w.replica("c, with b's CA").StaticCert(kidSvc)) {
		t.Error("a replica with the new CA does not find the key")
	}
}
