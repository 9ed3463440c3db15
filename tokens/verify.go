package tokens

import (
	"errors"
	"fmt"
	"time"

	"drawbridge/identity"

	"github.com/golang-jwt/jwt/v5"
)

// Verify checks a token of ours and returns its claims. Whether it was revoked,
// and whether its audience is the registry at hand, is the caller's to ask.
//
// The key is found by kid among [Keys.PublicKeys], and in the store if it is new
// there, and nowhere else: x5c, jwk, jku and x5u headers are not looked at, and a
// CA that has signed other certificates does not make their holders token issuers
// here. The algorithm must be the key's own. Everything that does not verify is
// identity.Unauthenticated, the cause only for the log; it never holds the token.
// A token of a key that nobody here knows is identity.Unavailable while the store
// cannot be asked; one of a revoked key has a [RevokedKeyError] as its cause.
func (k *Keys) Verify(token string) (Claims, error) { return k.verify(token, 0) }

func (k *Keys) verify(token string, leeway time.Duration) (Claims, error) {
	if len(token) > MaxTokenBytes {
		return Claims{}, refused(fmt.Errorf("a token of %d bytes is not one of ours", len(token)))
	}
	var wire wireClaims
	var key publicKey
	var revoked bool
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{string(ES256), string(RS256), string(EdDSA)}),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(k.opts.Clock),
		jwt.WithLeeway(leeway),
	)
	parsed, err := parser.ParseWithClaims(token, &wire, func(t *jwt.Token) (any, error) {
		var err error
		key, revoked, err = k.keyFor(t.Header, wire.ExpiresAt+int64(leeway/time.Second))
		return key.key, err
	})
	if unable, ok := errors.AsType[*unableError](err); ok {
		return Claims{}, &identity.Error{Kind: identity.Unavailable,
			Message: "The token cannot be checked now. Try again in a moment.", Err: unable.err}
	}
	if err != nil {
		return Claims{}, refused(err)
	}
	if key.service != "" && key.service != wire.Audience {
		return Claims{}, refused(fmt.Errorf("the static key of service %q signed a token for another audience", key.service))
	}
	claims := wire.claims()
	claims.KeyID, _ = parsed.Header["kid"].(string)
	if revoked {
		return Claims{}, refused(&RevokedKeyError{claims})
	}
	return claims, nil
}

// RevokedKeyError is the cause of a refusal of a token that is good but for its
// key, which was revoked. Another token is all that its bearer needs.
type RevokedKeyError struct {
	// Claims are what the key has signed; a thief of the key can have signed
	// anything.
	Claims Claims
}

// Error is a sentence that the token's bearer may read.
func (e *RevokedKeyError) Error() string { return "the key that signed this token was withdrawn" }

// keyFor returns the key that a header names, and whether it was revoked. What the
// token says, such as when it is over, has not been verified yet.
func (k *Keys) keyFor(header map[string]any, over int64) (key publicKey, revoked bool, err error) {
	if _, ok := header["crit"]; ok {
		// RFC 7515 section 4.1.11: we understand no extension.
		return publicKey{}, false, errors.New("the header has critical extensions")
	}
	kid, _ := header["kid"].(string)
	v, now := k.shared.view.Load(), k.opts.Clock()
	key, ok := v.public[kid]
	if !ok {
		key, revoked = v.revoked[kid]
	}
	switch {
	case ok:
	case revoked && key.key == nil:
		return publicKey{}, false, errors.New("the header names a key whose tokens were revoked")
	case revoked:
	case over <= now.Unix(): // the usual token of a key that is gone
		return publicKey{}, false, errUnknownKey
	default:
		if key, err = k.lookup(kid); err != nil {
			return publicKey{}, false, err
		}
	}
	if !key.alive(now) {
		return publicKey{}, false, errors.New("the header names a key whose last token is over")
	}
	if header["alg"] != string(key.jwk.Algorithm) {
		return publicKey{}, false, fmt.Errorf("the header's algorithm is not the key's, %s", key.jwk.Algorithm)
	}
	return key, revoked, nil
}

func refused(err error) error {
	return &identity.Error{Kind: identity.Unauthenticated, Message: "The token is not valid.", Err: err}
}
