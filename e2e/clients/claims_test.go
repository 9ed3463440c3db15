package clients

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// claims are those of a token that tests look at. Whether the token verifies is
// the registries' to say.
type claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Subject  string `json:"sub"`
	ID       string `json:"jti"`
}

func claimsOf(t *testing.T, token string) claims {
	t.Helper()
	var c claims
	decodePart(t, token, 1, &c)
	return c
}

// algorithmOf returns the alg of the token's header.
func algorithmOf(t *testing.T, token string) string {
	t.Helper()
	var header struct {
		Algorithm string `json:"alg"`
	}
	decodePart(t, token, 0, &header)
	return header.Algorithm
}

func decodePart(t *testing.T, token string, part int, into any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts: %.40q", len(parts), token)
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}
