package audit

import "time"

// Action is what happened. The list is closed.
type Action string

// The actions.
const (
	Login            Action = "login"             // a credential was verified or refused
	TokenIssued      Action = "token_issued"      // an access token was signed
	TokenDenied      Action = "token_denied"      // nothing that was asked is granted
	ConnectorSkipped Action = "connector_skipped" // on_unavailable: next was used
	PolicyLoaded     Action = "policy_loaded"     // a policy document came into force
	PolicyRejected   Action = "policy_rejected"   // a policy document was refused, the old one stays
)

// Outcome is ECS event.outcome.
type Outcome string

// The outcomes.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
	Unknown Outcome = "unknown" // a backend could not answer
)

// Event is one line of the audit log. Empty fields are left out.
type Event struct {
	Time    time.Time `json:"@timestamp"`
	Action  Action    `json:"event.action"`
	Outcome Outcome   `json:"event.outcome"`
	// Reason is a word from a closed list: a connector's reason, no_grant.
	Reason string `json:"event.reason,omitempty"`

	// User is the qualified name, corp/alice; empty for anonymous callers and
	// for names that no connector vouched for.
	User      string   `json:"user.name,omitempty"`
	Groups    []string `json:"group.name,omitempty"`
	Method    string   `json:"drawbridge.method,omitempty"`
	Connector string   `json:"drawbridge.connector,omitempty"`
	// Stale says that the connector is down and vouched for the caller before.
	Stale bool `json:"drawbridge.stale,omitempty"`

	SourceIP  string `json:"source.ip,omitempty"`
	UserAgent string `json:"user_agent.original,omitempty"`
	RequestID string `json:"http.request.id,omitempty"`
	ClientID  string `json:"drawbridge.client_id,omitempty"`

	// DecisionID is the token's jti, or the ID that a refused caller was shown.
	DecisionID string   `json:"drawbridge.decision_id,omitempty"`
	Service    string   `json:"drawbridge.service,omitempty"`
	Requested  []string `json:"drawbridge.scopes_requested,omitempty"`
	Granted    []string `json:"drawbridge.scopes_granted,omitempty"`
	// PolicyRevision names the policy document that decided.
	PolicyRevision string `json:"drawbridge.policy_revision,omitempty"`
}
