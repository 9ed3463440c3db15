package connectors

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"drawbridge/cache"
	"drawbridge/identity"

	"golang.org/x/sync/singleflight"
)

// Versioned is a connector whose people or passwords may change under it, such
// as a file that is reloaded. What was verified under one generation says
// nothing in the next.
type Versioned interface {
	// Generation changes whenever a credential verified before may have become
	// wrong or may lead to other groups.
	Generation() string
}

// CachedOptions configures [Cached]. Cache, Secret, Clock and Log are required.
type CachedOptions struct {
	Cache cache.Cache
	// TTL is how long a verified credential is good without asking any backend
	// again. Zero or less turns all remembering off.
	TTL time.Duration
	// Grace says for how much longer a credential that a connector verified is
	// good while that connector is unavailable; nil is never.
	Grace func(connector string) time.Duration
	// FailuresPerMinute is how many different wrong passwords one address may
	// try on one username; zero or less is any number.
	FailuresPerMinute int
	// Secret keys the cache. It never lies in the cache itself, so that a dump
	// of Redis cannot be searched for passwords.
	Secret []byte
	// Generation stands for the connectors' settings: credentials verified
	// under other settings are not found again.
	Generation string
	Clock      func() time.Time
	Log        *slog.Logger
}

const (
	// refusalTTL is how long a refusal stands without asking again: clients
	// repeat a failed POST as a GET, which would count twice in the directory.
	refusalTTL = 15 * time.Second
	// askTimeout bounds a question that several callers wait for, and that
	// therefore does not end with the caller who asked first.
	askTimeout = 15 * time.Second
)

// CachedChain is a [Chain] that remembers answers, asks once for callers who come
// at the same time with the same credential, bridges an outage, and limits wrong
// passwords. See [Cached].
//
// The chain is cached as a whole, and not each connector for itself, since a
// connector that does not know a username may have to work hard to say so
// without telling it by the time that takes: htpasswd checks a hash in any case.
type CachedChain struct {
	chain    *Chain
	opts     CachedOptions
	flights  singleflight.Group
	failures *failures
}

// Cached remembers what the chain says of a credential, under HMAC-SHA256 of the
// secret over the chain's generation, the username and the password:
//
//   - a grant for TTL, and for the connector's grace longer while that connector
//     is unavailable, and only then; the [Verdict] is then Stale;
//   - a refusal for 15 s;
//   - an outage never, nor a grant for which a connector was passed over: the one
//     that is down may know the username.
//
// A cache that fails is a cache miss. A credential that is remembered as good
// passes whatever the limit on wrong passwords says, so that somebody else at the
// same address cannot lock out a running job.
func Cached(chain *Chain, opts CachedOptions) *CachedChain {
	return &CachedChain{chain: chain, opts: opts, failures: newFailures(opts.FailuresPerMinute, opts.Clock)}
}

// remembered is an answer as the cache keeps it.
type remembered struct {
	Connector string            `json:"connector,omitempty"`
	Identity  identity.Identity `json:"identity,omitzero"`
	// Refused is set for a refusal: the reason, or "not_mine".
	Refused string `json:"refused,omitempty"`
	// Until is when a grant has to be verified again, in Unix milliseconds.
	Until int64 `json:"until,omitempty"`
}

// notMine is the refusal of a username that no connector knows.
const notMine = "not_mine"

func (r remembered) verdict() Verdict {
	switch r.Refused {
	case "":
		return Verdict{Outcome: Granted(r.Identity), Connector: r.Connector}
	case notMine:
		return Verdict{Outcome: NotMine()}
	}
	return Verdict{Outcome: Denied(Reason(r.Refused)), Connector: r.Connector}
}

// Authenticate answers from the cache, or asks the chain.
func (c *CachedChain) Authenticate(ctx context.Context, cred identity.Credential) Verdict {
	if refuse(cred) != "" {
		return c.chain.Authenticate(ctx, cred)
	}
	key := c.key(cred)
	r, known := c.load(ctx, key)
	if known && (r.Refused != "" || c.opts.Clock().Before(time.UnixMilli(r.Until))) {
		return r.verdict()
	}
	if wait := c.failures.begin(key, cred); wait > 0 {
		return Verdict{Outcome: Denied(TooManyFailures), RetryAfter: wait}
	}
	verdict := c.ask(ctx, key, cred)
	c.failures.end(key, cred, verdict)
	if known && verdict.Kind() == KindUnavailable && verdict.Connector == r.Connector && ctx.Err() == nil {
		stale := r.verdict()
		stale.Stale = true
		return stale
	}
	return verdict
}

// ask asks the chain once for all who wait for the same credential, and remembers
// the answer. A caller who leaves does not take the answer from the others.
func (c *CachedChain) ask(ctx context.Context, key string, cred identity.Credential) Verdict {
	if c.opts.TTL <= 0 {
		return c.chain.Authenticate(ctx, cred)
	}
	answer := c.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer cancel()
		verdict := c.survive(ctx, cred)
		c.remember(ctx, key, verdict)
		return verdict, nil
	})
	select {
	case result := <-answer:
		return result.Val.(Verdict) //nolint:forcetypeassert // the function above returns nothing else
	case <-ctx.Done():
		return Verdict{Outcome: Unavailable(ctx.Err())}
	}
}

// survive turns a panic into an outage. The HTTP server does that for what runs
// in a request's own goroutine, which this does not.
func (c *CachedChain) survive(ctx context.Context, cred identity.Credential) (v Verdict) {
	defer func() {
		if r := recover(); r != nil {
			c.opts.Log.ErrorContext(ctx, "a connector panicked", "panic", r, "stack", string(debug.Stack()))
			v = Verdict{Outcome: Unavailable(errors.New("a connector panicked; the log has the stack"))}
		}
	}()
	return c.chain.Authenticate(ctx, cred)
}

func (c *CachedChain) remember(ctx context.Context, key string, v Verdict) {
	r, ttl := remembered{Connector: v.Connector}, refusalTTL
	switch v.Kind() {
	case KindGranted:
		if len(v.Skipped) > 0 {
			return
		}
		ttl = c.opts.TTL
		r.Identity, r.Until = v.Identity(), c.opts.Clock().Add(ttl).UnixMilli()
		if c.opts.Grace != nil {
			ttl += c.opts.Grace(v.Connector)
		}
	case KindDenied:
		r.Refused = string(v.Reason())
	case KindNotMine:
		r.Refused = notMine
	case KindUnavailable, KindMisconfigured, kindUnset:
		return
	}
	// A refusal takes the place of a grant that grace could have used.
	value, err := json.Marshal(r)
	if err == nil {
		err = c.opts.Cache.Set(ctx, key, value, min(ttl, cache.MaxTTL))
	}
	if err != nil {
		c.opts.Log.DebugContext(ctx, "credential cache: write", "error", err)
	}
}

func (c *CachedChain) load(ctx context.Context, key string) (remembered, bool) {
	var r remembered
	if c.opts.TTL <= 0 {
		return r, false
	}
	value, ok, err := c.opts.Cache.Get(ctx, key)
	if err != nil {
		c.opts.Log.DebugContext(ctx, "credential cache: read", "error", err)
	}
	if err != nil || !ok {
		return r, false
	}
	if err := json.Unmarshal(value, &r); err != nil {
		c.opts.Log.WarnContext(ctx, "credential cache: a value cannot be read and is ignored", "error", err)
		return remembered{}, false
	}
	return r, true
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
