package bridge

import (
	"context"
	"errors"

	"drawbridge/audit"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/tokens/sessions"
)

// draft prepares the session that begins with a login, if one does. Only a connector
// that has verified the password just now, and can re-check the person later, gives
// a verdict with a version.
func (b *Bridge) draft(ctx context.Context, registry Registry, req Request, verdict connectors.Verdict, who *caller) {
	version, rechecks := verdict.Version()
	if !req.Offline || !registry.RefreshTokens || !rechecks || who.Kind != identity.User || verdict.Stale || len(verdict.Skipped) > 0 {
		return
	}
	draft, err := b.opts.Sessions.Draft(sessions.Start{
		Person: who.Identity, Version: version, VerifiedAt: verdict.VerifiedAt, Rotating: req.Rotating,
		Service: registry.Service, ClientID: req.ClientID, Address: req.SourceIP, UserAgent: req.UserAgent,
	})
	if err != nil {
		b.opts.Log.ErrorContext(ctx, "a login goes on without a refresh token", "error", err)
		return
	}
	who.draft, who.sessionID = draft, draft.ID()
}

// remember keeps the session that begins with this request and returns the refresh
// token to answer with: that one's, or that of the session which goes on. A session
// that cannot be kept costs its refresh token, and the login goes on.
func (b *Bridge) remember(ctx context.Context, req Request, d decision) identity.Secret {
	if d.caller.draft == nil {
		return d.caller.refresh
	}
	refresh, err := b.opts.Sessions.Keep(ctx, d.caller.draft)
	e := event(req, d.registry, b.opts.Clock())
	e.Action, e.Outcome, e.User, e.Connector = audit.SessionStarted, audit.Success, d.caller.String(), d.caller.Connector
	e.Method, e.SessionID = string(d.caller.Method), d.caller.sessionID
	if err != nil {
		e.Outcome, e.Reason = audit.Unknown, storeUnavailable
		b.opts.Log.WarnContext(ctx, "a login goes on without a refresh token", "error", err)
	}
	b.opts.Audit.Record(e)
	b.opts.Metrics.started(e.Outcome)
	return refresh
}

// storeUnavailable is the reason in audit events while the store does not answer.
const storeUnavailable = "store_unavailable"

// refresh identifies the caller by a refresh token.
func (b *Bridge) refresh(ctx context.Context, registry Registry, req Request) (caller, error) {
	if !registry.RefreshTokens {
		return caller{}, b.notRefreshed(ctx, registry, req, &sessions.Refusal{Reason: sessions.TurnedOff})
	}
	c, err := b.opts.Sessions.Refresh(ctx, sessions.Shown{
		Token: req.RefreshToken, Service: registry.Service, ClientID: req.ClientID, Address: req.SourceIP,
	})
	if err != nil {
		return caller{}, b.notRefreshed(ctx, registry, req, err)
	}
	reason := ""
	switch {
	case c.Remembered:
		reason = storeUnavailable
	case c.OtherClient:
		reason = string(sessions.OtherClient)
	}
	b.auditRefresh(req, registry, &c.Session, audit.Success, reason)
	return caller{
		Identity: c.Session.Person, verifiedAt: c.Session.CreatedAt, sessionID: c.Session.ID, refresh: c.Token,
	}, nil
}

// notRefreshed is what a client reads whose refresh token is not honoured now. One
// sentence stands for all refusals: whoever has found a token learns nothing about
// its owner.
func (b *Bridge) notRefreshed(ctx context.Context, registry Registry, req Request, err error) error {
	if refusal, ok := errors.AsType[*sessions.Refusal](err); ok {
		b.auditRefresh(req, registry, refusal.Session, audit.Failure, string(refusal.Reason))
		if refusal.Ended {
			e := b.sessionEvent(req, registry, refusal.Session)
			e.Action, e.Outcome, e.Reason = audit.SessionRevoked, audit.Success, string(refusal.Reason)
			b.opts.Audit.Record(e)
		}
		return &identity.Error{
			Kind: identity.Unauthenticated, Err: err,
			Message: "The login that this identity token belongs to is over, or was never valid here; log in again with your password.",
		}
	}
	unavailable := &identity.Error{
		Kind: identity.Unavailable, RetryAfter: retryAfter, Err: err,
		Message: "Your login cannot be checked at the moment; it was not refused. Try again in a few seconds.",
	}
	outage, _ := errors.AsType[*sessions.Outage](err)
	if outage == nil {
		outage = &sessions.Outage{Err: err}
	}
	reason := storeUnavailable
	if outage.Verdict.Connector != "" {
		reason = outage.Verdict.Kind().String()
		b.logOutage(ctx, outage.Verdict)
	} else {
		b.opts.Log.WarnContext(ctx, "a refresh token cannot be checked", "error", err)
	}
	b.auditRefresh(req, registry, outage.Session, audit.Unknown, reason)
	return unavailable
}

// auditRefresh records that a refresh token was shown. Of one that is unknown there
// is no session to name.
func (b *Bridge) auditRefresh(req Request, registry Registry, s *sessions.Session, outcome audit.Outcome, reason string) {
	e := b.sessionEvent(req, registry, s)
	e.Action, e.Outcome, e.Reason = audit.Refresh, outcome, reason
	b.opts.Audit.Record(e)
	b.opts.Metrics.refreshed(outcome, reason)
}

func (b *Bridge) sessionEvent(req Request, registry Registry, s *sessions.Session) audit.Event {
	e := event(req, registry, b.opts.Clock())
	if s != nil {
		e.SessionID, e.User, e.Connector, e.Method = s.ID, s.Person.String(), s.Person.Connector, string(s.Method)
	}
	return e
}
