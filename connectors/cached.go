package connectors

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"time"

	"drawbridge/cache"
	"drawbridge/identity"
)

// Versioned is a connector whose people or passwords may change under it, such
// as a file that is reloaded. What was verified under one generation says
// nothing in the next.
type Versioned interface {
	// Generation changes whenever a credential verified before may have become
	// wrong or may lead to other groups.
	Generation() string
}

// CachedOptions configures [Cached]. All fields but Generation are required.
type CachedOptions struct {
	Cache cache.Cache
	// TTL is how long a verified credential is good without asking any backend
	// again. Zero or less turns the cache off.
	TTL time.Duration
	// Secret keys the cache. It never lies in the cache itself, so that a dump
	// of Redis cannot be searched for passwords.
	Secret []byte
	// Generation stands for the connectors' settings: credentials verified
	// under other settings are not found again.
	Generation string
	Log        *slog.Logger
}

// CachedChain is a [Chain] that remembers what was granted, under HMAC-SHA256 of
// the secret over the chain's generation, the username and the password. See
// [Cached].
//
// The chain is cached as a whole, and not each connector for itself, since a
// connector that does not know a username may have to work hard to say so
// without telling it by the time that takes: htpasswd checks a hash in any case.
type CachedChain struct {
	chain *Chain
	opts  CachedOptions
}

// Cached remembers the chain's grants. Refusals and outages are not remembered,
// nor is a grant for which a connector was passed over: the one that is down may
// know the username. A cache that fails is a cache miss.
func Cached(chain *Chain, opts CachedOptions) *CachedChain { return &CachedChain{chain, opts} }

// remembered is a grant as the cache keeps it.
type remembered struct {
	Connector string            `json:"connector"`
	Identity  identity.Identity `json:"identity"`
}

// Authenticate answers from the cache, or asks the chain.
func (c *CachedChain) Authenticate(ctx context.Context, cred identity.Credential) Verdict {
	if c.opts.TTL <= 0 || refuse(cred) != "" {
		return c.chain.Authenticate(ctx, cred)
	}
	key := c.key(cred)
	if r, ok := c.load(ctx, key); ok {
		return Verdict{Outcome: Granted(r.Identity), Connector: r.Connector}
	}
	verdict := c.chain.Authenticate(ctx, cred)
	if verdict.Kind() == KindGranted && len(verdict.Skipped) == 0 {
		c.save(ctx, key, remembered{verdict.Connector, verdict.Identity()})
	}
	return verdict
}

func (c *CachedChain) load(ctx context.Context, key string) (remembered, bool) {
	var r remembered
	value, ok, err := c.opts.Cache.Get(ctx, key)
	if err != nil {
		c.opts.Log.DebugContext(ctx, "credential cache: read", "error", err)
	}
	if err != nil || !ok {
		return r, false
	}
	if err := json.Unmarshal(value, &r); err != nil {
		c.opts.Log.WarnContext(ctx, "credential cache: a value cannot be read and is ignored", "error", err)
		return r, false
	}
	return r, true
}

func (c *CachedChain) save(ctx context.Context, key string, r remembered) {
	value, err := json.Marshal(r)
	if err == nil {
		err = c.opts.Cache.Set(ctx, key, value, c.opts.TTL)
	}
	if err != nil {
		c.opts.Log.DebugContext(ctx, "credential cache: write", "error", err)
	}
}

// key is an HMAC over length-prefixed fields: without the lengths, user "ab"
// with password "c" and user "a" with password "bc" would share a key.
func (c *CachedChain) key(cred identity.Credential) string {
	mac := hmac.New(sha256.New, c.opts.Secret)
	var length [8]byte
	write := func(field string) {
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		mac.Write(length[:])
		mac.Write([]byte(field))
	}
	write(c.opts.Generation)
	write(cred.Username)
	write(cred.Password.Reveal())
	for _, link := range c.chain.links {
		if v, ok := link.Connector.(Versioned); ok {
			write(v.Generation())
		}
	}
	return "credential:" + hex.EncodeToString(mac.Sum(nil))
}
