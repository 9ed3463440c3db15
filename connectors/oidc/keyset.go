package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

const (
	keysCooldown = 10 * time.Second // between two fetches, whatever asks for them
	keysFresh    = time.Hour        // after which a withdrawn key is found out
	keysUsable   = 24 * time.Hour   // while the provider does not serve its keys
	missingFor   = time.Minute      // how long a key ID that is not served causes no fetch
	maxMissing   = 1000
	maxKeys      = 100
)

var (
	errBadSignature = errors.New("no key of the provider verifies the signature of the ID token")
	errNoKeys       = errors.New("the provider's key set holds no usable key")
)

// keySet verifies signatures with the keys of one jwks_uri. It implements
// go-oidc's KeySet, whose own implementation fetches once per bad token and
// keeps withdrawn keys for ever.
type keySet struct {
	url     string
	client  *client
	clock   func() time.Time
	life    context.Context
	timeout time.Duration

	flight  singleflight.Group
	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched time.Time // when keys were
	tried   time.Time // the last try, good or not
	err     error     // of the last try
	missing map[string]time.Time
}

func newKeySet(p *provider, url string) *keySet {
	return &keySet{url: url, client: p.client, clock: p.clock, life: p.life, timeout: p.timeout, missing: make(map[string]time.Time)}
}

// VerifySignature returns the payload of a token that one of the keys signed.
// The caller checks the algorithm against what the provider uses.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	// The compact form has exactly one signature, and no unprotected header.
	jws, err := jose.ParseSignedCompact(token, signatureAlgorithms())
	if err != nil {
		return nil, fmt.Errorf("parse the token: %w", err)
	}
	keys, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	if payload, ok := verifyWith(keys, jws); ok {
		return payload, nil
	}
	// OpenID Connect Core 1.0 section 10.1.1: the provider may have rotated.
	kid := jws.Signatures[0].Header.KeyID
	if !k.worthAFetch(kid) {
		return nil, errBadSignature
	}
	if keys, err = k.fetch(ctx); err != nil {
		return nil, err
	}
	if payload, ok := verifyWith(keys, jws); ok {
		return payload, nil
	}
	k.remember(kid)
	return nil, errBadSignature
}

// current returns the keys, fetched anew if they are an hour old. Old ones are
// used on while the provider does not answer, for a day.
func (k *keySet) current(ctx context.Context) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	keys, age, last := k.keys, k.clock().Sub(k.fetched), k.err
	cooling := k.clock().Sub(k.tried) < keysCooldown
	k.mu.Unlock()
	if keys != nil && age < keysFresh {
		return keys, nil
	}
	usable := keys != nil && age < keysUsable
	if cooling && usable {
		return keys, nil
	}
	if cooling && last != nil {
		return nil, last
	}
	fresh, err := k.fetch(ctx)
	if err != nil && usable {
		return keys, nil
	}
	return fresh, err
}

// worthAFetch reports whether a token that no key verifies may cause a fetch.
func (k *keySet) worthAFetch(kid string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock()
	if at, ok := k.missing[kid]; ok && now.Sub(at) < missingFor {
		return false
	}
	return now.Sub(k.tried) >= keysCooldown
}

// remember notes a key ID that the provider does not serve. The map is bounded;
// beyond it the cooldown alone protects the provider.
func (k *keySet) remember(kid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock()
	if len(k.missing) >= maxMissing {
		for id, at := range k.missing {
			if now.Sub(at) >= missingFor {
				delete(k.missing, id)
			}
		}
	}
	if len(k.missing) < maxMissing {
		k.missing[kid] = now
	}
}

// fetch gets the key set, once for all who ask meanwhile.
func (k *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	done := k.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(k.life, k.timeout)
		defer cancel()
		var set struct {
			Keys []json.RawMessage `json:"keys"`
		}
		err := k.client.getJSON(ctx, opKeys, k.url, &set)
		keys := parseKeys(set.Keys)
		if err == nil && len(keys) == 0 {
			err = errNoKeys
		}
		if err != nil {
			err = fmt.Errorf("fetch the provider's keys: %w", err)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.tried, k.err = k.clock(), err
		if err != nil {
			return nil, err
		}
		k.keys, k.fetched = keys, k.tried
		return keys, nil
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the provider's keys: %w", ctx.Err())
	case result := <-done:
		keys, _ := result.Val.([]jose.JSONWebKey)
		return keys, result.Err
	}
}

// parseKeys returns the public signing keys and passes over what it does not
// know, as RFC 7517 section 5 asks: a new kind of key must not lock everybody
// out. Symmetric keys have no place in a public document.
func parseKeys(raw []json.RawMessage) []jose.JSONWebKey {
	var keys []jose.JSONWebKey
	for _, text := range raw[:min(len(raw), maxKeys)] {
		var key jose.JSONWebKey
		if json.Unmarshal(text, &key) != nil || !key.IsPublic() || !key.Valid() || key.Use == "enc" {
			continue
		}
		keys = append(keys, key)
	}
	return keys
}

// verifyWith tries the keys that the token's header admits.
func verifyWith(keys []jose.JSONWebKey, jws *jose.JSONWebSignature) ([]byte, bool) {
	header := jws.Signatures[0].Header
	for i := range keys {
		key := &keys[i]
		if header.KeyID != "" && key.KeyID != header.KeyID {
			continue
		}
		if key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := jws.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// signatureAlgorithms are the ones that are accepted at all. HMAC is not among
// them: with it, whoever knows the public key could sign.
func signatureAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
		jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}

// acceptedAlgorithms are those of the provider that are accepted. A provider
// that names none signs with RS256 (Core 1.0 section 2).
func acceptedAlgorithms(advertised []string) []string {
	if len(advertised) == 0 {
		return []string{string(jose.RS256)}
	}
	var accepted []string
	for _, alg := range signatureAlgorithms() {
		if slices.Contains(advertised, string(alg)) {
			accepted = append(accepted, string(alg))
		}
	}
	return accepted
}
