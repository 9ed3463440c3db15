package tokens

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// Backdate is how far nbf and iat lie before [Claims.IssuedAt]. zot compares
// them with its own clock and knows no leeway, so a registry host that is a
// little behind would refuse a token that was made this second.
const Backdate = 60 * time.Second

const idBytes = 16 // 128 bits

// Access is one entry of the access claim: what the bearer may do with one
// resource. The spec is distribution's docs/spec/auth/jwt.md.
type Access struct {
	Type    string   `json:"type"`            // "repository" or "registry"
	Class   string   `json:"class,omitempty"` // empty unless the registry asked with one
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// Claims is what an access token says, in terms the rest of Drawbridge uses.
// [Keys.Mint] turns it into RFC 7519 claims and [Keys.Verify] back.
type Claims struct {
	Issuer   string // the registry's `issuer` setting, compared byte for byte
	Audience string // the registry's `service` setting; a string on the wire, never a list
	Subject  string // empty for the anonymous caller, and present all the same
	ID       string // jti, see [NewID]
	// IssuedAt is the true moment of issue, without the backdating.
	IssuedAt time.Time
	// TTL is counted from IssuedAt and cut to whole seconds.
	TTL time.Duration
	// Access is the granted scope; nil is an empty list on the wire, because a
	// registry reads null as a malformed token.
	Access []Access
}

// wireClaims is the JSON form. The fields are plain integers and strings, so
// that no setting of the JWT library (aud as a list, fractional dates) can
// change what registries read.
type wireClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  string   `json:"aud"`
	ExpiresAt int64    `json:"exp"`
	NotBefore int64    `json:"nbf"`
	IssuedAt  int64    `json:"iat"`
	ID        string   `json:"jti"`
	Access    []Access `json:"access"`
}

// NewID returns a fresh jti: 128 random bits in the URL-safe base64 alphabet,
// 22 characters. The error is the reader's.
func NewID(rand io.Reader) (string, error) {
	var b [idBytes]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("make a token ID: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// check refuses claims that would make a token nobody can use or attribute.
func (c Claims) check() error {
	switch {
	case c.Issuer == "":
		return errors.New("the claims name no issuer")
	case c.ID == "":
		return errors.New("the claims have no ID, so the token could not be revoked")
	case c.IssuedAt.IsZero():
		return errors.New("the claims have no time of issue")
	case c.TTL < time.Second:
		return fmt.Errorf("a lifetime of %s is under one second", c.TTL)
	case !utf8.ValidString(c.Subject):
		// JSON would replace the bad bytes, and two subjects would become one.
		return errors.New("the subject is not valid UTF-8")
	}
	return nil
}

// expiry returns exp as it stands in the token.
func (c Claims) expiry() time.Time {
	return time.Unix(c.IssuedAt.Unix()+int64(c.TTL/time.Second), 0)
}

// encode returns the payload's JSON.
func (c Claims) encode() ([]byte, error) {
	backdated := c.IssuedAt.Add(-Backdate).Unix()
	return json.Marshal(wireClaims{
		Issuer:    c.Issuer,
		Subject:   c.Subject,
		Audience:  c.Audience,
		ExpiresAt: c.expiry().Unix(),
		NotBefore: backdated,
		IssuedAt:  backdated,
		ID:        c.ID,
		Access:    wireAccess(c.Access),
	})
}

// wireAccess replaces nil lists by empty ones and copies only when it must.
func wireAccess(access []Access) []Access {
	if access == nil {
		return []Access{}
	}
	for i := range access {
		if access[i].Actions == nil {
			copied := append([]Access(nil), access...)
			for j := range copied {
				if copied[j].Actions == nil {
					copied[j].Actions = []string{}
				}
			}
			return copied
		}
	}
	return access
}

// claims undoes encode.
func (w *wireClaims) claims() Claims {
	issued := time.Unix(w.IssuedAt, 0).Add(Backdate)
	return Claims{
		Issuer:   w.Issuer,
		Audience: w.Audience,
		Subject:  w.Subject,
		ID:       w.ID,
		IssuedAt: issued,
		TTL:      time.Unix(w.ExpiresAt, 0).Sub(issued),
		Access:   w.Access,
	}
}

// The methods below are jwt.Claims, for the parser's checks of exp and nbf.

// GetExpirationTime implements jwt.Claims. A token without exp has the zero
// date, which is long past, so it can never be read as one that does not expire.
func (w *wireClaims) GetExpirationTime() (*jwt.NumericDate, error) { return date(w.ExpiresAt), nil }

// GetIssuedAt implements jwt.Claims.
func (w *wireClaims) GetIssuedAt() (*jwt.NumericDate, error) { return date(w.IssuedAt), nil }

// GetNotBefore implements jwt.Claims.
func (w *wireClaims) GetNotBefore() (*jwt.NumericDate, error) { return date(w.NotBefore), nil }

// GetIssuer implements jwt.Claims.
func (w *wireClaims) GetIssuer() (string, error) { return w.Issuer, nil }

// GetSubject implements jwt.Claims.
func (w *wireClaims) GetSubject() (string, error) { return w.Subject, nil }

// GetAudience implements jwt.Claims.
func (w *wireClaims) GetAudience() (jwt.ClaimStrings, error) {
	return jwt.ClaimStrings{w.Audience}, nil
}

func date(seconds int64) *jwt.NumericDate { return jwt.NewNumericDate(time.Unix(seconds, 0)) }
