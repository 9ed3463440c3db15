package cache

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ErrForged is returned by a sealed cache's Get when a value was not written by
// a holder of the secret, or was put under another key than its own.
var ErrForged = errors.New("the cached value does not authenticate: it was not written by this server, or its secret changed")

// Sealed wraps a cache that others can read or write, such as a shared Redis.
// Values are encrypted and authenticated (AES-256-GCM) together with their key
// and the time they expire; key names are HMACs. Whoever can write the inner
// cache can therefore make us forget something, but cannot hand a caller another
// person's groups, replay a value past its time, or read who logged in.
//
// The secret has at least 32 bytes. Replicas that share the inner cache share it.
func Sealed(inner Cache, secret []byte, clock func() time.Time) (Cache, error) {
	if len(secret) < 32 {
		return nil, fmt.Errorf("the cache secret has %d bytes and needs 32", len(secret))
	}
	sealKey, err := hkdf.Key(sha256.New, secret, nil, "drawbridge cache values", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the cache's sealing key: %w", err)
	}
	nameKey, err := hkdf.Key(sha256.New, secret, nil, "drawbridge cache names", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the cache's naming key: %w", err)
	}
	block, err := aes.NewCipher(sealKey)
	if err != nil {
		return nil, fmt.Errorf("seal the cache: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("seal the cache: %w", err)
	}
	return &sealed{inner: inner, aead: aead, nameKey: nameKey, clock: clock}, nil
}

type sealed struct {
	inner   Cache
	aead    cipher.AEAD
	nameKey []byte
	clock   func() time.Time
}

// expirySize is the length of the expiry time, in Unix milliseconds, that stands
// before the value inside the seal.
const expirySize = 8

// Get implements [Cache].
func (s *sealed) Get(ctx context.Context, key string) ([]byte, bool, error) {
	name := s.name(key)
	box, ok, err := s.inner.Get(ctx, name)
	if err != nil || !ok {
		return nil, false, err
	}
	plain, err := s.aead.Open(nil, nil, box, []byte(name))
	if err != nil || len(plain) < expirySize {
		return nil, false, ErrForged
	}
	expiry := time.UnixMilli(int64(binary.BigEndian.Uint64(plain))) //nolint:gosec // written below from an int64
	if !s.clock().Before(expiry) {
		return nil, false, nil
	}
	return plain[expirySize:], true, nil
}

// Set implements [Cache].
func (s *sealed) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	name := s.name(key)
	plain := make([]byte, expirySize, expirySize+len(value))
	binary.BigEndian.PutUint64(plain, uint64(s.clock().Add(ttl).UnixMilli())) //nolint:gosec // after 1970
	plain = append(plain, value...)
	box := s.aead.Seal(nil, nil, plain, []byte(name)) //nolint:gosec // this AEAD draws its own nonce and wants none
	return s.inner.Set(ctx, name, box, ttl)
}

// Delete implements [Cache].
func (s *sealed) Delete(ctx context.Context, keys ...string) error {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = s.name(key)
	}
	return s.inner.Delete(ctx, names...)
}

func (s *sealed) name(key string) string {
	mac := hmac.New(sha256.New, s.nameKey)
	mac.Write([]byte(key))
	return hex.EncodeToString(mac.Sum(nil))
}
