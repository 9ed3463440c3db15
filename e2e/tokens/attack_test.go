package tokens

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
	product "drawbridge/tokens"

	"github.com/golang-jwt/jwt/v5"
)

// Tokens that no registry may take, however it was set up. The leaf is the
// test's own, so that the attacker here knows more than a real one.
func TestForgeriesAreRefused(t *testing.T) {
	ca, foreign := issue(t, ecKey(t), nil, isCA), issue(t, ecKey(t), nil, isCA)
	leaf, foreignLeaf := issue(t, ecKey(t), &ca, nil), issue(t, ecKey(t), &foreign, nil)
	subLeaf := issue(t, ecKey(t), &leaf, nil)
	sign := func(p pair, header map[string]any, edit func(jwt.MapClaims)) string {
		c := payload()
		if edit != nil {
			edit(c)
		}
		return signLocal(t, jwt.SigningMethodES256, p.key, header, c)
	}
	good := sign(leaf, x5c(leaf), nil)
	forgeries := map[string]string{
		"another issuer":          sign(leaf, x5c(leaf), func(c jwt.MapClaims) { c["iss"] = "somebody else" }),
		"another audience":        sign(leaf, x5c(leaf), func(c jwt.MapClaims) { c["aud"] = "another registry" }),
		"not valid yet":           sign(leaf, x5c(leaf), func(c jwt.MapClaims) { c["nbf"] = c["exp"] }),
		"without exp":             sign(leaf, x5c(leaf), func(c jwt.MapClaims) { delete(c, "exp") }),
		"a foreign CA":            sign(foreignLeaf, x5c(foreignLeaf), nil),
		"a foreign CA along":      sign(foreignLeaf, x5c(foreignLeaf, foreign), nil),
		"our leaf, foreign key":   sign(foreignLeaf, x5c(leaf), nil),
		"a leaf as a CA":          sign(subLeaf, x5c(subLeaf, leaf), nil),
		"no x5c and no kid":       sign(leaf, nil, nil),
		"a tampered payload":      tamper(t, good),
		"alg none":                unsigned(t, x5c(leaf)),
		"HS256 with the CA's PEM": signLocal(t, jwt.SigningMethodHS256, ca.pem(), x5c(leaf), payload()),
	}
	for _, version := range everywhere() {
		r := testbed.StartRegistry(t, version, trust{bundle: ca.pem()}.options(t))
		expect(t, r, good, true)
		for name, token := range forgeries {
			if get(t, r, "/v2/", token) != 401 || get(t, r, "/v2/library/app/manifests/latest", token) != 401 {
				t.Errorf("registry %s takes a token with %s", version, name)
			}
		}
	}
}

// A leaf that was stolen cannot issue others: the registries honour CA:FALSE.
func TestProductLeafIsNoCA(t *testing.T) {
	keys := open(t, product.Options{})
	chain, _ := headerOf(t, mint(t, keys))["x5c"].([]any)
	der, err := base64.StdEncoding.DecodeString(chain[0].(string))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if len(chain) != 1 || leaf.IsCA || !leaf.BasicConstraintsValid {
		t.Errorf("the chain has %d certificates; the leaf: CA %v, constraints %v", len(chain), leaf.IsCA, leaf.BasicConstraintsValid)
	}
}

// tamper widens the access of a signed token.
func tamper(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	content, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(content), "corp/alice", "corp/admin", 1)))
	return strings.Join(parts, ".")
}

func unsigned(t *testing.T, header map[string]any) string {
	t.Helper()
	return signLocal(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, header, payload())
}

func headerOf(t *testing.T, token string) map[string]any {
	t.Helper()
	content, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var header map[string]any
	if err := json.Unmarshal(content, &header); err != nil {
		t.Fatal(err)
	}
	return header
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	id, _ := headerOf(t, token)["kid"].(string)
	return id
}

func parseCert(t *testing.T, content []byte) *x509.Certificate {
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
