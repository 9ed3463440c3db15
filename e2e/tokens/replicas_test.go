package tokens

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
	"drawbridge/identity"
	"drawbridge/store"
	product "drawbridge/tokens"
)

// jwksService is a registry that reads a JWKS and nothing else.
const jwksService = "jwks.example.com"

// replicaConfig is a server with the operator's CA and the store of its neighbours.
func replicaConfig(cert, key, storeURL string) string {
	return fmt.Sprintf(`
registries:
  - { service: %q, issuer: %q, for: distribution-3 }
  - { service: %q, issuer: %q, for: distribution-3-jwks }
tokens: { ca_cert_file: %q, ca_key_file: %q }
store: { url: %q }
connectors:
  - { name: local, type: htpasswd, file: htpasswd }
policy: { file: policy.yaml }
`, service, issuer, jwksService, issuer, cert, key, storeURL)
}

const replicaPolicy = `
bindings:
  - { name: all, role: puller, subjects: [anonymous], repositories: ["library/app"] }
`

func startReplica(t *testing.T, config string) *testbed.Server {
	t.Helper()
	return testbed.StartDrawbridge(t, testbed.ServerOptions{Config: config, Files: map[string]string{
		"htpasswd": testbed.HTPasswd(t, "admin", "badmin"), "policy.yaml": replicaPolicy,
	}})
}

// tokenOf asks a server for what a puller of library/app needs.
func tokenOf(t *testing.T, s *testbed.Server, service string) string {
	t.Helper()
	return s.Ask(testbed.TokenRequest{Service: service, Scopes: []string{"repository:library/app:pull"}}).Token
}

// openStore opens a store of the product.
func openStore(t *testing.T, opts store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// keyIDs are the keys of a JWKS.
func keyIDs(t *testing.T, jwks []byte) []string {
	t.Helper()
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, key := range set.Keys {
		ids = append(ids, key.Kid)
	}
	return ids
}

// Two servers with directories of their own share one CA and one PostgreSQL: each
// verifies what the other signs, they hand out one JWKS, and registries take the
// tokens of both. A rotation by command reaches both.
func TestReplicasShareTheirKeys(t *testing.T) {
	t.Parallel()
	url := testbed.StartPostgres(t).NewDatabase()
	cert, key := openssl(t, p256())
	config := replicaConfig(cert, key, url)
	a, b := startReplica(t, config), startReplica(t, config)

	// A third process, in the place of an endpoint: the product's own Verify.
	observer := open(t, product.Options{CACertFile: cert, CAKeyFile: key,
		Store: openStore(t, store.Options{URL: identity.NewSecret(url), Dir: t.TempDir()})})
	verifies := func(what, token string) {
		t.Helper()
		if _, err := observer.Verify(token); err != nil {
			t.Errorf("a third replica refuses %s: %v", what, err)
		}
	}
	jwks := func(s *testbed.Server) []byte { return s.ReadFile(filepath.Join("data", "keys", "jwks.json")) }
	// Two leaves and the observer's, and one static key.
	a.Await("one JWKS with the keys of all", func() bool { return bytes.Equal(jwks(a), jwks(b)) && len(keyIDs(t, jwks(a))) == 4 })

	byChain := testbed.StartRegistry(t, testbed.Registry28, testbed.RegistryOptions{
		Realm: a.URL + "/token", Service: service, Issuer: issuer, RootCertBundle: cert,
	})
	byJWKS := testbed.StartRegistry(t, testbed.Registry311, testbed.RegistryOptions{
		Realm: a.URL + "/token", Service: jwksService, Issuer: issuer, JWKS: filepath.Join(b.Dir, "data", "keys", "jwks.json"),
	})
	check := func() {
		t.Helper()
		for name, s := range map[string]*testbed.Server{"a": a, "b": b} {
			chain, static := tokenOf(t, s, service), tokenOf(t, s, jwksService)
			verifies("a leaf's token of "+name, chain)
			verifies("a static key's token of "+name, static)
			expect(t, byChain, chain, true)
			expect(t, byJWKS, static, true)
		}
	}
	check()
	if kidOf(t, tokenOf(t, a, service)) == kidOf(t, tokenOf(t, b, service)) || kidOf(t, tokenOf(t, a, jwksService)) != kidOf(t, tokenOf(t, b, jwksService)) {
		t.Error("the replicas share a leaf, or not the static key")
	}

	before := map[string]bool{kidOf(t, tokenOf(t, a, service)): true, kidOf(t, tokenOf(t, b, service)): true}
	old := tokenOf(t, b, service)
	ran := testbed.RunDrawbridge(t, a.Dir, "", "keys", "rotate", "--emergency", "--config", "drawbridge.yaml", "-o", "json")
	if ran.Code != 0 {
		t.Fatalf("keys rotate: exit code %d: %s%s", ran.Code, ran.Stdout, ran.Stderr)
	}
	for _, s := range []*testbed.Server{a, b} {
		s.Await("a new leaf", func() bool { return !before[kidOf(t, tokenOf(t, s, service))] })
	}
	check()
	if err := observer.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := observer.Verify(old); err == nil {
		t.Error("a revoked key still verifies")
	}
}

// Every version takes a bundle of two certificates. Under it the CA is changed
// while the registries run, and only those that never got the bundle refuse.
func TestCAChangesUnderABundleOfTwo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := product.Options{Dir: filepath.Join(dir, "keys"), Store: openStore(t, store.Options{Dir: dir})}
	keys := open(t, opts)
	oldOnly := trust{bundle: keys.SigningCA()}
	before := mint(t, keys)
	if err := keys.NewCA(t.Context(), product.Order{}); err != nil {
		t.Fatal(err)
	}
	if err := keys.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	both := trust{bundle: keys.SigningCA()}
	if n := bytes.Count(both.bundle, []byte("BEGIN CERTIFICATE")); n != 2 {
		t.Fatalf("the bundle has %d certificates", n)
	}
	meanwhile := mint(t, keys)
	type registries struct{ old, both *testbed.Registry }
	var running []registries
	for _, version := range everywhere() {
		r := registries{testbed.StartRegistry(t, version, oldOnly.options(t)), testbed.StartRegistry(t, version, both.options(t))}
		running = append(running, r)
		for _, token := range []string{before, meanwhile} {
			expect(t, r.old, token, true)
			expect(t, r.both, token, true)
		}
	}
	if err := keys.RetireCA(t.Context(), product.Order{}); err != nil {
		t.Fatal(err)
	}
	if err := keys.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	newOnly := trust{bundle: keys.SigningCA()}
	after := mint(t, keys)
	for _, r := range running {
		expect(t, r.both, before, true)
		expect(t, r.both, after, true)
		expect(t, r.old, after, false)
		fresh := testbed.StartRegistry(t, r.old.Version, newOnly.options(t))
		expect(t, fresh, after, true)
		expect(t, fresh, before, false) // and so is whatever a stolen key signs
	}
}

// The static key of a registry that reads a JWKS is replaced in two steps, with one
// restart of the registry between them and no token refused.
func TestStaticKeyChangesUnderAJWKSOfTwo(t *testing.T) {
	t.Parallel()
	for _, version := range on3() {
		dir := t.TempDir()
		opts := product.Options{Dir: filepath.Join(dir, "keys"), Store: openStore(t, store.Options{Dir: dir}),
			Registries: []product.Registry{{Service: service, Form: product.FormKID}}}
		keys := open(t, opts)
		first := testbed.StartRegistry(t, version, trust{jwks: keys.JWKS()}.options(t))
		before := mint(t, keys)
		if _, err := keys.PrepareStatic(t.Context(), service, product.Order{}); err != nil {
			t.Fatal(err)
		}
		if err := keys.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		meanwhile := mint(t, keys)
		restarted := testbed.StartRegistry(t, version, trust{jwks: keys.JWKS()}.options(t))
		if _, _, err := keys.SwitchStatic(t.Context(), service, false, product.Order{}); err != nil {
			t.Fatal(err)
		}
		if err := keys.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := mint(t, keys)
		for _, token := range []string{before, meanwhile} {
			expect(t, first, token, true)
			expect(t, restarted, token, true)
		}
		expect(t, restarted, after, true)
		expect(t, first, after, false) // was not restarted
	}
}

// A token of one replica is good at the others for as long as it lives, also when
// the store is away.
func TestKnownReplicasOutliveTheStore(t *testing.T) {
	t.Parallel()
	postgres := testbed.StartPostgres(t)
	url := postgres.NewDatabase()
	cert, key := openssl(t, p256())
	replica := func() *product.Keys {
		return open(t, product.Options{CACertFile: cert, CAKeyFile: key,
			Store: openStore(t, store.Options{URL: identity.NewSecret(url), Dir: t.TempDir()})})
	}
	a, b := replica(), replica()
	known := mint(t, a)
	if _, err := b.Verify(known); err != nil {
		t.Fatal(err)
	}
	c := replica()
	unknown := mint(t, c)
	postgres.Stop()
	if _, err := b.Verify(known); err != nil {
		t.Errorf("a known key, without the store: %v", err)
	}
	if _, err := b.Verify(mint(t, b)); err != nil {
		t.Errorf("its own key, without the store: %v", err)
	}
	began := time.Now()
	if _, err := b.Verify(unknown); identity.AsError(err).Kind != identity.Unavailable {
		t.Errorf("an unknown key, without the store: %v", err)
	}
	t.Logf("an unknown key without the store took %s to be answered", time.Since(began))
	postgres.Restart()
	deadline := time.Now().Add(time.Minute)
	for _, err := b.Verify(unknown); err != nil; _, err = b.Verify(unknown) {
		if time.Now().After(deadline) {
			t.Fatalf("with the store back: %v", err)
		}
	}
}
