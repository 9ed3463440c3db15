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

// CachedOptions configures [Cached].
type CachedOptions struct {
	Cache cache.Cache
	// TTL is how long a verified credential is good without asking the backend
	// again. Zero or less turns the cache off.
	TTL time.Duration
	// Secret keys the cache. It never lies in the cache itself, so that a dump
	// of Redis cannot be searched for passwords.
	Secret []byte
	// Generation stands for the connector's settings: credentials verified
	// under other settings are not found again.
	Generation string
	Log        *slog.Logger
}

// Cached remembers what the connector granted, under HMAC-SHA256 of the secret
// over the connector, its generation, the username and the password. Refusals
// and outages are not remembered. A cache that fails is a cache miss.
func Cached(c Connector, opts CachedOptions) Connector {
	if opts.TTL <= 0 || opts.Cache == nil {
		return c
	}
	cached := &cachedConnector{Connector: c, opts: opts}
	if looker, ok := c.(Looker); ok {
		return &cachedLooker{cached, looker}
	}
	return cached
}

type cachedConnector struct {
	Connector
	opts CachedOptions
}

// cachedLooker keeps the ability to look people up visible through the cache.
type cachedLooker struct {
	*cachedConnector
	Looker
}

// Authenticate implements [Connector].
func (c *cachedConnector) Authenticate(ctx context.Context, cred identity.Credential) Outcome {
	key := c.key(cred)
	if id, ok := c.load(ctx, key); ok {
		return Granted(id)
	}
	outcome := c.Connector.Authenticate(ctx, cred)
	if outcome.Kind() == KindGranted {
		c.save(ctx, key, outcome.Identity())
	}
	return outcome
}

func (c *cachedConnector) load(ctx context.Context, key string) (identity.Identity, bool) {
	value, ok, err := c.opts.Cache.Get(ctx, key)
	if err != nil {
		c.opts.Log.DebugContext(ctx, "credential cache: read", "connector", c.Name(), "error", err)
	}
	if err != nil || !ok {
		return identity.Identity{}, false
	}
	var id identity.Identity
	if err := json.Unmarshal(value, &id); err != nil {
		c.opts.Log.WarnContext(ctx, "credential cache: a value cannot be read and is ignored",
			"connector", c.Name(), "error", err)
		return identity.Identity{}, false
	}
	return id, true
}

func (c *cachedConnector) save(ctx context.Context, key string, id identity.Identity) {
	value, err := json.Marshal(id)
	if err == nil {
		err = c.opts.Cache.Set(ctx, key, value, c.opts.TTL)
	}
	if err != nil {
		c.opts.Log.DebugContext(ctx, "credential cache: write", "connector", c.Name(), "error", err)
	}
}

// key is an HMAC over length-prefixed fields: without the lengths, user "ab"
// with password "c" and user "a" with password "bc" would share a key.
func (c *cachedConnector) key(cred identity.Credential) string {
	generation := c.opts.Generation
	if v, ok := c.Connector.(Versioned); ok {
		generation += "\x00" + v.Generation()
	}
	mac := hmac.New(sha256.New, c.opts.Secret)
	var length [8]byte
	for _, field := range []string{c.Name(), generation, cred.Username, cred.Password.Reveal()} {
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		mac.Write(length[:])
		mac.Write([]byte(field))
	}
	return "credential:" + hex.EncodeToString(mac.Sum(nil))
}
