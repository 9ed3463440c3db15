package bridge

import (
	"drawbridge/identity"
	"drawbridge/tracing"
)

// done is how a step came out, for its span. What is the caller's doing is no failure of
// ours.
func done(err error) (outcome string, failed bool) {
	if err == nil {
		return "ok", false
	}
	switch identity.AsError(err).Kind {
	case identity.Unauthenticated, identity.RateLimited, identity.Forbidden, identity.Invalid, identity.TooLarge, identity.Unsupported:
		return "refused", false
	case identity.Unavailable:
		return "unavailable", true
	default:
		return "failed", true
	}
}

// trace ends the span of the decision. Under its ID the audit log has what was asked
// for and granted.
func (d decision) trace(span tracing.Span) {
	span.String(tracing.DecisionID, d.decisionID)
	span.String(tracing.PolicyRevision, d.revision.ID)
	if d.nothing() {
		span.End("no_grant", false)
		return
	}
	span.End("granted", false)
}
