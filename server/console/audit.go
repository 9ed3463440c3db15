package console

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"drawbridge/audit"
	"drawbridge/identity"
)

// auditPage searches the audit log; all of the question is in the URL.
type auditPage struct {
	Since, Until, Action, Outcome, Reason, User, Target,
	Repository, Decision, Session, Address string
	// More says that one of the rarer fields is used.
	More     bool
	Actions  []audit.Entry
	Outcomes []audit.Outcome
	Events   []audit.Event
	Next     string
	CSV      string
	Problem  *problem
}

// maxCSV bounds an export. Who needs more has the JSON lines.
const maxCSV = 10_000

func (v *visit) audit() error {
	p := &auditPage{
		Since: v.query("since"), Until: v.query("until"), Action: v.query("action"), Outcome: v.query("outcome"), Reason: v.query("reason"),
		User: v.query("user"), Target: v.query("target"), Repository: v.query("repository"), Decision: v.query("decision"),
		Session: v.query("session"), Address: v.query("address"), Actions: audit.Catalogue(), Outcomes: []audit.Outcome{audit.Success, audit.Failure, audit.Unknown}, CSV: v.with("format", "csv"),
	}
	p.More = p.Reason+p.Target+p.Decision+p.Session+p.Address+p.Until != ""
	filter, cursor, err := p.filter(v.query("cursor"))
	asCSV := v.query("format") == "csv"
	limit := perPage
	if asCSV {
		limit = maxCSV
	}
	if err == nil {
		found, searchErr := v.Desk.AuditEvents(v.r.Context(), v.actor, filter, cursor, limit)
		if err = searchErr; err == nil {
			p.Events = found.Events
			if found.Next != (audit.Cursor{}) {
				p.Next = v.with("cursor", found.Next.String())
			}
		}
	}
	switch {
	case err != nil:
		v.logged(err)
		p.Problem = problemOf(err)
		p.Problem.headers(v.w)
		return v.show(p.Problem.Status, "audit", "Audit", p)
	case asCSV:
		return v.auditCSV(p.Events)
	}
	return v.show(http.StatusOK, "audit", "Audit", p)
}

// filter reads the question.
func (p *auditPage) filter(cursor string) (f audit.Filter, at audit.Cursor, err error) {
	f = audit.Filter{
		Reason: p.Reason, User: p.User, Target: p.Target, Repository: p.Repository, Decision: p.Decision, Session: p.Session, Address: p.Address,
	}
	if p.Action != "" {
		var action audit.Action
		if action, err = audit.ParseAction(p.Action); err != nil {
			return f, at, faulty(err)
		}
		f.Actions = []audit.Action{action}
	}
	if f.Outcome, err = audit.ParseOutcome(p.Outcome); err != nil {
		return f, at, faulty(err)
	}
	if f.Since, err = moment(p.Since); err != nil {
		return f, at, err
	}
	if f.Until, err = moment(p.Until); err != nil {
		return f, at, err
	}
	if at, err = audit.ParseCursor(cursor); err != nil {
		return f, at, faulty(err)
	}
	return f, at, nil
}

// faulty makes a sentence of an error of the form.
func faulty(err error) error {
	text := err.Error()
	return &identity.Error{Kind: identity.Invalid, Message: strings.ToUpper(text[:1]) + text[1:] + "."}
}

// moment reads a day and a time as browsers write them, in UTC; empty is none.
func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{dayTime, time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &identity.Error{Kind: identity.Invalid, Message: "A time is written like 2027-01-31T18:00, in UTC."}
}

func (v *visit) auditCSV(events []audit.Event) error {
	out := [][]string{{"time", "actor", "action", "target", "outcome", "reason", "address", "decision id", "service", "requested", "granted", "session id", "policy revision", "note"}}
	for i := range events {
		e := &events[i]
		out = append(out, []string{
			e.Time.UTC().Format(time.RFC3339Nano), e.User, string(e.Action), targetOf(e), string(e.Outcome), e.Reason, e.SourceIP, e.DecisionID,
			e.Service, strings.Join(e.Requested, " "), strings.Join(e.Granted, " "), e.SessionID, e.PolicyRevision, e.Note,
		})
	}
	return v.csv("audit", out)
}

// targetOf is what an event is about: whom or what something is done to, or what
// was asked for.
func targetOf(e *audit.Event) string {
	switch {
	case e.Target != "":
		return e.Target
	case len(e.Requested) > 0:
		return strings.Join(e.Requested, " ")
	case e.SessionID != "":
		return fmt.Sprintf("session %s", e.SessionID)
	case e.Action == audit.PolicySaved:
		return e.PolicyRevision
	}
	return e.Service
}
