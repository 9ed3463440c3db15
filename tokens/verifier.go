package tokens

import (
	"crypto/sha256"
	"errors"
	"time"

	"github.com/maypok86/otter/v2"
)

// rememberedBytes bounds the memory of a [Verifier]: about a hundred thousand
// tokens.
const rememberedBytes = 48 << 20

// rememberedOverhead is about what one remembered token costs beside its texts:
// the key, the claims and the cache's own node.
const rememberedOverhead = 320

// Verifier checks tokens as [Keys.Verify] does and remembers those that are good,
// by their SHA-256, so that the signature of a token that comes with every request
// of a push is checked once. What it remembers is never more than a signature that
// held: the time, and whether the key is still one of ours, are looked at each
// time. A token that does not verify is not remembered, since anybody can make as
// many of those as they like.
//
// Tokens are good for [Leeway] after exp, as they are for the registry: a client
// counts the life of a token from when it got it, and would be refused in the
// middle of a push by whoever is stricter than the registry.
type Verifier struct {
	keys *Keys
	good *otter.Cache[[sha256.Size]byte, Claims]
}

// NewVerifier returns a verifier that remembers nothing yet. Close it when it is
// no longer needed.
func NewVerifier(keys *Keys) *Verifier {
	// Must panics only on contradictory options, and these are constant.
	return &Verifier{keys: keys, good: otter.Must(&otter.Options[[sha256.Size]byte, Claims]{
		MaximumWeight: rememberedBytes,
		Weigher: func(_ [sha256.Size]byte, c Claims) uint32 {
			return uint32(rememberedOverhead + len(c.Issuer) + len(c.Audience) + len(c.Subject) + len(c.ID) + len(c.Session) + len(c.KeyID)) //nolint:gosec // parts of a token of MaxTokenBytes at most
		},
		ExpiryCalculator: otter.ExpiryCreatingFunc(func(e otter.Entry[[sha256.Size]byte, Claims]) time.Duration {
			return e.Value.Expiry().Add(Leeway).Sub(keys.opts.Clock())
		}),
		Logger: &otter.NoopLogger{},
	})}
}

// Verify is [Keys.Verify] with [Leeway], and without the claims' Access. It is
// safe for concurrent use.
func (v *Verifier) Verify(token string) (Claims, error) {
	if len(token) > MaxTokenBytes {
		return v.keys.verify(token, Leeway) // which refuses it before it does any work
	}
	digest := sha256.Sum256([]byte(token))
	if c, ok := v.good.GetIfPresent(digest); ok {
		switch {
		case !v.keys.opts.Clock().Before(c.Expiry().Add(Leeway)):
			return Claims{}, refused(errors.New("the token is expired"))
		case v.keys.isRevokedNow(c.KeyID):
			return Claims{}, refused(&RevokedKeyError{c})
		case !v.keys.knows(c.KeyID):
			return Claims{}, refused(errors.New("the token's key is no longer one of ours"))
		}
		return c, nil
	}
	c, err := v.keys.verify(token, Leeway)
	if err != nil {
		return Claims{}, err
	}
	c.Access = nil
	v.good.Set(digest, c)
	return c, nil
}

// Close forgets everything and stops the goroutine that removes expired tokens.
func (v *Verifier) Close() error {
	v.good.StopAllGoroutines()
	v.good.InvalidateAll()
	return nil
}

// knows reports whether tokens of the key are still verified.
func (k *Keys) knows(kid string) bool {
	key, ok := k.shared.view.Load().public[kid]
	return ok && key.alive(k.opts.Clock())
}

// isRevokedNow is isRevoked without a lock.
func (k *Keys) isRevokedNow(kid string) bool {
	_, ok := k.shared.view.Load().revoked[kid]
	return ok
}
