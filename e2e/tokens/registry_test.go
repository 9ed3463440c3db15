package tokens

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
	product "drawbridge/tokens"
)

const (
	service = "Docker registry"
	issuer  = "Acme auth server"
	ttl     = 5 * time.Minute
)

// trust is what a registry is given to verify tokens with.
type trust struct {
	bundle []byte // rootcertbundle, PEM
	jwks   []byte
	algs   []string // signingalgorithms
}

// options writes the trust into files.
func (tr trust) options(t *testing.T) testbed.RegistryOptions {
	t.Helper()
	opts := testbed.RegistryOptions{
		Realm: "https://localhost:5001/auth", Service: service, Issuer: issuer,
		SigningAlgorithms: tr.algs,
	}
	dir := t.TempDir()
	if tr.bundle != nil {
		opts.RootCertBundle = filepath.Join(dir, "bundle.pem")
		write(t, opts.RootCertBundle, tr.bundle)
	}
	if tr.jwks != nil {
		opts.JWKS = filepath.Join(dir, "jwks.json")
		write(t, opts.JWKS, tr.jwks)
	}
	return opts
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// claims returns what a puller of library/app is told.
func claims() product.Claims {
	return product.Claims{
		Issuer: issuer, Audience: service, Subject: "corp/alice", ID: "an-id",
		IssuedAt: time.Now(), TTL: ttl,
		Session: "a-session", AuthTime: time.Now(), // which no registry knows
		Access: []product.Access{{Type: "repository", Name: "library/app", Actions: []string{"pull"}}},
	}
}

// get returns the status of a request with the token.
func get(t *testing.T, r *testbed.Registry, path, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, r.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

// expect checks that the registry takes the token for what it grants, or does
// not take it at all. A manifest that does not exist is 404 to one who may pull.
func expect(t *testing.T, r *testbed.Registry, token string, verifies bool) {
	t.Helper()
	base, granted := http.StatusUnauthorized, http.StatusUnauthorized
	if verifies {
		base, granted = http.StatusOK, http.StatusNotFound
	}
	for path, want := range map[string]int{
		"/v2/":                               base,
		"/v2/library/app/manifests/latest":   granted,
		"/v2/library/other/manifests/latest": http.StatusUnauthorized,
	} {
		if got := get(t, r, path, token); got != want {
			t.Errorf("registry %s, GET %s: status %d, want %d", r.Version, path, got, want)
		}
	}
}

// open opens keys of the product for one x5c registry, in a fresh directory
// unless opts names one.
func open(t *testing.T, opts product.Options) *product.Keys {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	if opts.Registries == nil {
		opts.Registries = []product.Registry{{Service: service, Form: product.FormX5C}}
	}
	opts.LongestTTL = ttl
	keys, err := product.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func mint(t *testing.T, keys *product.Keys) string {
	t.Helper()
	token, err := keys.Mint(service, claims())
	if err != nil {
		t.Fatal(err)
	}
	return token
}
