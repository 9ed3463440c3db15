package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"drawbridge/authz"
	"drawbridge/connectors"
	"drawbridge/identity"
)

// loginReport is what login-test prints.
type loginReport struct {
	Username string `json:"username"`
	// Outcome is the login's if one was tried, else the lookup's.
	Outcome    string          `json:"outcome"`
	Connectors []loginStep     `json:"connectors"`
	Login      *loginResult    `json:"login,omitempty"`
	Person     *loginPerson    `json:"person"`
	Bindings   []authz.Holding `json:"bindings"`
	// PolicyRevision names the document that Bindings are of.
	PolicyRevision string `json:"policy_revision"`
}

// loginStep is one connector's part in the lookup.
type loginStep struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"`
	Match  string            `json:"match"`
	Answer connectors.Answer `json:"answer"`
	Detail string            `json:"detail,omitempty"`
}

// loginResult is the outcome of a real login.
type loginResult struct {
	Connector string   `json:"connector,omitempty"`
	Outcome   string   `json:"outcome"`
	Detail    string   `json:"detail,omitempty"`
	Skipped   []string `json:"skipped,omitempty"`
}

// loginPerson is who was found.
type loginPerson struct {
	Subject  string `json:"subject"`
	Entry    string `json:"entry,omitempty"`
	StableID string `json:"stable_id,omitempty"`
	Mail     string `json:"mail,omitempty"`
	// Slug is what ${user} stands for; empty: nothing.
	Slug       string       `json:"slug"`
	GroupsFrom string       `json:"groups_from,omitempty"`
	Groups     []loginGroup `json:"groups"`
}

// loginGroup is a group by the name that a policy gives it.
type loginGroup struct {
	Subject string   `json:"subject"`
	Entries []string `json:"entries,omitempty"`
}

// lookedUp takes over what the trace found.
func (r *loginReport) lookedUp(steps []connectors.Step, settled *connectors.Step) (identity.Identity, connectors.Description) {
	for _, s := range steps {
		r.Connectors = append(r.Connectors, loginStep{
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

// loggedIn takes over the outcome of a login.
func (r *loginReport) loggedIn(v connectors.Verdict) {
	r.Login = &loginResult{
		Connector: v.Connector, Outcome: v.Kind().String(), Detail: outcomeDetail(v.Outcome), Skipped: v.Skipped,
	}
	if v.Kind() == connectors.KindNotMine {
		r.Login.Detail = "no connector knows the username"
	}
	r.Outcome = r.Login.Outcome
}

func newLoginPerson(id identity.Identity, described connectors.Description, home string) *loginPerson {
	p := &loginPerson{
		Subject: id.String(), Entry: described.Entry, StableID: id.StableID, Mail: id.Mail,
		GroupsFrom: described.GroupsFrom, Groups: []loginGroup{},
	}
	p.Slug, _ = authz.Slug(home, id)
	for _, name := range id.Groups {
		p.Groups = append(p.Groups, loginGroup{
			Subject: authz.Principal{Kind: authz.GroupPrincipal, Connector: id.Connector, Name: name}.String(),
			Entries: described.GroupEntries[name],
		})
	}
	return p
}

// exit is the exit code that answers the question.
func (r *loginReport) exit() error {
	switch r.Outcome {
	case connectors.KindGranted.String():
		return nil
	case connectors.KindNotMine.String(), connectors.KindDenied.String():
		return problemsFound()
	}
	return &exitError{code: 2}
}

// table is the report for people.
func (r *loginReport) table() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = strings.Map(visible, cell)
		}
		_, _ = fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	row("CONNECTOR", "TYPE", "MATCH", "ANSWER")
	for _, s := range r.Connectors {
		row(s.Name, s.Type, s.Match, string(s.Answer), s.Detail)
	}
	if r.Login != nil {
		row()
		row("login", r.Login.Outcome, r.Login.Connector, r.Login.Detail)
		for _, name := range r.Login.Skipped {
			row("", "passed over", name)
		}
	}
	_ = w.Flush()
	if r.Person != nil {
		out.WriteByte('\n')
		r.Person.rows(row)
		_ = w.Flush()
		out.WriteByte('\n')
		r.bindingRows(row)
		_ = w.Flush()
	}
	return out.String()
}

// visible replaces what would move the cursor or end a cell: a directory's names
// are other people's words, and a terminal obeys escape sequences.
func visible(r rune) rune {
	if !unicode.IsPrint(r) {
		return '?'
	}
	return r
}

func (p *loginPerson) rows(row func(...string)) {
	slug := p.Slug
	if slug == "" {
		slug = "(none: it matches nothing)"
	}
	row("person", p.Subject)
	for _, line := range [][2]string{{"entry", p.Entry}, {"stable id", p.StableID}, {"mail", p.Mail}, {"${user}", slug}} {
		if line[1] != "" {
			row(line[0], line[1])
		}
	}
	if p.GroupsFrom != "" {
		row("groups", "from "+p.GroupsFrom)
	}
	for _, g := range p.Groups {
		row("", g.Subject, strings.Join(g.Entries, " and "))
	}
	if len(p.Groups) == 0 {
		row("", "none")
	}
}

func (r *loginReport) bindingRows(row func(...string)) {
	if len(r.Bindings) == 0 {
		row("no binding of the policy names this person or a group of theirs")
		return
	}
	row("BINDING", "ROLE", "REPOSITORIES", "THROUGH")
	for _, b := range r.Bindings {
		through := strings.Join(b.Through, ", ")
		if len(b.Registries) > 0 {
			through += "; only in " + strings.Join(b.Registries, ", ")
		}
		switch {
		case b.Expired:
			through += "; expired " + b.Expires.UTC().Format(time.RFC3339)
		case !b.Expires.IsZero():
			through += "; until " + b.Expires.UTC().Format(time.RFC3339)
		}
		row(b.Binding, b.Role+" ("+strings.Join(b.Rights, ", ")+")", strings.Join(b.Repositories, ", "), through)
	}
}
