package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/tokens"
	"drawbridge/tokens/sessions"
	"drawbridge/tracing"
)

// Authenticator says who a caller is; the connectors' chain is one.
type Authenticator interface {
	Authenticate(ctx context.Context, cred identity.Credential) connectors.Verdict
}

// Minter signs tokens for a service; tokens.Keys is one.
type Minter interface {
	Mint(service string, claims tokens.Claims) (string, error)
}

// Sessions begins logins that last and goes on with them; sessions.Manager is one.
type Sessions interface {
	Draft(start sessions.Start) (*sessions.Draft, error)
	Keep(ctx context.Context, draft *sessions.Draft) (identity.Secret, error)
	// Refresh fails with a *sessions.Refusal or a *sessions.Outage.
	Refresh(ctx context.Context, shown sessions.Shown) (sessions.Continued, error)
}

// Recorder takes audit events and never blocks; audit.Log is one.
type Recorder interface {
	Record(audit.Event)
}

// Options are what a bridge stands on. All fields but Accounts are required.
type Options struct {
	Registries []Registry
	Connectors Authenticator
	Tokens     Minter
	Sessions   Sessions
	Audit      Recorder
	// Accounts limits how often an account gets a token; nil: as often as it asks.
	Accounts Rate
	// Policy is the one in force at the start; with a nil Policy in it every
	// request is told to come back, until SetPolicy.
	Policy Revision
	// AccessTTL is the life of an access token.
	AccessTTL time.Duration
	Clock     func() time.Time
	// NewID makes token IDs, which are also the decision IDs of the audit log.
	NewID   func() string
	Metrics *Metrics
	Log     *slog.Logger
}

// Bridge answers token requests. It is safe for concurrent use.
type Bridge struct {
	opts       Options
	registries map[string]Registry
	revision   atomic.Pointer[Revision]
}

// New returns a bridge with the policy of the options in force.
func New(opts Options) *Bridge {
	b := &Bridge{opts: opts, registries: make(map[string]Registry, len(opts.Registries))}
	for _, r := range opts.Registries {
		b.registries[r.Service] = r
	}
	b.revision.Store(&opts.Policy)
	return b
}

// SetPolicy puts another policy in force for the requests that come after it.
func (b *Bridge) SetPolicy(r Revision) { b.revision.Store(&r) }

// Policy returns the policy in force.
func (b *Bridge) Policy() Revision { return *b.revision.Load() }

// Token answers one request. Its errors are [identity.Error] values; see the
// package documentation for which.
func (b *Bridge) Token(ctx context.Context, req Request) (Answer, error) {
	registry, err := b.registry(req.Service)
	if err != nil {
		return Answer{}, err
	}
	if b.Policy().Policy == nil {
		return Answer{}, &identity.Error{
			Kind: identity.Unavailable, Message: "The policy is not loaded yet. Try again in a few seconds.", RetryAfter: retryAfter,
		}
	}
	who, err := b.identified(ctx, registry, req)
	if err != nil {
		return Answer{}, err
	}
	if err := b.paced(ctx, req, who); err != nil {
		return Answer{}, err
	}
	d := b.authorize(ctx, registry, who, req.Scopes)
	if d.nothing() && registry.Explain && who.Kind != identity.Anonymous {
		b.audit(req, d, audit.TokenDenied, audit.Failure)
		return Answer{}, d.refusal()
	}
	token, err := b.mint(ctx, d)
	if err != nil {
		b.audit(req, d, audit.TokenDenied, audit.Failure)
		return Answer{}, err
	}
	refresh := b.remember(ctx, req, d)
	action, outcome := audit.TokenIssued, audit.Success
	if d.nothing() {
		action, outcome = audit.TokenDenied, audit.Failure
	}
	b.audit(req, d, action, outcome)
	b.opts.Metrics.tokenIssued()
	return Answer{Token: token, TTL: b.ttl(d), Scope: d.scope(), RefreshToken: refresh}, nil
}

// registry finds the entry for the service that asks. A request without a
// service is taken for the only registry there is.
func (b *Bridge) registry(service string) (Registry, error) {
	if service == "" && len(b.opts.Registries) == 1 {
		return b.opts.Registries[0], nil
	}
	if r, ok := b.registries[service]; ok {
		return r, nil
	}
	return Registry{}, &identity.Error{
		Kind: identity.Invalid,
		Message: fmt.Sprintf("The service %.100q is not known here: the registry's auth.token.service must equal "+
			"a registries[].service of Drawbridge's configuration.", service),
	}
}

// caller is who asks, since when that is known, and whether it is known from before
// an outage.
type caller struct {
	identity.Identity
	verifiedAt time.Time
	stale      bool

	// sessionID is the session that the caller goes on with, or begins.
	sessionID string
	// draft is the session that begins with this login; nil where none does.
	draft *sessions.Draft
	// refresh is the refresh token of a session that goes on.
	refresh identity.Secret
}

// identified is identify as a step of the request's trace.
func (b *Bridge) identified(ctx context.Context, registry Registry, req Request) (caller, error) {
	ctx, span := tracing.Step(ctx, "identify")
	who, err := b.identify(ctx, registry, req)
	span.String(tracing.Connector, who.Connector)
	span.Bool(tracing.Stale, who.stale)
	span.End(done(err))
	return who, err
}

// identify finds out who asks: by a refresh token, by a password, or nobody. The
// client learns whether to fix the password or to try again later, and no more.
func (b *Bridge) identify(ctx context.Context, registry Registry, req Request) (caller, error) {
	if !req.RefreshToken.Empty() {
		return b.refresh(ctx, registry, req)
	}
	if req.Credential.Username == "" && req.Credential.Password.Empty() {
		return caller{}, nil
	}
	cred := req.Credential
	cred.Address = req.SourceIP
	cred.Fresh = req.Offline && registry.RefreshTokens
	verdict := b.opts.Connectors.Authenticate(ctx, cred)
	b.auditLogin(req, registry, verdict)
	b.opts.Metrics.attempt(verdict)
	if verdict.Kind() == connectors.KindGranted {
		who := caller{Identity: verdict.Identity(), verifiedAt: verdict.VerifiedAt, stale: verdict.Stale}
		who.Method = identity.MethodPassword
		b.draft(ctx, registry, req, verdict, &who)
		return who, nil
	}
	return caller{}, b.refusal(ctx, verdict)
}

// refusal is Refusal, with what an operator must hear of in the log.
func (b *Bridge) refusal(ctx context.Context, verdict connectors.Verdict) *identity.Error {
	switch verdict.Kind() {
	case connectors.KindUnavailable, connectors.KindMisconfigured:
		b.logOutage(ctx, verdict)
	default: // the caller's business
	}
	return Refusal(verdict)
}

// Refusal is what somebody reads whom no connector vouches for.
func Refusal(verdict connectors.Verdict) *identity.Error {
	kind := verdict.Kind()
	switch {
	case kind != connectors.KindDenied && kind != connectors.KindNotMine:
		return &identity.Error{
			Kind:       identity.Unavailable,
			Message:    "Logins cannot be checked at the moment; your password was not refused. Try again in a few seconds.",
			RetryAfter: retryAfter, Err: verdict.Cause(),
		}
	case verdict.RetryAfter > 0:
		return &identity.Error{
			Kind: identity.RateLimited, RetryAfter: verdict.RetryAfter,
			Message: "Too many wrong passwords for this user from this address. Check the password and try again in a minute.",
		}
	}
	return &identity.Error{Kind: identity.Unauthenticated, Message: refused(verdict.Reason())}
}

// logOutage says which connector is down, or is set up wrongly.
func (b *Bridge) logOutage(ctx context.Context, verdict connectors.Verdict) {
	attrs := []any{"connector", verdict.Connector, "error", verdict.Cause()}
	if verdict.Kind() == connectors.KindMisconfigured {
		b.opts.Log.ErrorContext(ctx, "a connector is misconfigured: nobody can log in through it until this is fixed", attrs...)
		return
	}
	b.opts.Log.WarnContext(ctx, "a connector is unavailable", attrs...)
}

// retryAfter is what clients are told while a connector is down.
const retryAfter = 5 * time.Second

// refused is one sentence for all refusals, so that it does not tell which
// usernames exist or which passwords were right; except for what no password of
// a directory is involved in.
func refused(reason connectors.Reason) string {
	switch reason {
	case connectors.BadUsername:
		return "The username is empty, too long or not valid text."
	case connectors.BadPassword:
		return "The password is empty, too long or not valid text."
	default:
		return "The username or the password is wrong, or the account may not log in."
	}
}

func (b *Bridge) mint(ctx context.Context, d decision) (string, error) {
	_, span := tracing.Step(ctx, "sign")
	token, err := b.opts.Tokens.Mint(d.registry.Service, tokens.Claims{
		Issuer: d.registry.Issuer, Audience: d.registry.Service, Subject: d.caller.String(),
		ID: d.decisionID, IssuedAt: d.at, TTL: b.ttl(d), Access: d.access,
		Session: d.caller.sessionID, AuthTime: d.caller.verifiedAt,
	})
	span.End(done(err))
	if err != nil {
		var classified *identity.Error
		if errors.As(err, &classified) {
			return "", err
		}
		return "", fmt.Errorf("sign a token for %s: %w", d.registry.Service, err)
	}
	return token, nil
}

// staleTTL is the life of a token for somebody who is known from before an outage:
// the shortest that clients accept, so that the directory's word counts soon.
const staleTTL = time.Minute

func (b *Bridge) ttl(d decision) time.Duration {
	if d.caller.stale {
		return min(b.opts.AccessTTL, staleTTL)
	}
	return b.opts.AccessTTL
}

// authorize evaluates every scope against one revision of the policy.
func (b *Bridge) authorize(ctx context.Context, registry Registry, who caller, scopes []authz.Scope) decision {
	_, span := tracing.Step(ctx, "decide")
	start := b.opts.Clock()
	revision := b.revision.Load()
	d := decision{
		registry: registry, caller: who, revision: revision, at: start, decisionID: b.opts.NewID(),
		scopes: scopes, granted: make([]authz.Actions, len(scopes)),
	}
	subject := revision.Policy.Subject(who.Identity)
	for i, scope := range scopes {
		d.granted[i] = revision.Policy.Decide(&subject, registry.Service, scope, start)
	}
	b.opts.Metrics.decided(d, b.opts.Clock().Sub(start))
	d.trace(span)
	d.grant()
	return d
}
