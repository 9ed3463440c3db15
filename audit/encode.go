package audit

import (
	"encoding/json"
	"time"
)

// AppendJSON appends what encoding/json makes of the event, without escaping what is
// special in HTML alone. There are thousands of events in a second, each for every
// sink, and reflection took longer over one than the policy's decision.
func (e *Event) AppendJSON(b []byte) []byte {
	b = append(b, `{"@timestamp":"`...)
	b = append(e.Time.AppendFormat(b, time.RFC3339Nano), '"')
	b = appendString(b, "event.id", e.ID)
	b = appendStrings(b, "event.category", e.Category)
	b = appendStrings(b, "event.type", e.Type)
	b = appendQuoted(append(b, `,"event.action":`...), string(e.Action))
	b = appendQuoted(append(b, `,"event.outcome":`...), string(e.Outcome))
	b = appendString(b, "event.reason", e.Reason)
	b = e.appendPersonal(b)
	b = appendString(b, "drawbridge.note", e.Note)
	b = appendString(b, "drawbridge.method", e.Method)
	b = appendString(b, "drawbridge.connector", e.Connector)
	if e.Stale {
		b = append(b, `,"drawbridge.stale":true`...)
	}
	b = appendString(b, "http.request.id", e.RequestID)
	b = appendString(b, "drawbridge.client_id", e.ClientID)
	b = appendString(b, "drawbridge.session_id", e.SessionID)
	b = appendString(b, "drawbridge.decision_id", e.DecisionID)
	b = appendString(b, "drawbridge.service", e.Service)
	b = appendStrings(b, "drawbridge.repository", e.Repositories)
	b = appendStrings(b, "drawbridge.actions_requested", e.Requested)
	b = appendStrings(b, "drawbridge.actions_granted", e.Granted)
	b = appendString(b, "drawbridge.policy_revision", e.PolicyRevision)
	b = appendStrings(b, "rule.id", e.Rules)
	return append(b, '}')
}

func (p *Personal) appendPersonal(b []byte) []byte {
	b = appendString(b, "user.name", p.User)
	b = appendString(b, "user.target.name", p.Target)
	b = appendStrings(b, "group.name", p.Groups)
	b = appendString(b, "source.ip", p.SourceIP)
	return appendString(b, "user_agent.original", p.UserAgent)
}

// appendName begins a field after the first. Names have nothing to escape.
func appendName(b []byte, name string) []byte {
	b = append(b, ',', '"')
	return append(append(b, name...), '"', ':')
}

func appendString(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendQuoted(appendName(b, name), value)
}

func appendStrings(b []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return b
	}
	b = append(appendName(b, name), '[')
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, value)
	}
	return append(b, ']')
}

// appendQuoted appends a JSON string. What is not plain ASCII is left to encoding/json.
func appendQuoted(b []byte, value string) []byte {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(value) // a string always encodes
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	return append(append(b, value...), '"')
}
