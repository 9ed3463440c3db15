package tokens

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"sort"
	"strings"
	"testing"
	"time"

	"drawbridge/identity"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

func headerOf(t testing.TB, token string) map[string]any {
	t.Helper()
	return decodePart(t, token, 0)
}

func decodePart(t testing.TB, token string, part int) map[string]any {
	t.Helper()
	content, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[part])
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestClaimsOnTheWire(t *testing.T) {
	at := time.Unix(1_800_000_000, 999_999_999)
	opts := testOptions(t)
	opts.Clock = func() time.Time { return at }
	k := mustOpen(t, opts)
	token, err := k.Mint(x5cName, Claims{Issuer: "iss", Audience: x5cName, ID: "id", IssuedAt: at, TTL: 90*time.Second + time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"iss": "iss", "sub": "", "aud": x5cName, "jti": "id", "access": []any{},
		"nbf": json.Number("1799999940"), "iat": json.Number("1799999940"), "exp": json.Number("1800000090"),
	}
	if diff := cmp.Diff(want, decodePart(t, token, 1)); diff != "" {
		t.Error(diff)
	}
	claims := Claims{Issuer: "iss", Audience: x5cName, ID: "id", IssuedAt: at, TTL: time.Minute,
		Session: "s", AuthTime: time.UnixMilli(1_799_999_000_007),
		Access: []Access{{Type: "registry", Name: "catalog", Actions: nil}, {Type: "repository", Class: "plugin", Name: "a", Actions: []string{"*"}}}}
	if token, err = k.Mint(x5cName, claims); err != nil {
		t.Fatal(err)
	}
	access := []any{
		map[string]any{"type": "registry", "name": "catalog", "actions": []any{}},
		map[string]any{"type": "repository", "class": "plugin", "name": "a", "actions": []any{"*"}},
	}
	got := decodePart(t, token, 1)
	if diff := cmp.Diff(access, got["access"]); diff != "" {
		t.Error(diff)
	}
	if got["sid"] != "s" || got["auth_time"] != json.Number("1799999000.007") {
		t.Errorf("sid %v, auth_time %v", got["sid"], got["auth_time"])
	}
	if claims.Access[0].Actions != nil {
		t.Error("Mint changed the caller's claims")
	}
}

func TestVerifyReturnsWhatWasMinted(t *testing.T) {
	for _, alg := range []Algorithm{ES256, RS256, EdDSA} {
		opts := testOptions(t)
		opts.Algorithm = alg
		k := mustOpen(t, opts)
		for _, service := range []string{x5cName, kidName} {
			want := claimsFor(service, time.Now())
			want.Subject = `corp/jürgen "<&>` + "\u2028"
			token, err := k.Mint(service, want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := k.Verify(token)
			if err != nil {
				t.Fatalf("%s: %v", alg, err)
			}
			h := headerOf(t, token)
			want.KeyID, _ = h["kid"].(string)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", alg, diff)
			}
			if _, chain := h["x5c"]; chain != (service == x5cName) || h["alg"] != string(alg) || h["kid"] == "" {
				t.Errorf("%s, %s: header %v", alg, service, h)
			}
		}
	}
}

func TestMintRefuses(t *testing.T) {
	k := mustOpen(t, testOptions(t))
	var many []Access
	for i := range 200 {
		many = append(many, Access{Type: "repository", Name: fmt.Sprintf("team/project-%d/image", i), Actions: []string{"pull", "push"}})
	}
	for name, tt := range map[string]struct {
		edit func(*Claims)
		want identity.ErrorKind
	}{
		"an audience that is not the service": {func(c *Claims) { c.Audience = kidName }, identity.Internal},
		"no issuer":                           {func(c *Claims) { c.Issuer = "" }, identity.Internal},
		"no ID":                               {func(c *Claims) { c.ID = "" }, identity.Internal},
		"no time":                             {func(c *Claims) { c.IssuedAt = time.Time{} }, identity.Internal},
		"no lifetime":                         {func(c *Claims) { c.TTL = 0 }, identity.Internal},
		"a negative lifetime":                 {func(c *Claims) { c.TTL = -time.Hour }, identity.Internal},
		"over the longest lifetime":           {func(c *Claims) { c.TTL = testTTL + time.Second }, identity.Internal},
		"a subject that is not UTF-8":         {func(c *Claims) { c.Subject = "corp/\xff" }, identity.Internal},
		"a session that is not UTF-8":         {func(c *Claims) { c.Session = "\xff" }, identity.Internal},
		"issued after the leaf's end":         {func(c *Claims) { c.IssuedAt = c.IssuedAt.AddDate(1, 0, 0) }, identity.Unavailable},
		"200 repositories":                    {func(c *Claims) { c.Access = many }, identity.TooLarge},
	} {
		c := claimsFor(x5cName, time.Now())
		tt.edit(&c)
		token, err := k.Mint(x5cName, c)
		if err == nil || token != "" || identity.AsError(err).Kind != tt.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := k.Mint("unknown", claimsFor("unknown", time.Now()))
	if identity.AsError(err).Kind != identity.Invalid {
		t.Errorf("unknown service: %v", err)
	}
}

// The limit is on the whole token, to the byte.
func TestMintLimitIsExact(t *testing.T) {
	for _, alg := range []Algorithm{ES256, RS256, EdDSA} {
		opts := testOptions(t)
		opts.Algorithm = alg
		k := mustOpen(t, opts)
		longest := 0
		sort.Search(MaxTokenBytes, func(n int) bool {
			c := claimsFor(kidName, time.Now())
			c.Subject = strings.Repeat("a", n)
			token, err := k.Mint(kidName, c)
			if err != nil && identity.AsError(err).Kind != identity.TooLarge {
				t.Fatal(err)
			}
			longest = max(longest, len(token))
			return err != nil
		})
		if longest > MaxTokenBytes || longest < MaxTokenBytes-2 {
			t.Errorf("%s: the longest token has %d bytes, the limit is %d", alg, longest, MaxTokenBytes)
		}
	}
}

func TestNewID(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_123)
	seen := map[string]bool{}
	for i := range 1000 {
		at := now.Add(time.Duration(i%2) * time.Millisecond)
		id, err := NewID(rand.Reader, at)
		if err != nil || len(id) != 22 || seen[id] {
			t.Fatalf("%q, %v", id, err)
		}
		seen[id] = true
		raw, err := base64.RawURLEncoding.DecodeString(id)
		if err != nil {
			t.Fatal(err)
		}
		if got := new(big.Int).SetBytes(raw[:6]).Int64(); got != at.UnixMilli() {
			t.Fatalf("%q begins with the time %d", id, got)
		}
	}
	if _, err := NewID(strings.NewReader("short"), now); err == nil {
		t.Error("a reader without enough randomness makes an ID")
	}
}

// forge signs any header and claims with any key.
func forge(t testing.TB, method jwt.SigningMethod, key any, header map[string]any, claims any) string {
	t.Helper()
	encode := func(v any) string {
		content, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b64(content)
	}
	text := encode(header) + "." + encode(claims)
	signature, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(signature)
}

func TestVerifyRefuses(t *testing.T) {
	clock := newClock()
	opts := testOptions(t)
	opts.Clock = clock.Now
	k := mustOpen(t, opts)
	s := k.state.Load()
	leaf, static, stranger := s.leaf, s.statics[kidName], newEC(t, elliptic.P256())
	now := clock.Now().Unix()
	claims := func(name string, value any) map[string]any {
		c := map[string]any{"iss": "i", "sub": "s", "aud": x5cName, "jti": "id", "iat": now - 60, "nbf": now - 60, "exp": now + 60, "access": []any{}}
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
		return c
	}
	header := func(kid string, more ...any) map[string]any {
		h := map[string]any{"alg": "ES256", "typ": "JWT", "kid": kid}
		for i := 0; i < len(more); i += 2 {
			h[more[i].(string)] = more[i+1]
		}
		return h
	}
	es, id := jwt.SigningMethodES256, leaf.jwk.KeyID
	strangerJWK, err := publicJWK(stranger.Public())
	if err != nil {
		t.Fatal(err)
	}
	good := forge(t, es, leaf.key, header(id), claims("", ""))
	if _, err := k.Verify(good); err != nil {
		t.Fatalf("the good token: %v", err)
	}
	other := makePair(t, stranger, &pair{k.state.Load().ring.authority.key, k.state.Load().ring.authority.cert}, notCA)
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"empty":                   "",
		"two parts":               parts[0] + "." + parts[1],
		"four parts":              good + ".x",
		"no signature":            parts[0] + "." + parts[1] + ".",
		"padding":                 good + "=",
		"too large":               good + strings.Repeat("A", MaxTokenBytes),
		"a stranger's key":        forge(t, es, stranger, header(id), claims("", "")),
		"an unknown kid":          forge(t, es, stranger, header(strangerJWK.KeyID), claims("", "")),
		"no kid":                  forge(t, es, leaf.key, map[string]any{"alg": "ES256"}, claims("", "")),
		"a kid that is no string": forge(t, es, leaf.key, header(id, "kid", 5), claims("", "")),
		"a certificate of our CA": forge(t, es, stranger, header(strangerJWK.KeyID, "x5c", []string{base64.StdEncoding.EncodeToString(other.cert.Raw)}), claims("", "")),
		"its own jwk":             forge(t, es, stranger, header(strangerJWK.KeyID, "jwk", strangerJWK), claims("", "")),
		"critical extensions":     forge(t, es, leaf.key, header(id, "crit", []string{"b64"}, "b64", false), claims("", "")),
		"alg none":                forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, header(id, "alg", "none"), claims("", "")),
		"HS256 with the public PEM": forge(t, jwt.SigningMethodHS256, encodeCert(leaf.cert),
			header(id, "alg", "HS256"), claims("", "")),
		"alg RS256 on an EC kid":            forge(t, jwt.SigningMethodRS256, newRSA(t, 2048), header(id, "alg", "RS256"), claims("", "")),
		"expired":                           forge(t, es, leaf.key, header(id), claims("exp", now-1)),
		"expires now":                       forge(t, es, leaf.key, header(id), claims("exp", now)),
		"no exp":                            forge(t, es, leaf.key, header(id), claims("exp", nil)),
		"exp as a string":                   forge(t, es, leaf.key, header(id), claims("exp", "9999999999")),
		"a fractional exp":                  forge(t, es, leaf.key, header(id), claims("exp", 9999999999.5)),
		"an exp that overflows":             forge(t, es, leaf.key, header(id), claims("exp", json.Number("1e40"))),
		"not valid yet":                     forge(t, es, leaf.key, header(id), claims("nbf", now+61)),
		"aud as a list":                     forge(t, es, leaf.key, header(id), claims("aud", []string{x5cName, "more"})),
		"access that is no list":            forge(t, es, leaf.key, header(id), claims("access", "all")),
		"a static key for another audience": forge(t, es, static.key, header(static.jwk.KeyID), claims("aud", x5cName)),
	} {
		_, err := k.Verify(token)
		if err == nil {
			t.Errorf("%s: verifies", name)
			continue
		}
		e := identity.AsError(err)
		if e.Kind != identity.Unauthenticated || strings.Contains(e.Message, "exp") {
			t.Errorf("%s: %v", name, err)
		}
		for _, part := range strings.Split(token, ".") {
			if len(part) > 20 && strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error holds the token", name)
			}
		}
	}
}

// Every single changed character breaks a token.
func TestVerifyRefusesEveryFlip(t *testing.T) {
	k := mustOpen(t, testOptions(t))
	token := []byte(mustMint(t, k, kidName))
	for i, was := range token {
		token[i] = 'A'
		if was == 'A' {
			token[i] = 'B'
		}
		if _, err := k.Verify(string(token)); err == nil {
			t.Errorf("byte %d of %d may be changed", i, len(token))
		}
		token[i] = was
	}
}

func TestErrorsAreTyped(t *testing.T) {
	k := mustOpen(t, testOptions(t))
	_, err := k.Verify("x.y.z")
	if _, ok := errors.AsType[*identity.Error](err); !ok {
		t.Errorf("%T", err)
	}
}

// FuzzVerify feeds what attackers send. What verifies must be a token of ours:
// its text, but for nothing, is one that was minted.
func FuzzVerify(f *testing.F) {
	k := mustOpen(f, testOptions(f))
	minted := map[string]bool{}
	for _, service := range []string{x5cName, kidName} {
		token := mustMint(f, k, service)
		minted[token] = true
		f.Add(token)
		parts := strings.Split(token, ".")
		f.Add(parts[0] + "." + parts[1] + ".")
		f.Add("eyJhbGciOiJub25lIn0." + parts[1] + ".")
	}
	f.Add("")
	f.Add("..")
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := k.Verify(token); err == nil && !minted[token] {
			t.Errorf("a token that was never minted verifies: %q", token)
		}
	})
}

// FuzzPEM feeds files as an operator may leave them.
func FuzzPEM(f *testing.F) {
	key := newEC(f, elliptic.P256())
	p := makePair(f, key, nil, nil)
	f.Add(pkcs8(key))
	f.Add(encodeCert(p.cert))
	f.Add(append(pkcs8(key), encodeCert(p.cert)...))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	a := &authority{key: key, cert: p.cert}
	opts := testOptions(f)
	opts.Algorithm, opts.Clock = ES256, time.Now
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := parsePrivateKey(data); err == nil && key == nil {
			t.Error("no key and no error")
		}
		if file, err := parseLeaf(data, a, opts); err == nil && file.current == nil && len(file.retired) == 0 {
			t.Error("a leaf file with nothing in it")
		}
	})
}

// BenchmarkMint compares minting with the bare signature that it contains.
func BenchmarkMint(b *testing.B) {
	for _, alg := range []Algorithm{ES256, RS256, EdDSA} {
		opts := testOptions(b)
		opts.Algorithm = alg
		k := mustOpen(b, opts)
		c := claimsFor(x5cName, time.Now())
		b.Run(string(alg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Mint(x5cName, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("bare-ecdsa.SignASN1", benchmarkBare)
}

func benchmarkBare(b *testing.B) {
	key := newEC(b, elliptic.P256())
	digest := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Sign(rand.Reader, digest, crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	k := mustOpen(b, testOptions(b))
	token := mustMint(b, k, x5cName)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}
