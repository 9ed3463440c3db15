package manage

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens/sessions"
)

// Sessions is what a [Desk] needs of the store for logins that last.
type Sessions interface {
	ListSessions(ctx context.Context, filter sessions.Filter) ([]sessions.Session, error)
	Session(ctx context.Context, id string) (sessions.Session, error)
	EndSession(ctx context.Context, id string, end sessions.End) (announced []feed.Change, err error)
	EndSessionsOf(ctx context.Context, subject string, end sessions.End) (ended []string, announced []feed.Change, err error)
}

// SessionQuery chooses sessions; the zero value is all live ones that the actor may
// see.
type SessionQuery struct {
	// Person is CONNECTOR/NAME or robot:NAME; empty is everybody, and for people
	// without a role themselves.
	Person, Service string
	// Ended includes those that are over or were ended, and are not yet forgotten.
	Ended bool
	// Cursor is the Next of an earlier page. Limit bounds a page; 0 is no bound.
	Cursor string
	Limit  int
}

// SessionPage is a part of the sessions, those of one person together and the
// newest first.
type SessionPage struct {
	Sessions []sessions.Session `json:"sessions" nullable:"false"`
	Next     string             `json:"next,omitempty"`
}

// ListSessions lists sessions. Everybody may list their own.
func (d *Desk) ListSessions(ctx context.Context, a Actor, q SessionQuery) (SessionPage, error) {
	page := SessionPage{Sessions: []sessions.Session{}}
	filter := sessions.Filter{Service: q.Service, Ended: q.Ended}
	var err error
	if q.Person != "" {
		if filter.Subject, err = personName(q.Person); err != nil {
			return page, err
		}
	}
	if !a.Capabilities.Has(authz.ReadAudit) {
		if filter.Subject == "" {
			filter.Subject = a.Name
		}
		if !a.is(filter.Subject) {
			return page, a.need(authz.ReadAudit)
		}
	}
	if filter.After, err = placeOf(q.Cursor); err != nil {
		return page, err
	}
	if q.Limit > 0 {
		filter.Limit = q.Limit + 1 // tells whether there is another page
	}
	list, err := d.Sessions.ListSessions(ctx, filter)
	if err != nil {
		return page, failure(err)
	}
	if q.Limit > 0 && len(list) > q.Limit {
		list = list[:q.Limit]
		page.Next = cursorOf(list[q.Limit-1].Place())
	}
	page.Sessions = append(page.Sessions, list...)
	return page, nil
}

// Ended is what became of sessions.
type Ended struct {
	// User is set when everything of a person was ended.
	User string `json:"user,omitempty"`
	// Ended are the sessions that are over now, also those that were before.
	Ended   []string `json:"ended" nullable:"false"`
	Unknown []string `json:"unknown" nullable:"false"`
}

// EndSessions ends sessions by their IDs. Everybody may end their own; somebody
// else's is unknown to those who may not.
func (d *Desk) EndSessions(ctx context.Context, a Actor, ids []string, act Act) (Ended, error) {
	report := Ended{Ended: []string{}, Unknown: []string{}}
	if err := checkReason(act.Reason); err != nil {
		return report, err
	}
	for _, id := range ids {
		err := d.endSession(ctx, a, id, act)
		d.refused(a, act, audit.Event{Action: audit.SessionRevoked, SessionID: id, Note: act.Reason}, err)
		switch {
		case errors.Is(err, store.ErrNotFound):
			report.Unknown = append(report.Unknown, id)
		case err != nil:
			return report, failure(fmt.Errorf("end session %.100q: %w", id, err))
		default:
			report.Ended = append(report.Ended, id)
		}
	}
	return report, nil
}

func (d *Desk) endSession(ctx context.Context, a Actor, id string, act Act) error {
	s, err := d.Sessions.Session(ctx, id)
	if err != nil {
		return err
	}
	if s.Person.String() != a.Name {
		if !a.Capabilities.Has(authz.ReadAudit) {
			return store.ErrNotFound
		}
		if err := a.need(authz.WritePolicy); err != nil {
			return err
		}
	}
	if act.DryRun {
		return nil
	}
	announced, err := d.Sessions.EndSession(ctx, id, sessions.End{At: d.Clock(), By: a.Name, Reason: act.Reason})
	if err != nil || len(announced) == 0 { // it had ended before
		return err
	}
	d.announce(ctx, announced...)
	d.act(ctx, a, audit.Event{Action: audit.SessionRevoked, SessionID: id, Note: act.Reason})
	return nil
}

// EndPerson ends everything that a person or robot holds now: all sessions, every
// access token, and what the servers remember of them. Everybody may do so with
// their own.
func (d *Desk) EndPerson(ctx context.Context, a Actor, who string, act Act) (Ended, error) {
	report := Ended{Ended: []string{}, Unknown: []string{}}
	subject, err := personName(who)
	if err == nil {
		err = checkReason(act.Reason)
	}
	if err != nil {
		return report, err
	}
	report.User = subject
	if !a.is(subject) {
		if err := a.need(authz.WritePolicy); err != nil {
			d.refused(a, act, audit.Event{Action: audit.PersonRevoked, Personal: audit.Personal{Target: subject}, Note: act.Reason}, err)
			return report, err
		}
	}
	if act.DryRun {
		live, err := d.Sessions.ListSessions(ctx, sessions.Filter{Subject: subject})
		for i := range live {
			report.Ended = append(report.Ended, live[i].ID)
		}
		return report, failure(err)
	}
	ended, announced, err := d.Sessions.EndSessionsOf(ctx, subject, sessions.End{At: d.Clock(), By: a.Name, Reason: act.Reason})
	if err != nil {
		d.refused(a, act, audit.Event{Action: audit.PersonRevoked, Personal: audit.Personal{Target: subject}, Note: act.Reason}, err)
		return report, failure(err)
	}
	d.announce(ctx, announced...)
	report.Ended = append(report.Ended, ended...)
	slices.Sort(report.Ended)
	d.act(ctx, a, audit.Event{Action: audit.PersonRevoked, Personal: audit.Personal{Target: subject}, Note: act.Reason})
	return report, nil
}

// is reports whether the qualified name is the actor's, in the way that sessions
// are found by it: without regard to case.
func (a Actor) is(subject string) bool {
	return a.Identity.Kind != identity.Anonymous && strings.EqualFold(a.Name, subject)
}

// personName reads a qualified name that somebody typed.
func personName(who string) (string, error) {
	id, err := ParseWho(who)
	if err == nil && id.Kind == identity.Anonymous {
		err = errors.New("anonymous callers have no sessions")
	}
	if err != nil {
		return "", invalid(err)
	}
	return id.String(), nil
}

func checkReason(reason string) error {
	if len(reason) > sessions.MaxReason {
		return invalid(fmt.Errorf("the reason has %d bytes; %d are kept", len(reason), sessions.MaxReason))
	}
	return nil
}

// cursorOf writes a place in the list as text that callers hand back.
func cursorOf(place *sessions.Place) string {
	text, _ := json.Marshal(place) // strings and a time cannot fail
	return base64.RawURLEncoding.EncodeToString(text)
}

func placeOf(cursor string) (*sessions.Place, error) {
	if cursor == "" {
		return nil, nil //nolint:nilnil // nil is the beginning of a list
	}
	place := &sessions.Place{}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(text, place)
	}
	if err != nil || place.ID == "" {
		return nil, &identity.Error{Kind: identity.Invalid, Message: "The cursor is not one of this list."}
	}
	return place, nil
}
