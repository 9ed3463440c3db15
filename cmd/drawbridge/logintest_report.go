package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"drawbridge/authz"
	"drawbridge/bridge/manage"
	"drawbridge/connectors"
	"drawbridge/identity"
)

// loginReport is what login-test prints.
type loginReport struct{ *manage.LoginReport }

// exit is the exit code that answers the question.
func (r loginReport) exit() error {
	switch r.Outcome {
	case connectors.KindGranted.String():
		return nil
	case connectors.KindNotMine.String(), connectors.KindDenied.String():
		return problemsFound()
	}
	return &exitError{code: 2}
}

// table is the report for people.
func (r loginReport) table() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = identity.Printable(cell)
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
		personRows(r.Person, row)
		_ = w.Flush()
		out.WriteByte('\n')
		bindingRows(r.Bindings, row)
		_ = w.Flush()
	}
	return out.String()
}

func personRows(p *manage.LoginPerson, row func(...string)) {
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
	label := "groups"
	if p.GroupsFrom != "" {
		row(label, "from "+p.GroupsFrom)
		label = ""
	}
	for _, g := range p.Groups {
		row(label, g.Subject, strings.Join(g.Entries, " and "))
		label = ""
	}
	if len(p.Groups) == 0 {
		row("", "none")
	}
}

// bindingRows are the bindings that name somebody.
func bindingRows(bindings []authz.Holding, row func(...string)) {
	if len(bindings) == 0 {
		row("no binding of the policy names this person or a group of theirs")
		return
	}
	row("BINDING", "ROLE", "REPOSITORIES", "THROUGH")
	for _, b := range bindings {
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
