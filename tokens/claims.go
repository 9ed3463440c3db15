package tokens

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// Backdate is how far nbf and iat lie before [Claims.IssuedAt]. zot compares
// them with its own clock and knows no leeway, so a registry host that is a
// little behind would refuse a token that was made this second.
const Backdate = 60 * time.Second

// Leeway is for how long after exp distribution's registries still accept a token
// (distribution's auth/token, Leeway; zot has none). Whatever is to stop a token
// has to last as much longer.
const Leeway = 60 * time.Second

// The parts of a token's ID.
const (
	idBytes      = 16
	idTimeBytes  = 6
	idRandomBits = 16 // of the first eight bytes
)

// Access is one entry of the access claim: what the bearer may do with one
// resource. The spec is distribution's docs/spec/auth/jwt.md.
type Access struct {
	Type    string   `json:"type"`            // "repository" or "registry"
	Class   string   `json:"class,omitempty"` // empty unless the registry asked with one
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// Scope is the entry in the form of a scope parameter: repository:app:pull,push.
func (a Access) Scope() string {
	kind := a.Type
	if a.Class != "" {
		kind += "(" + a.Class + ")"
	}
	return kind + ":" + a.Name + ":" + strings.Join(a.Actions, ",")
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
	// Session is the ID of the session that the token belongs to (sid), so that it
	// ends with the session; empty where there is none.
	Session string
	// AuthTime is when the caller's credential was verified (auth_time): of a
	// session, the login that it began with. It may lie long before IssuedAt, where
	// a verified credential is remembered, and is what decides whether a person's
	// revocation meets the token. It is kept to the millisecond; zero is left out.
	AuthTime time.Time
	// KeyID is the kid of the key that signed. [Keys.Verify] sets it, and
	// [Keys.Mint] does not read it.
	KeyID string
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
	Session   string   `json:"sid,omitempty"`
	// AuthTime has decimals, as RFC 7519 section 2 (NumericDate) allows; no
	// registry reads it.
	AuthTime float64 `json:"auth_time,omitempty"`
}

// NewID returns a fresh jti: 22 characters of the URL-safe base64 alphabet, for 48
// bits of the time in milliseconds and 80 random ones, as in a UUIDv7 (RFC 9562
// section 5.7). Those of one moment stand together in an index over IDs, which then
// grows in one place. The error is the reader's.
func NewID(rand io.Reader, now time.Time) (string, error) {
	var b [idBytes]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixMilli())<<idRandomBits)
	if _, err := io.ReadFull(rand, b[idTimeBytes:]); err != nil {
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
	case !utf8.ValidString(c.Subject), !utf8.ValidString(c.Session):
		// JSON would replace the bad bytes, and two subjects would become one.
		return errors.New("the subject or the session is not valid UTF-8")
	}
	return nil
}

// Expiry returns exp as it stands in the token.
func (c Claims) Expiry() time.Time {
	return time.Unix(c.IssuedAt.Unix()+int64(c.TTL/time.Second), 0)
}

// encode returns the payload's JSON.
func (c Claims) encode() ([]byte, error) {
	backdated := c.IssuedAt.Add(-Backdate).Unix()
	var authTime float64
	if !c.AuthTime.IsZero() {
		authTime = float64(c.AuthTime.UnixMilli()) / 1000
	}
	return json.Marshal(wireClaims{
		Issuer:    c.Issuer,
		Subject:   c.Subject,
		Audience:  c.Audience,
		ExpiresAt: c.Expiry().Unix(),
		NotBefore: backdated,
		IssuedAt:  backdated,
		ID:        c.ID,
		Access:    wireAccess(c.Access),
		Session:   c.Session,
		AuthTime:  authTime,
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
	var authTime time.Time
	if w.AuthTime > 0 {
		authTime = time.UnixMilli(int64(math.Round(w.AuthTime * 1000)))
	}
	return Claims{
		Issuer:   w.Issuer,
		Audience: w.Audience,
		Subject:  w.Subject,
		ID:       w.ID,
		IssuedAt: issued,
		TTL:      time.Unix(w.ExpiresAt, 0).Sub(issued),
		Access:   w.Access,
		Session:  w.Session,
		AuthTime: authTime,
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
