package tokens

import (
	"errors"
	"fmt"

	"drawbridge/identity"

	"github.com/golang-jwt/jwt/v5"
)

// Verify checks a token of ours and returns its claims. Whether it was revoked,
// and whether its audience is the registry at hand, is the caller's to ask.
//
// The key is found by kid among [Keys.PublicKeys] and nowhere else: x5c, jwk,
// jku and x5u headers are not looked at, and a CA that has signed other
// certificates does not make their holders token issuers here. The algorithm
// must be the key's own. Everything that does not verify is
// identity.Unauthenticated, the cause only for the log; it never holds the token.
func (k *Keys) Verify(token string) (Claims, error) {
	if len(token) > MaxTokenBytes {
		return Claims{}, refused(fmt.Errorf("a token of %d bytes is not one of ours", len(token)))
	}
	s := k.state.Load()
	var wire wireClaims
	var key publicKey
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{string(ES256), string(RS256), string(EdDSA)}),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(k.opts.Clock),
	)
	_, err := parser.ParseWithClaims(token, &wire, func(t *jwt.Token) (any, error) {
		var err error
		key, err = s.keyFor(t.Header)
		return key.key, err
	})
	if err != nil {
		return Claims{}, refused(err)
	}
	if key.service != "" && key.service != wire.Audience {
		return Claims{}, refused(fmt.Errorf("the static key of service %q signed a token for another audience", key.service))
	}
	return wire.claims(), nil
}

// keyFor returns the key that a header names.
func (s *state) keyFor(header map[string]any) (publicKey, error) {
	if _, ok := header["crit"]; ok {
		// RFC 7515 section 4.1.11: we understand no extension.
		return publicKey{}, errors.New("the header has critical extensions")
	}
	kid, _ := header["kid"].(string)
	key, ok := s.public[kid]
	if !ok {
		return publicKey{}, errors.New("the header names no key of ours")
	}
	if header["alg"] != string(key.alg) {
		return publicKey{}, fmt.Errorf("the header's algorithm is not the key's, %s", key.alg)
	}
	return key, nil
}

func refused(err error) error {
	return &identity.Error{Kind: identity.Unauthenticated, Message: "The token is not valid.", Err: err}
}
