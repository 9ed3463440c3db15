package tokens

import (
	"encoding/base64"
	"fmt"
	"strings"

	"drawbridge/identity"
)

// MaxTokenBytes is the largest token that is made: 7.5 KB. nginx refuses a
// header line over 8 KB, and the client could do nothing about that.
const MaxTokenBytes = 7680

// Mint signs an access token for the service in the form its registry verifies.
//
// The audience must be the service: zot checks neither issuer nor audience, so
// the key is all that binds a token to its registry. An answer over
// [MaxTokenBytes] is refused as identity.TooLarge before anything is signed; a
// service that no registry has as identity.Invalid; claims that are incomplete,
// or outlive the longest lifetime or the signing certificate, as
// identity.Internal or identity.Unavailable, and so is a service whose static key
// only the store has while it cannot be asked. The token is never logged.
func (k *Keys) Mint(service string, c Claims) (string, error) {
	now := k.state.Load()
	s := now.signers[service]
	if why := now.waiting[service]; s == nil && why != nil {
		return "", &identity.Error{Kind: identity.Unavailable,
			Message: "Tokens for this registry cannot be signed now. Try again in a moment.", Err: why}
	}
	if s == nil {
		return "", &identity.Error{Kind: identity.Invalid, Message: "No registry with this service name is configured.",
			Err: fmt.Errorf("mint a token for service %q", service)}
	}
	if err := k.checkMint(service, c); err != nil {
		return "", identity.AsError(fmt.Errorf("mint a token for service %q: %w", service, err))
	}
	if !s.notAfter.IsZero() && c.Expiry().After(s.notAfter) {
		return "", &identity.Error{Kind: identity.Unavailable,
			Message: "Tokens cannot be signed now: the signing certificate is at its end. Tell the registry's administrator.",
			Err:     fmt.Errorf("%s ends at %s; renew it and restart", now.ring.authority.source, s.notAfter.UTC())}
	}
	payload, err := c.encode()
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	signed := len(s.header) + base64.RawURLEncoding.EncodedLen(len(payload))
	if size := signed + 1 + s.sigSize; size > MaxTokenBytes {
		return "", &identity.Error{Kind: identity.TooLarge,
			Message: fmt.Sprintf("The token for this request would have %d bytes and %d are possible; ask for fewer repositories at once.", size, MaxTokenBytes)}
	}
	return s.sign(payload, signed+1+s.sigSize)
}

// sign returns a token of that size. What is signed is the first part of it, and not
// a copy: a token has some kilobytes, most of them the certificate chain.
func (s *signer) sign(payload []byte, size int) (string, error) {
	var token strings.Builder
	token.Grow(size)
	token.WriteString(s.header)
	var encoded [1024]byte // enough for most, and not on the heap
	token.Write(base64.RawURLEncoding.AppendEncode(encoded[:0], payload))
	signature, err := s.method.Sign(token.String(), s.key)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	token.WriteByte('.')
	token.WriteString(b64(signature))
	return token.String(), nil
}

func (k *Keys) checkMint(service string, c Claims) error {
	if c.Audience != service {
		return fmt.Errorf("the claims are for audience %q", c.Audience)
	}
	if c.TTL > k.opts.LongestTTL {
		return fmt.Errorf("a lifetime of %s is over the longest configured, %s", c.TTL, k.opts.LongestTTL)
	}
	return c.check()
}
