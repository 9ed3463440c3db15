package connectors

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"log/slog"
	"runtime/debug"
	"strconv"
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
	// SharedFailures counts them for all replicas together, with that limit within
	// [FailureWindow]. Nil, or while it fails: each process for itself.
	SharedFailures cache.Budget
	// Secret keys the cache. It never lies in the cache itself, so that a dump
	// of Redis cannot be searched for passwords.
	Secret []byte
	// Generation stands for the connectors' settings: credentials verified
	// under other settings are not found again.
	Generation string
	// Forgets knows who is to be forgotten; nil: nobody.
	Forgets *Forgets
	Clock   func() time.Time
	Log     *slog.Logger
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
	asking   *questions
	decoded  *decoded
}

// Cached remembers what the chain says of a credential, under HMAC-SHA256 of the
// secret over the chain's generation, the username and the password:
//
//   - a grant for TTL, and for the connector's grace longer while that connector
//     is unavailable, and only then; the [Verdict] is then Stale;
//   - a refusal for 15 s;
//   - an outage never, nor a grant for which a connector was passed over: the one
//     that is down may know the username;
//   - nothing from before its person was forgotten, see [Forgets]; not for grace
//     either;
//   - nothing of what an [Owner] says.
//
// [CachedChain.Recheck] remembers as well, for TTL and grants alone.
//
// A credential that is to be verified afresh ([identity.Credential].Fresh) is not
// answered with a remembered grant, unless the connector is unavailable.
//
// A cache that fails is a cache miss. A credential that is remembered as good
// passes when the limit on wrong passwords is reached, so that somebody else at the
// same address cannot lock out a running job, and is refused after ten times as
// many, so that nobody can look for it.
func Cached(chain *Chain, opts CachedOptions) *CachedChain {
	return &CachedChain{chain: chain, opts: opts, failures: newFailures(opts), asking: newQuestions(), decoded: newDecoded()}
}

// remembered is an answer as the cache keeps it.
type remembered struct {
	Connector string            `json:"connector,omitempty"`
	Identity  identity.Identity `json:"identity,omitzero"`
	// Refused is set for a refusal: the reason, or "not_mine".
	Refused string `json:"refused,omitempty"`
	// At is when the verification of a grant began, Until when it has to be
	// verified again, in Unix milliseconds.
	At    int64 `json:"at,omitempty"`
	Until int64 `json:"until,omitempty"`
	// Epoch is the person's, or of a refusal nobody's.
	Epoch Epoch `json:"epoch,omitempty"`
}

// notMine is the refusal of a username that no connector knows.
const notMine = "not_mine"

func (r remembered) verdict() Verdict {
	switch r.Refused {
	case "":
		return Verdict{Outcome: Granted(r.Identity), Connector: r.Connector, VerifiedAt: time.UnixMilli(r.At), Remembered: true}
	case notMine:
		return Verdict{Outcome: NotMine()}
	}
	return Verdict{Outcome: Denied(Reason(r.Refused)), Connector: r.Connector}
}

// Authenticate answers from the cache, or asks the chain.
func (c *CachedChain) Authenticate(ctx context.Context, cred identity.Credential) Verdict {
	if refuse(cred) != "" || c.chain.owner(cred) != nil {
		return c.chain.Authenticate(ctx, cred)
	}
	key := c.key(cred)
	r, known := c.load(ctx, key, cred)
	good := known && c.opts.Clock().Before(time.UnixMilli(r.Until))
	if good {
		if wait := c.failures.flooded(cred); wait > 0 {
			return Verdict{Outcome: Denied(TooManyFailures), RetryAfter: max(wait, time.Second)}
		}
	}
	if known && r.Refused != "" || good && !cred.Fresh {
		return r.verdict()
	}
	var counted attempt
	if !good { // else it is no guess
		var wait time.Duration
		if counted, wait = c.failures.begin(ctx, key, cred); wait > 0 {
			return Verdict{Outcome: Denied(TooManyFailures), RetryAfter: wait}
		}
	}
	verdict := c.ask(ctx, key, cred)
	if !good {
		c.failures.end(ctx, counted, verdict)
	}
	if known && ctx.Err() == nil {
		return c.bridged(verdict, r, cred)
	}
	return verdict
}

// bridged is what is remembered, where that is what grace is for, or else the verdict.
func (c *CachedChain) bridged(verdict Verdict, r remembered, cred identity.Credential) Verdict {
	if verdict.Kind() != KindUnavailable || verdict.Connector != r.Connector || !c.current(r, cred) {
		return verdict
	}
	stale := r.verdict()
	stale.Stale, stale.Remembered = true, false // somebody was asked, and did not answer
	return stale
}

// ask asks the chain once for all who wait for the same credential, and remembers
// the answer.
func (c *CachedChain) ask(ctx context.Context, key string, cred identity.Credential) Verdict {
	if c.opts.TTL <= 0 {
		at := c.opts.Clock()
		verdict := c.chain.Authenticate(ctx, cred)
		verdict.VerifiedAt = at
		return verdict
	}
	// Who comes after a forget does not join those who asked before it.
	since := c.opts.Forgets.Moment()
	flight := key + strconv.FormatUint(uint64(since), 10)
	if cred.Fresh { // an answer under way may rest on what a connector remembers
		flight += ":fresh"
	}
	return c.together(ctx, flight, func(ctx context.Context) Verdict {
		at := c.opts.Clock()
		// Whose question to the cache was slow may come when those who asked together
		// are gone: their answer is there by now.
		if r, known := c.load(ctx, key, cred); known && !cred.Fresh && (r.Refused != "" || at.Before(time.UnixMilli(r.Until))) {
			return r.verdict()
		}
		verdict := c.survive(ctx, func() Verdict { return c.chain.Authenticate(ctx, cred) })
		verdict.VerifiedAt = at
		c.remember(ctx, key, cred, verdict, since)
		return verdict
	})
}

// together asks once for all who ask at the same time. A caller who leaves does not
// take the answer from the others, and [CachedChain.Close] waits for it.
func (c *CachedChain) together(ctx context.Context, flight string, ask func(context.Context) Verdict) Verdict {
	answer := c.flights.DoChan(flight, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer cancel()
		over, ok := c.asking.begin(cancel)
		if !ok {
			return Verdict{Outcome: Unavailable(errClosed)}, nil
		}
		defer over()
		return ask(ctx), nil
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
func (c *CachedChain) survive(ctx context.Context, ask func() Verdict) (v Verdict) {
	defer func() {
		if r := recover(); r != nil {
			c.opts.Log.ErrorContext(ctx, "a connector panicked", "panic", r, "stack", string(debug.Stack()))
			v = Verdict{Outcome: Unavailable(errors.New("a connector panicked; the log has the stack"))}
		}
	}()
	return ask()
}

// remember keeps the verdict on a question that was asked at the moment. A refusal
// takes the place of a grant that grace could have used.
func (c *CachedChain) remember(ctx context.Context, key string, cred identity.Credential, v Verdict, since Moment) {
	r, ttl := remembered{Connector: v.Connector}, refusalTTL
	switch v.Kind() {
	case KindGranted:
		if len(v.Skipped) > 0 {
			return
		}
		ttl = c.opts.TTL
		r.Identity, r.At, r.Until = v.Identity(), v.VerifiedAt.UnixMilli(), c.opts.Clock().Add(ttl).UnixMilli()
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
	if err := c.store(ctx, key, cred, r, min(ttl, cache.MaxTTL), since); err != nil {
		c.opts.Log.DebugContext(ctx, "credential cache: write", "error", err)
	}
}

// store writes the answer, or drops what is there if the answer is outdated already.
func (c *CachedChain) store(ctx context.Context, key string, cred identity.Credential, r remembered, ttl time.Duration, since Moment) error {
	var current bool
	if r.Epoch, current = c.epoch(r, cred, since); !current {
		return c.opts.Cache.Delete(ctx, key)
	}
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return c.opts.Cache.Set(ctx, key, value, ttl)
}

func (c *CachedChain) epoch(r remembered, cred identity.Credential, since Moment) (Epoch, bool) {
	if r.Refused != "" {
		return c.opts.Forgets.OfNobody(since)
	}
	return c.opts.Forgets.Of(r.Identity, cred.Username, since)
}

// current reports whether nobody was forgotten since whom the answer concerns.
func (c *CachedChain) current(r remembered, cred identity.Credential) bool {
	epoch, _ := c.epoch(r, cred, 0)
	return r.Epoch == epoch && c.opts.Forgets.Known()
}

func (c *CachedChain) load(ctx context.Context, key string, cred identity.Credential) (remembered, bool) {
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
	if r, err = c.decoded.read(key, value); err != nil {
		c.opts.Log.WarnContext(ctx, "credential cache: a value cannot be read and is ignored", "error", err)
		return remembered{}, false
	}
	return r, c.current(r, cred)
}

// key is what a credential is remembered under.
func (c *CachedChain) key(cred identity.Credential) string {
	return "credential:" + c.digest(cred.Username, cred.Password.Reveal())
}

// digest is an HMAC over the fields. What was said under other settings or another
// generation of a connector is not found.
func (c *CachedChain) digest(fields ...string) string {
	mac := hmac.New(sha256.New, c.opts.Secret)
	writeFields(mac, c.opts.Generation)
	writeFields(mac, fields...)
	for _, link := range c.chain.links {
		if v, ok := link.Connector.(Versioned); ok {
			writeFields(mac, v.Generation())
		}
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// writeFields writes the fields with their lengths: without them, user "ab" with
// password "c" and user "a" with password "bc" would share a key.
func writeFields(mac hash.Hash, fields ...string) {
	var length [8]byte
	for _, field := range fields {
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		mac.Write(length[:])
		mac.Write([]byte(field))
	}
}
