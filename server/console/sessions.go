package console

import (
	"net/http"
	"strings"

	"drawbridge/authz"
	"drawbridge/bridge/manage"
	"drawbridge/identity"
	"drawbridge/tokens/sessions"
)

type sessionsPage struct {
	Token           string
	Person, Service string
	Ended           bool
	// Own says that only the caller's own are shown.
	Own        bool
	Registries []string
	Sessions   []sessionRow
	Next       string
	MayEnd     bool // somebody else's
	EndPerson  string
}

type sessionRow struct {
	sessions.Session
	Live, MayEnd bool
}

// sessions lists logins that last: all of them for an auditor, their own for
// everybody else.
func (v *visit) sessions() error {
	p := sessionsPage{
		Token: v.session.FormToken, Person: v.query("person"), Service: v.query("service"), Ended: v.query("ended") == "yes",
		Own: !v.actor.Capabilities.Has(authz.ReadAudit), Registries: v.Desk.Registries, MayEnd: v.actor.Capabilities.Has(authz.WritePolicy),
	}
	if p.Own {
		p.Person = ""
	}
	list, err := v.Desk.ListSessions(v.r.Context(), v.actor, manage.SessionQuery{
		Person: p.Person, Service: p.Service, Ended: p.Ended, Cursor: v.query("cursor"), Limit: perPage,
	})
	if err != nil {
		return err
	}
	now := v.Clock()
	for i := range list.Sessions {
		s := list.Sessions[i]
		own := strings.EqualFold(s.Person.String(), v.actor.Name)
		p.Sessions = append(p.Sessions, sessionRow{s, s.Live(now), s.Live(now) && (own || p.MayEnd)})
	}
	switch {
	case p.Own:
		p.EndPerson = v.actor.Name
	case p.MayEnd || strings.EqualFold(p.Person, v.actor.Name):
		p.EndPerson = p.Person
	}
	if list.Next != "" {
		p.Next = v.with("cursor", list.Next)
	}
	title := "Sessions"
	if p.Own {
		title = "Your sessions"
	}
	return v.show(http.StatusOK, "sessions", title, p)
}

// endSessions ends one session, or everything that a person holds.
func (v *visit) endSessions() error {
	act := manage.Act{Reason: v.field("reason")}
	switch v.field("do") {
	case "session":
		report, err := v.Desk.EndSessions(v.r.Context(), v.actor, []string{v.field("id")}, act)
		if err != nil {
			return err
		}
		if len(report.Ended) == 0 {
			return &identity.Error{Kind: identity.NotFound, Message: "There is no such session, or it is not yours to end."}
		}
	case "person":
		if _, err := v.Desk.EndPerson(v.r.Context(), v.actor, v.field("person"), act); err != nil {
			return err
		}
		if strings.EqualFold(v.field("person"), v.actor.Name) {
			return v.redirect(basePath + "sessions") // their console session is over as well
		}
	default:
		return errNoButton()
	}
	return v.redirect("/console/sessions?done=ended")
}
