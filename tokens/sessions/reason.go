package sessions

import (
	"fmt"

	"drawbridge/connectors"
)

// Reason is why a refresh token is not honoured: one of these, or a connector's
// word on the account. It goes to the audit log and to metrics; the client reads
// one sentence for all of them.
type Reason string

// The reasons beside the connectors' own.
const (
	UnknownToken Reason = "unknown_token"   // none that we issued, or one that is forgotten
	Expired      Reason = "session_expired" // refresh_ttl is over
	Revoked      Reason = "session_revoked" // it has ended before
	OtherService Reason = "other_service"   // shown for another registry
	OtherClient  Reason = "other_client"    // a rotating token, shown by another client
	Reused       Reason = "token_reused"    // a rotating token that was replaced before
	PersonGone   Reason = "person_gone"     // the connector knows no such person any more
	TurnedOff    Reason = "refresh_off"     // the registry's entry has refresh_tokens: false by now
)

// ends reports whether the reason ends the session for good. What anybody can bring
// about for somebody else (a lock by wrong passwords) does not, nor does what says
// nothing about the person.
func (r Reason) ends() bool {
	switch r {
	case Reused, PersonGone, Reason(connectors.PasswordChanged), Reason(connectors.AccountDisabled), Reason(connectors.AccountExpired):
		return true
	default:
		return false
	}
}

// Refusal is the error for a refresh token that is not honoured.
type Refusal struct {
	Reason Reason
	// Session is the one that the token belongs to; nil if it belongs to none.
	Session *Session
	// Ended says that the session was ended by this refusal.
	Ended bool
}

// Error says why, without the token.
func (r *Refusal) Error() string {
	if r.Session == nil {
		return fmt.Sprintf("the refresh token is refused: %s", r.Reason)
	}
	return fmt.Sprintf("the refresh token of session %s is refused: %s", r.Session.ID, r.Reason)
}

// Outage is the error for a refresh token that cannot be checked now. It stays as
// good as it was.
type Outage struct {
	// Session is nil where not even that could be found out.
	Session *Session
	// Verdict is the connector's, where that is what is down.
	Verdict connectors.Verdict
	// Err is the cause.
	Err error
}

// Error returns the cause.
func (o *Outage) Error() string { return fmt.Sprintf("a refresh token cannot be checked: %v", o.Err) }

// Unwrap returns the cause.
func (o *Outage) Unwrap() error { return o.Err }
