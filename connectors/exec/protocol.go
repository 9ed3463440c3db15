package exec

import (
	"bytes"
	"encoding/json"
	"fmt"

	"drawbridge/connectors"
	"drawbridge/identity"
)

// Version is the protocol's. A program refuses a request of another version, and
// we an answer.
const Version = 1

// kind is what a request asks for.
type kind string

const (
	kindAuthenticate kind = "authenticate"
	kindLookup       kind = "lookup"
)

// request is one line that a program reads.
type request struct {
	Version   int     `json:"version"`
	ID        uint64  `json:"id"`
	Kind      kind    `json:"kind"`
	Connector string  `json:"connector"`
	Username  string  `json:"username"`
	Password  *string `json:"password,omitempty"`
}

// question is what is asked, before a process gives it an ID.
type question struct {
	kind      kind
	connector string
	cred      identity.Credential // without a password for a lookup
	rechecks  bool                // the program can find the person again without a password
}

// line returns the request with its newline. JSON escapes every newline inside,
// so no username makes a second request.
func (q question) line(id uint64) ([]byte, error) {
	r := request{Version: Version, ID: id, Kind: q.kind, Connector: q.connector, Username: q.cred.Username}
	if q.kind == kindAuthenticate {
		password := q.cred.Password.Reveal()
		r.Password = &password
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil { //nolint:gosec // the pipe to the program is where the password belongs
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return out.Bytes(), nil
}

// outcome reads the answer to this question.
func (q question) outcome(text []byte, id uint64) (connectors.Outcome, error) {
	a, err := parseAnswer(text)
	if err != nil {
		return connectors.Outcome{}, err
	}
	if a.id != id {
		return connectors.Outcome{}, answerError("it answers another request, %d and not %d", a.id, id)
	}
	switch a.outcome {
	case connectors.KindGranted:
		who := a.identity
		who.Connector = q.connector
		if q.kind == kindAuthenticate {
			who.Method = identity.MethodPassword
		}
		if q.rechecks && who.StableID != "" {
			return connectors.Granted(who).WithVersion(a.version), nil
		}
		return connectors.Granted(who), nil
	case connectors.KindNotMine:
		return connectors.NotMine(), nil
	case connectors.KindDenied:
		if q.kind == kindLookup && (a.reason == connectors.WrongPassword || a.reason == connectors.UnknownOrWrong) {
			return connectors.Outcome{}, answerError("it finds the password wrong in a lookup, which has none")
		}
		return connectors.Denied(a.reason), nil
	case connectors.KindMisconfigured:
		return connectors.Misconfigured(a.cause(q)), nil
	default:
		return connectors.Unavailable(a.cause(q)), nil
	}
}

// cause is the program's own word on why it cannot answer.
func (a answer) cause(q question) error {
	if a.message == "" {
		return fmt.Errorf("the program says %s", a.outcome)
	}
	return fmt.Errorf("the program says %s: %s", a.outcome, clip(newRedactor(q.cred).redact(a.message), maxMessage))
}
