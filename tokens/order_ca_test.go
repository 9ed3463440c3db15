package tokens_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/tokens"
)

// bundleOf is what a registry that starts now would trust.
func bundleOf(t *testing.T, k *tokens.Keys) *x509.CertPool {
	t.Helper()
	onDisk, err := os.ReadFile(k.TrustFile(leafSvc))
	if err != nil || !bytes.Equal(onDisk, k.SigningCA()) {
		t.Fatalf("signing-ca.pem is not what the method returns: %v", err)
	}
	pool := x509.NewCertPool()
	for block, rest := pem.Decode(onDisk); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		pool.AddCert(cert)
	}
	return pool
}

// trusts reports whether a registry with the bundle takes what k signs.
func (w *world) trusts(pool *x509.CertPool, token string) bool {
	w.t.Helper()
	cert := leafCert(w.t, token)
	_, err := cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: w.clock.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

func TestChangeOfTheCA(t *testing.T) {
	w := newWorld(t)
	opts := w.options("a")
	a := w.open(opts)
	neighbour := w.open(opts) // shares the directory
	command := w.command(opts)
	oldBundle, oldToken, oldStatic, oldSecret := bundleOf(t, a), w.mint(a, leafSvc), w.mint(a, kidSvc), a.Derive("x")
	var oldAuthority string
	for _, r := range w.records() {
		oldAuthority = r.Seals[0].Authority
	}

	if err := command.NewCA(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	if err := command.NewCA(t.Context(), order); err == nil || !strings.Contains(err.Error(), "ca-next.pem") {
		t.Errorf("a second new CA: %v", err)
	}
	if _, err := command.PrepareStatic(t.Context(), kidSvc, order); err != nil { // in the middle of it
		t.Fatal(err)
	}
	w.sync(a, neighbour)
	both := bundleOf(t, neighbour)
	meanwhile := w.mint(a, leafSvc)
	if !w.trusts(oldBundle, meanwhile) || !w.trusts(both, meanwhile) {
		t.Error("a registry refuses tokens before the old CA is retired")
	}
	if !bytes.Equal(a.Derive("x"), oldSecret) {
		t.Error("the derived secrets change before the CA does")
	}
	restarted := w.open(opts)
	w.verify(meanwhile, true, restarted, a, neighbour)

	if err := command.RetireCA(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	w.sync(a, neighbour)
	newBundle, after := bundleOf(t, a), w.mint(a, leafSvc)
	if w.trusts(oldBundle, after) || !w.trusts(both, after) || !w.trusts(newBundle, after) || w.trusts(newBundle, meanwhile) {
		t.Error("the new tokens are not under the new CA, or the new bundle trusts the old one")
	}
	if bytes.Equal(a.Derive("x"), oldSecret) || !bytes.Equal(a.Derive("x"), neighbour.Derive("x")) {
		t.Error("the derived secrets are the old CA's")
	}
	for _, k := range []*tokens.Keys{a, neighbour, w.open(opts)} {
		for _, token := range []string{oldToken, oldStatic, meanwhile, after, w.mint(k, kidSvc)} {
			w.verify(token, true, k)
		}
	}
	for _, r := range w.records() {
		if r.Service != "" && (len(r.Seals) != 1 || r.Seals[0].Authority == oldAuthority) {
			t.Error("the old CA's key still opens a static key of the store")
		}
	}
	if _, err := os.Stat(filepath.Join(opts.Dir, "ca-next.pem")); err == nil {
		t.Error("the new CA is there twice")
	}
	if _, _, err := command.SwitchStatic(t.Context(), kidSvc, false, order); err != nil { // what was prepared before
		t.Error(err)
	}
}

// A replica with a directory of its own gets the CA by a copy of its file.
func TestChangeOfTheCAOnCopies(t *testing.T) {
	w := newWorld(t)
	aOpts := w.options("a")
	a := w.open(aOpts)
	bOpts := w.options("b")
	b := w.open(bOpts)
	all := []*tokens.Keys{a, b}
	check := func(when string) {
		t.Helper()
		w.sync(a, b, a)
		for _, k := range all {
			for _, service := range []string{leafSvc, kidSvc} {
				if token := w.mint(k, service); true {
					w.verify(token, true, all...)
				}
			}
		}
		if t.Failed() {
			t.Fatal(when)
		}
	}
	check("before")
	if err := w.command(aOpts).NewCA(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	check("one has a new CA")
	w.write(filepath.Join(bOpts.Dir, "ca-next.pem"), w.read(filepath.Join(aOpts.Dir, "ca-next.pem")))
	check("both have it")
	if err := w.command(aOpts).RetireCA(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	check("one has retired the old one")
	if err := w.command(bOpts).RetireCA(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	check("both have")
	if !bytes.Equal(a.SigningCA(), b.SigningCA()) {
		t.Error("they ended up with two CAs")
	}
}

func TestOperatorsCAIsNotChanged(t *testing.T) {
	w := newWorld(t)
	made := w.options("maker")
	w.open(made)
	opts := w.options("a")
	opts.CACertFile, opts.CAKeyFile = filepath.Join(made.Dir, "ca.pem"), filepath.Join(made.Dir, "ca.pem")
	w.open(opts)
	command := w.command(opts)
	for _, change := range []func(context.Context, tokens.Order) error{command.NewCA, command.RetireCA} {
		if err := change(t.Context(), order); !errors.Is(err, tokens.ErrOperatorCA) {
			t.Errorf("got %v", err)
		}
	}
}
