package audit

import (
	"slices"
	"strings"
	"time"
)

// Outcome is ECS event.outcome.
type Outcome string

// The outcomes.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
	Unknown Outcome = "unknown" // a backend could not answer
)

// Event is what happened once. Empty fields are left out of its JSON form.
//
// A request for a token is one event, however many scopes it has: the token is one,
// and so is its decision ID. [Event.Requested] and [Event.Granted] are lists of
// scopes, each with its repository and its actions.
type Event struct {
	Time time.Time `json:"@timestamp"`
	// ID is the event's own; the log gives it one. So it does with Category and
	// Type, which follow from Action.
	ID       string   `json:"event.id,omitempty"`
	Category []string `json:"event.category,omitempty"`
	Type     []string `json:"event.type,omitempty"`
	Action   Action   `json:"event.action"`
	Outcome  Outcome  `json:"event.outcome"`
	// Reason is a word from a closed list: a connector's reason, no_grant.
	Reason string `json:"event.reason,omitempty"`

	Personal

	// Note is the word of whoever did it for why.
	Note      string `json:"drawbridge.note,omitempty"`
	Method    string `json:"drawbridge.method,omitempty"`
	Connector string `json:"drawbridge.connector,omitempty"`
	// Stale says that the connector is down and vouched for the caller before.
	Stale bool `json:"drawbridge.stale,omitempty"`

	RequestID string `json:"http.request.id,omitempty"`
	ClientID  string `json:"drawbridge.client_id,omitempty"`

	// SessionID is the session's, which the access token has as sid.
	SessionID string `json:"drawbridge.session_id,omitempty"`

	// DecisionID is the token's jti, or the ID that a refused caller was shown.
	DecisionID string `json:"drawbridge.decision_id,omitempty"`
	Service    string `json:"drawbridge.service,omitempty"`
	// Repositories are those of Requested; the log fills them in.
	Repositories []string `json:"drawbridge.repository,omitempty"`
	// Requested and Granted are scopes: repository:payments/api:pull,push.
	Requested []string `json:"drawbridge.actions_requested,omitempty"`
	Granted   []string `json:"drawbridge.actions_granted,omitempty"`
	// PolicyRevision names the policy document that decided.
	PolicyRevision string `json:"drawbridge.policy_revision,omitempty"`
	// Rules are the bindings that granted and the guardrails that took away. A login
	// does not wait for them to be found: they are added when somebody asks.
	Rules []string `json:"rule.id,omitempty"`
}

// Personal is what an event tells of people. It stands apart so that there is one
// place to redact it.
type Personal struct {
	// User is the qualified name, corp/alice; empty for anonymous callers and
	// for names that no connector vouched for. Who manages something with a command
	// is cli:<user of the machine>.
	User string `json:"user.name,omitempty"`
	// Target is whom or what something is done to.
	Target    string   `json:"user.target.name,omitempty"`
	Groups    []string `json:"group.name,omitempty"`
	SourceIP  string   `json:"source.ip,omitempty"`
	UserAgent string   `json:"user_agent.original,omitempty"`
}

// repositories returns the names in scopes, each once.
func repositories(scopes []string) []string {
	var names []string
	for _, scope := range scopes {
		kind, rest, _ := strings.Cut(scope, ":")
		end := strings.LastIndexByte(rest, ':') // a name may have one, before a port
		if strings.HasPrefix(kind, "repository") && end > 0 && !slices.Contains(names, rest[:end]) {
			names = append(names, rest[:end])
		}
	}
	return names
}
