package audit

import (
	"encoding/csv"
	"io"
	"strings"
	"time"

	"drawbridge/identity"
)

// Summary is what a table shows of an event.
func (e Event) Summary() []string {
	cells := []string{
		e.Time.UTC().Format(time.RFC3339), e.User, string(e.Action), e.About(), string(e.Outcome), e.Reason, e.SourceIP, e.DecisionID,
	}
	for i, cell := range cells {
		cells[i] = identity.Printable(cell)
	}
	return cells
}

// SummaryColumns are the names of what [Event.Summary] returns.
func SummaryColumns() []string {
	return []string{"time", "actor", "action", "target", "outcome", "reason", "address", "decision_id"}
}

// About is what an event is about: a person, what was asked for, a session or a
// revision of the policy.
func (e Event) About() string {
	switch {
	case e.Target != "":
		return e.Target
	case len(e.Requested) > 0:
		return strings.Join(e.Requested, " ")
	case e.DecisionID == "" && e.SessionID != "":
		return "session " + e.SessionID
	case e.User == "" && e.Connector != "":
		return "connector " + e.Connector
	case e.Action == PolicySaved, e.Action == PolicyLoaded, e.Action == PolicyRejected:
		return "policy " + e.PolicyRevision
	}
	return ""
}

// WriteCSV writes events for a spreadsheet, with a first line of names if first is
// true. No cell is taken for a formula there, whatever somebody called themselves.
func WriteCSV(w io.Writer, events []Event, first bool) error {
	out := csv.NewWriter(w)
	if first {
		if err := out.Write(append(SummaryColumns(), "groups", "service", "repositories", "requested", "granted",
			"connector", "method", "session_id", "client_id", "user_agent", "policy_revision", "rules", "note", "event_id")); err != nil {
			return err
		}
	}
	for _, e := range events {
		row := append(e.Summary(), strings.Join(e.Groups, " "), e.Service, strings.Join(e.Repositories, " "), strings.Join(e.Requested, " "),
			strings.Join(e.Granted, " "), e.Connector, e.Method, e.SessionID, e.ClientID, e.UserAgent, e.PolicyRevision, strings.Join(e.Rules, " "), e.Note, e.ID)
		for i, cell := range row {
			row[i] = inert(identity.Printable(cell))
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// inert keeps spreadsheets from running a cell:
// https://owasp.org/www-community/attacks/CSV_Injection
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
