package tokens

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	testTTL = 5 * time.Minute
	x5cName = "Docker registry"
	kidName = "zot"
)

// fakeClock is a clock that tests move.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *fakeClock { return &fakeClock{now: time.Now().Truncate(time.Second)} }

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func testOptions(t testing.TB) Options {
	return Options{
		Dir: filepath.Join(t.TempDir(), "keys"), LongestTTL: testTTL,
		Registries: []Registry{{Service: x5cName}, {Service: kidName, Form: FormKID}},
	}
}

func mustOpen(t testing.TB, opts Options) *Keys {
	t.Helper()
	k, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func claimsFor(service string, now time.Time) Claims {
	return Claims{
		Issuer: "Acme auth server", Audience: service, Subject: "corp/alice", ID: "an-id",
		IssuedAt: now.Truncate(time.Second), TTL: testTTL,
		Access:  []Access{{Type: "repository", Name: "payments/api", Actions: []string{"pull", "push"}}},
		Session: "a-session", AuthTime: now.Add(-time.Hour).Truncate(time.Millisecond),
	}
}

func mustMint(t testing.TB, k *Keys, service string) string {
	t.Helper()
	token, err := k.Mint(service, claimsFor(service, k.opts.Clock()))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestRestartKeepsEveryKey(t *testing.T) {
	for _, alg := range []Algorithm{ES256, RS256, EdDSA} {
		opts := testOptions(t)
		opts.Algorithm = alg
		first, second := mustOpen(t, opts), mustOpen(t, opts)
		for _, tt := range []struct {
			what          string
			first, second []byte
		}{
			{"CA", first.SigningCA(), second.SigningCA()},
			{"static certificate", first.StaticCert(kidName), second.StaticCert(kidName)},
			{"JWKS", first.JWKS(), second.JWKS()},
		} {
			if !bytes.Equal(tt.first, tt.second) {
				t.Errorf("%s: a restart changes the %s", alg, tt.what)
			}
		}
		for _, service := range []string{x5cName, kidName} {
			if _, err := second.Verify(mustMint(t, first, service)); err != nil {
				t.Errorf("%s: after a restart: %v", alg, err)
			}
		}
	}
}

func TestFilesAndModes(t *testing.T) {
	opts := testOptions(t)
	k := mustOpen(t, opts)
	got := map[string]os.FileMode{}
	entries, err := os.ReadDir(opts.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		got[entry.Name()] = info.Mode()
		content, err := os.ReadFile(filepath.Join(opts.Dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != modePrivate && bytes.Contains(content, []byte("PRIVATE")) {
			t.Errorf("%s holds a private key and has mode %v", entry.Name(), info.Mode())
		}
	}
	stem := staticStem(kidName, ES256)
	want := map[string]os.FileMode{
		lockName: 0o600, caName: 0o600, leafName: 0o600, stem + ".pem": 0o600,
		stem + ".crt": 0o644, caExportName: 0o644, jwksName: 0o644,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for path, content := range map[string][]byte{
		k.TrustFile(x5cName): k.SigningCA(), k.TrustFile(kidName): k.StaticCert(kidName), k.JWKSFile(): k.JWKS(),
	} {
		if onDisk, err := os.ReadFile(path); err != nil || !bytes.Equal(onDisk, content) {
			t.Errorf("%s is not what the method returns: %v", path, err)
		}
	}
	if k.TrustFile("nobody") != "" || k.StaticCert(x5cName) != nil {
		t.Error("an unknown service has a trust file, or an x5c service a static certificate")
	}
}

func TestOpenRefusesAKeyTheHostCanRead(t *testing.T) {
	for _, name := range []string{caName, leafName, staticStem(kidName, ES256) + ".pem"} {
		opts := testOptions(t)
		mustOpen(t, opts)
		path := filepath.Join(opts.Dir, name)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for mode, ok := range map[os.FileMode]bool{0o644: false, 0o602: false, 0o640: true, 0o400: true} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			_, err := Open(opts)
			if (err == nil) != ok || (!ok && !strings.Contains(err.Error(), "chmod 600")) {
				t.Errorf("%s with mode %v: %v", name, mode, err)
			}
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Errorf("%s was replaced", name)
		}
	}
}

// A file that cannot be read is an error, never a reason to make a new key:
// registries trust the old one.
func TestOpenNeverReplacesADamagedFile(t *testing.T) {
	for _, name := range []string{caName, leafName, staticStem(kidName, ES256) + ".pem"} {
		opts := testOptions(t)
		mustOpen(t, opts)
		path := filepath.Join(opts.Dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, damaged := range [][]byte{nil, []byte("not PEM"), whole[:len(whole)/2], whole[:len(whole)-40]} {
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(opts); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s with %d of %d bytes: %v", name, len(damaged), len(whole), err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(damaged, after) {
				t.Fatalf("%s was replaced", name)
			}
		}
	}
}

func TestConcurrentStartMakesOneOfEach(t *testing.T) {
	opts := testOptions(t)
	const n = 12
	keys := make([]*Keys, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			k, err := Open(opts)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = k
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, k := range keys[1:] {
		if !bytes.Equal(k.SigningCA(), keys[0].SigningCA()) || !bytes.Equal(k.JWKS(), keys[0].JWKS()) {
			t.Fatal("two starts at once made two keys")
		}
	}
}

func TestJWKSListsEveryKeyWithItsThumbprint(t *testing.T) {
	opts := testOptions(t)
	opts.Registries = append(opts.Registries, Registry{Service: "second zot", Form: FormKID})
	k := mustOpen(t, opts)
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(k.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	public := k.PublicKeys()
	if len(set.Keys) != 3 || len(public) != 3 {
		t.Fatalf("%d keys in the JWKS, %d public keys, want 3: one leaf, two static", len(set.Keys), len(public))
	}
	for _, key := range set.Keys {
		if public[key["kid"]] == nil {
			t.Errorf("%s verifies nothing", key["kid"])
		}
		if key["kty"] != "EC" || key["crv"] != "P-256" || key["alg"] != "ES256" || key["use"] != "sig" || key["d"] != "" {
			t.Errorf("%v", key)
		}
	}
}

// The examples of RFC 7638 section 3.1 and RFC 8037 appendix A.3.
func TestThumbprintVectors(t *testing.T) {
	for _, tt := range []struct {
		key  jwk
		want string
	}{
		{jwk{Type: "RSA", E: "AQAB", N: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"},
			"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{jwk{Type: "OKP", Curve: "Ed25519", X: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
			"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
	} {
		if got := tt.key.thumbprint(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.key.Type, got, tt.want)
		}
	}
}

// One P-256 key in 128 has a leading zero byte; none of those is ever used.
func TestP256KeysAreFullLength(t *testing.T) {
	for range 1000 {
		key, err := generateP256()
		if err != nil {
			t.Fatal(err)
		}
		k, err := publicJWK(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		if len(k.X) != 43 || len(k.Y) != 43 || strings.HasPrefix(k.X, "AA") || strings.HasPrefix(k.Y, "AA") {
			t.Fatalf("X %s, Y %s", k.X, k.Y)
		}
		if full, err := fullLength(&key.PublicKey); err != nil || !full {
			t.Fatal("a short key was used")
		}
	}
}

func TestOptionsThatContradict(t *testing.T) {
	for name, edit := range map[string]func(*Options){
		"no key directory":     func(o *Options) { o.Dir = "" },
		"longest token":        func(o *Options) { o.LongestTTL = 0 },
		"rotate_every":         func(o *Options) { o.RotateEvery = -time.Hour },
		"ES256, RS256, EdDSA":  func(o *Options) { o.Algorithm = "HS256" },
		"listed twice":         func(o *Options) { o.Registries = append(o.Registries, Registry{Service: kidName}) },
		"no service":           func(o *Options) { o.Registries = append(o.Registries, Registry{}) },
		"neither x5c nor kid":  func(o *Options) { o.Registries[0].Form = "jwk" },
		"both are needed":      func(o *Options) { o.CACertFile = "server.crt" },
		"no such file":         func(o *Options) { o.CACertFile, o.CAKeyFile = "/none.crt", "/none.key" },
		"make the key directo": func(o *Options) { o.Dir = "/dev/null/keys" },
	} {
		opts := testOptions(t)
		edit(&opts)
		if _, err := Open(opts); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want an error about %q, got %v", name, err)
		}
	}
}

func TestServiceNamesDoNotShareAFile(t *testing.T) {
	seen := map[string]string{}
	for _, service := range []string{"a b", "a-b", "a/b", "A B", "../../etc/passwd", strings.Repeat("a", 300), strings.Repeat("a", 301), "ä", "ö"} {
		stem := staticStem(service, ES256)
		if other, ok := seen[stem]; ok {
			t.Errorf("%q and %q share %s", service, other, stem)
		}
		seen[stem] = service
		if filepath.Base(stem) != stem || len(stem) > 100 {
			t.Errorf("%q makes the file name %q", service, stem)
		}
	}
}

func TestKeyExpiry(t *testing.T) {
	clock := newClock()
	opts := testOptions(t)
	opts.Clock = clock.Now
	k := mustOpen(t, opts)
	left := map[Role]time.Duration{}
	for _, info := range k.KeyExpiry() {
		left[info.Role] = info.NotAfter.Sub(clock.Now())
		if info.KeyID == "" || info.Algorithm != ES256 || (info.Role == RoleStatic) != (info.Service == kidName) {
			t.Errorf("%+v", info)
		}
	}
	want := map[Role]time.Duration{RoleCA: ownCALife, RoleStatic: staticLife, RoleLeaf: defaultRotateEvery + testTTL + leafMargin}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Error(diff)
	}
}

// The log says which files and key IDs, never a key or a token.
func TestNothingSecretIsLogged(t *testing.T) {
	var log bytes.Buffer
	opts := testOptions(t)
	opts.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	k := mustOpen(t, opts)
	token := mustMint(t, k, x5cName)
	if err := k.Rotate(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, _ = k.Verify(token + "x")
	if log.Len() == 0 {
		t.Error("nothing is logged at all")
	}
	for _, part := range strings.Split(token, ".") {
		if strings.Contains(log.String(), part) {
			t.Error("a token is in the log")
		}
	}
	if strings.Contains(log.String(), "PRIVATE") {
		t.Error("a key is in the log")
	}
}

// certOf returns the public key of a PEM certificate.
func certOf(t testing.TB, content []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(content)
	if block == nil {
		t.Fatal("no PEM block")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
