package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"github.com/go-jose/go-jose/v4"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"
)

const (
	clientID     = "draw:bridge" // a colon must be encoded in Basic
	clientSecret = "s%cret+1&"
)

// idp is a provider whose every answer a test can replace.
type idp struct {
	t   *testing.T
	srv *httptest.Server

	mu       sync.Mutex
	meta     map[string]any
	keys     []jose.JSONWebKey
	answer   http.HandlerFunc // of the token endpoint
	userinfo http.HandlerFunc
	down     bool

	discoveries, jwks, tokens, userinfos atomic.Int32
}

func newIDP(t *testing.T) *idp {
	t.Helper()
	p := &idp{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.discoveries.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		writeJSON(w, 200, p.meta)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		p.jwks.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		writeJSON(w, 200, jose.JSONWebKeySet{Keys: p.keys})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		p.tokens.Add(1)
		p.mu.Lock()
		h := p.answer
		p.mu.Unlock()
		h(w, r)
	})
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, r *http.Request) {
		p.userinfos.Add(1)
		p.mu.Lock()
		h := p.userinfo
		p.mu.Unlock()
		h(w, r)
	})
	p.srv = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		if down {
			http.Error(w, "down for maintenance", http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	p.srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	t.Cleanup(p.srv.Close)
	p.meta = map[string]any{
		"issuer":                                p.srv.URL,
		"token_endpoint":                        p.srv.URL + "/token",
		"jwks_uri":                              p.srv.URL + "/keys",
		"userinfo_endpoint":                     p.srv.URL + "/userinfo",
		"id_token_signing_alg_values_supported": []string{"ES256", "RS256", "HS256", "none"},
	}
	p.userinfo = func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 200, map[string]any{"sub": "sub-1"})
	}
	return p
}

// set changes the provider while it runs.
func (p *idp) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// connector makes one for this provider; change may be nil.
func (p *idp) connector(change func(*configs.Connector, *Deps)) *Connector {
	p.t.Helper()
	cfg := configs.Connector{Name: "sso", Timeout: 10 * time.Second, OIDC: configs.OIDC{
		IssuerURL: p.srv.URL, ClientID: clientID, ClientSecret: identity.NewSecret(clientSecret),
		Scopes: []string{"openid", "groups"}, UsernameClaim: "preferred_username", GroupsClaim: "groups",
	}}
	deps := Deps{Log: slog.New(slog.DiscardHandler), HTTPClient: p.srv.Client()}
	if change != nil {
		change(&cfg, &deps)
	}
	c, err := New(cfg, deps)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	return c
}

// signer is a key pair of the provider.
type signer struct {
	priv crypto.Signer
	kid  string
}

func newSigner(t testing.TB, kid string) signer {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{priv, kid}
}

func (s signer) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.priv.Public(), KeyID: s.kid, Algorithm: "ES256", Use: "sig"}
}

func (s signer) sign(all map[string]any) string {
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return oidctest.SignIDToken(s.priv, s.kid, "ES256", string(text))
}

// serve publishes the key and lets the token endpoint issue a good ID token with
// these changes; a nil value deletes a claim.
func (p *idp) serve(s signer, changes map[string]any) {
	all := p.claims(changes)
	p.set(func() {
		p.keys = []jose.JSONWebKey{s.public()}
		p.answer = issue(s.sign(all))
	})
}

func (p *idp) claims(changes map[string]any) map[string]any {
	all := map[string]any{
		"iss": p.srv.URL, "aud": clientID, "sub": "sub-1",
		"exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(),
		"preferred_username": "alice", "email": "alice@example.com", "groups": []string{"ops", "dev", "ops"},
	}
	for name, value := range changes {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return all
}

func issue(idToken string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 200, map[string]any{"access_token": "at-secret", "token_type": "bearer", "expires_in": 60, "id_token": idToken})
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func say(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func login(c *Connector) connectors.Outcome {
	return c.Authenticate(c.provider.life, identity.Credential{Username: "alice@example.com", Password: identity.NewSecret("pa55word")})
}

// check compares kind and reason, and that neither the cause nor its text holds
// a secret.
func check(t *testing.T, got, want connectors.Outcome, cause string) {
	t.Helper()
	if got.Kind() != want.Kind() || got.Reason() != want.Reason() {
		t.Fatalf("got %v, want %v", got, want)
	}
	text := got.String()
	if !strings.Contains(text, cause) {
		t.Errorf("no %q in %q", cause, text)
	}
	for _, secret := range []string{"pa55word", "at-secret", "eyJ", clientSecret, "alice@example.com"} {
		if got.Kind() != connectors.KindGranted && strings.Contains(text, secret) {
			t.Errorf("the secret %q is in %q", secret, text)
		}
	}
}

// fakeClock is a clock that tests move.
type fakeClock struct{ offset atomic.Int64 }

func (f *fakeClock) now() time.Time          { return time.Now().Add(time.Duration(f.offset.Load())) }
func (f *fakeClock) advance(d time.Duration) { f.offset.Add(int64(d)) }

// caFile writes the provider's certificate as a PEM bundle.
func (p *idp) caFile() string {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.srv.Certificate().Raw})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}
