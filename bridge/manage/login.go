package manage

import (
	"drawbridge/authz"
	"drawbridge/connectors"
	"drawbridge/identity"
)

// LoginReport is what the connectors and the policy say of a username.
type LoginReport struct {
	Username string `json:"username"`
	// Outcome is the login's if one was tried, else the lookup's.
	Outcome    string          `json:"outcome"`
	Connectors []LoginStep     `json:"connectors"`
	Login      *LoginResult    `json:"login,omitempty"`
	Person     *LoginPerson    `json:"person"`
	Bindings   []authz.Holding `json:"bindings"`
	// PolicyRevision names the document that Bindings are of.
	PolicyRevision string `json:"policy_revision"`
}

// LoginStep is one connector's part in the lookup.
type LoginStep struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"`
	Match  string            `json:"match"`
	Answer connectors.Answer `json:"answer"`
	Detail string            `json:"detail,omitempty"`
}

// LoginResult is the outcome of a real login.
type LoginResult struct {
	Connector string   `json:"connector,omitempty"`
	Outcome   string   `json:"outcome"`
	Detail    string   `json:"detail,omitempty"`
	Skipped   []string `json:"skipped,omitempty"`
}

// LoginPerson is who was found.
type LoginPerson struct {
	Subject  string `json:"subject"`
	Entry    string `json:"entry,omitempty"`
	StableID string `json:"stable_id,omitempty"`
	Mail     string `json:"mail,omitempty"`
	// Slug is what ${user} stands for; empty: nothing.
	Slug       string       `json:"slug"`
	GroupsFrom string       `json:"groups_from,omitempty"`
	Groups     []LoginGroup `json:"groups"`
}

// LoginGroup is a group by the name that a policy gives it.
type LoginGroup struct {
	Subject string   `json:"subject"`
	Entries []string `json:"entries,omitempty"`
}

// LookedUp takes over what a trace found.
func (r *LoginReport) LookedUp(steps []connectors.Step, settled *connectors.Step) (identity.Identity, connectors.Description) {
	r.Connectors = []LoginStep{}
	for _, s := range steps {
		r.Connectors = append(r.Connectors, LoginStep{
			Name: s.Connector.Name(), Match: s.Match.String(), Answer: s.Answer, Detail: stepDetail(s),
		})
	}
	if settled == nil {
		r.Outcome = connectors.KindNotMine.String()
		return identity.Identity{}, connectors.Description{}
	}
	r.Outcome = string(settled.Answer)
	return settled.Outcome.Identity(), settled.Description
}

// stepDetail is what a step's answer means, in words.
func stepDetail(s connectors.Step) string {
	switch s.Answer {
	case connectors.NotRouted:
		return "the username does not fit match"
	case connectors.NotAsked:
		return "a connector before this one has the last word"
	case connectors.AtLogin:
		return "tells nothing without a password: use --password-stdin"
	}
	detail := outcomeDetail(s.Outcome)
	if s.Outcome.Kind() == connectors.KindDenied && s.Description.Entry != "" {
		detail += ": " + s.Description.Entry
	}
	if s.Skipped {
		detail = "passed over (on_unavailable: next): " + detail
	}
	return detail
}

func outcomeDetail(o connectors.Outcome) string {
	switch o.Kind() {
	case connectors.KindGranted:
		return o.Identity().String()
	case connectors.KindNotMine:
		return "the username is unknown here"
	case connectors.KindDenied:
		return string(o.Reason())
	default:
		if o.Cause() == nil {
			return ""
		}
		return o.Cause().Error()
	}
}

// LoggedIn takes over the outcome of a login.
func (r *LoginReport) LoggedIn(v connectors.Verdict) {
	r.Login = &LoginResult{
		Connector: v.Connector, Outcome: v.Kind().String(), Detail: outcomeDetail(v.Outcome), Skipped: v.Skipped,
	}
	if v.Kind() == connectors.KindNotMine {
		r.Login.Detail = "no connector knows the username"
	}
	r.Outcome = r.Login.Outcome
}

func newLoginPerson(id identity.Identity, described connectors.Description, home string) *LoginPerson {
	p := &LoginPerson{
		Subject: id.String(), Entry: described.Entry, StableID: id.StableID, Mail: id.Mail,
		GroupsFrom: described.GroupsFrom, Groups: []LoginGroup{},
	}
	p.Slug, _ = authz.Slug(home, id)
	for _, name := range id.Groups {
		p.Groups = append(p.Groups, LoginGroup{
			Subject: authz.Principal{Kind: authz.GroupPrincipal, Connector: id.Connector, Name: name}.String(),
			Entries: described.GroupEntries[name],
		})
	}
	return p
}
