package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
)

const (
	// maxSkew is how far ahead the provider's clock may be. An expiry gets no
	// leeway: the token was issued a moment ago.
	maxSkew = 5 * time.Minute
	// maxSubject is the limit of OpenID Connect Core 1.0 section 2.
	maxSubject = 255
)

// claims are the claims of a verified ID token or a userinfo answer.
type claims map[string]any

// recorder keeps the error of the key set, which go-oidc turns into text: a
// signature nobody verifies is another outcome than a wrong audience.
type recorder struct {
	keys *keySet
	err  error
}

func (r *recorder) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := r.keys.VerifySignature(ctx, token)
	r.err = err
	return payload, err
}

// verify checks an ID token as OpenID Connect Core 1.0 section 3.1.3.7 asks and
// returns its subject and claims.
func (c *Connector) verify(ctx context.Context, meta *metadata, keys *keySet, raw string) (string, claims, error) {
	signature := &recorder{keys: keys}
	token, err := gooidc.NewVerifier(meta.Issuer, signature, &gooidc.Config{
		ClientID:             c.clientID,
		SupportedSigningAlgs: acceptedAlgorithms(meta.Algorithms),
		Now:                  c.provider.clock,
	}).Verify(ctx, raw)
	switch {
	case signature.err != nil:
		return "", nil, signature.err
	case err != nil:
		return "", nil, misconfigured("verify the ID token: %w", err)
	}
	var payload json.RawMessage
	if err := token.Claims(&payload); err != nil {
		return "", nil, misconfigured("verify the ID token: %w", err)
	}
	all, err := decodeClaims(payload)
	if err != nil {
		return "", nil, misconfigured("verify the ID token: %w", err)
	}
	if err := c.checkToken(token, all); err != nil {
		return "", nil, misconfigured("verify the ID token: %w", err)
	}
	return token.Subject, all, nil
}

// checkToken adds what go-oidc leaves to its caller.
func (c *Connector) checkToken(token *gooidc.IDToken, all claims) error {
	azp, _ := all["azp"].(string)
	switch {
	case token.Subject == "" || len(token.Subject) > maxSubject:
		return fmt.Errorf("sub has %d bytes, not 1 to %d", len(token.Subject), maxSubject)
	case len(token.Audience) > 1 && azp == "":
		return errors.New("aud has several values and azp is missing")
	case all["azp"] != nil && azp != c.clientID:
		return errors.New("azp names another client: the token was issued to somebody else")
	case token.IssuedAt.Unix() <= 0:
		return errors.New("iat is missing")
	case token.IssuedAt.After(c.provider.clock().Add(maxSkew)):
		return fmt.Errorf("iat is in the future: compare the clocks, the provider's says %s", token.IssuedAt.UTC().Format(time.RFC3339))
	}
	return nil
}

// decodeClaims reads a JSON object. Numbers stay text, so that a large one is
// not rounded.
func decodeClaims(data []byte) (claims, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var all claims
	if err := decoder.Decode(&all); err != nil || all == nil {
		return nil, errNotJSON
	}
	return all, nil
}
