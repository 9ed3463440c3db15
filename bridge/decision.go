package bridge

import (
	"strings"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/tokens"
)

// decision is what the policy says of one request.
type decision struct {
	registry   Registry
	caller     caller
	revision   *Revision
	at         time.Time
	decisionID string
	scopes     []authz.Scope
	granted    []authz.Actions // one for each scope

	access        []tokens.Access // the token's access claim: the granted part of each scope
	grantedScopes []string        // the same in the form it is asked for
}

// nothing reports whether something was asked for and none of it is granted.
func (d decision) nothing() bool {
	for _, granted := range d.granted {
		if granted != 0 {
			return false
		}
	}
	return len(d.scopes) > 0
}

// grant fills in what follows from the granted actions, once for the token, the
// answer and the audit log.
func (d *decision) grant() {
	d.access = make([]tokens.Access, 0, len(d.scopes))
	for i, scope := range d.scopes {
		if d.granted[i] == 0 {
			continue
		}
		a := tokens.Access{Type: scope.Type(), Name: scope.Name(), Actions: scope.AnswerActions(d.granted[i])}
		d.access = append(d.access, a)
		d.grantedScopes = append(d.grantedScopes, a.Scope())
	}
}

// scope is the granted part in the form of a scope parameter.
func (d decision) scope() string { return strings.Join(d.grantedScopes, " ") }

// refusal is what a caller who is granted nothing reads: what is missing, and
// the ID under which an admin finds the reason.
func (d decision) refusal() *identity.Error {
	subject := d.revision.Policy.Subject(d.caller.Identity)
	var sentences []string
	for _, scope := range d.scopes {
		const most = 3 // a terminal is not a report
		if len(sentences) == most {
			sentences = append(sentences, "There is more of this kind.")
			break
		}
		sentences = append(sentences, d.revision.Policy.Explain(&subject, d.registry.Service, scope, d.at).ClientReason())
	}
	return &identity.Error{
		Kind:    identity.Forbidden,
		Message: strings.Join(sentences, " ") + " Ask a registry admin and quote decision " + d.decisionID + ".",
		Detail:  "decision_id=" + d.decisionID,
	}
}

// audit records what the request led to.
func (b *Bridge) audit(req Request, d decision, action audit.Action, outcome audit.Outcome) {
	requested := make([]string, len(d.scopes))
	for i, scope := range d.scopes {
		requested[i] = scope.String()
	}
	e := event(req, d.registry, d.at)
	e.Action, e.Outcome = action, outcome
	if d.nothing() {
		e.Reason = "no_grant"
	}
	e.User, e.Groups, e.Method = d.caller.String(), d.caller.Groups, string(d.caller.Method)
	e.Connector, e.Stale, e.SessionID = d.caller.Connector, d.caller.stale, d.caller.sessionID
	e.DecisionID, e.PolicyRevision = d.decisionID, d.revision.ID
	e.Requested, e.Granted = requested, d.grantedScopes
	b.opts.Audit.Record(e)
}

// auditLogin records an attempt and each connector that was passed over. Where
// nobody was asked there was no login: the token's event says whose password it was.
func (b *Bridge) auditLogin(req Request, registry Registry, verdict connectors.Verdict) {
	if verdict.Remembered {
		return
	}
	now := b.opts.Clock()
	for _, skipped := range verdict.Skipped {
		e := event(req, registry, now)
		e.Action, e.Outcome, e.Connector = audit.ConnectorSkipped, audit.Unknown, skipped
		b.opts.Audit.Record(e)
	}
	e := event(req, registry, now)
	e.Action, e.Connector, e.Method = audit.Login, verdict.Connector, string(identity.MethodPassword)
	e.Outcome, e.Reason, e.User = audit.Failure, string(verdict.Reason()), verdict.Whom()
	switch verdict.Kind() {
	case connectors.KindGranted:
		e.Outcome, e.Stale = audit.Success, verdict.Stale
	case connectors.KindNotMine:
		e.Reason = string(connectors.UnknownUser)
	case connectors.KindUnavailable, connectors.KindMisconfigured:
		e.Outcome, e.Reason = audit.Unknown, verdict.Kind().String()
	default: // denied: the reason is the connector's
	}
	b.opts.Audit.Record(e)
}

func event(req Request, registry Registry, now time.Time) audit.Event {
	return audit.Event{
		Time: now.UTC(), Service: registry.Service, ClientID: clip(req.ClientID, 128),
		RequestID: req.RequestID, Personal: audit.Personal{SourceIP: req.SourceIP, UserAgent: clip(req.UserAgent, 256)},
	}
}

// clip bounds what a caller can write into each audit event, in bytes.
func clip(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "?")
}
