package console

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"drawbridge/authz"
	"drawbridge/bridge/manage"
)

// peoplePage looks somebody up and lists the groups that the policy names.
type peoplePage struct {
	Who     string
	Problem *problem
	Found   *manage.Access
	// FetchedAt is when the connector was asked.
	FetchedAt time.Time
	Source    string
	Groups    []groupRow
	// Since is how far back the audit log tells about groups.
	Since time.Time
}

// groupRow is a group that bindings or guardrails name.
type groupRow struct {
	Name     string
	Bindings []string
	// Unknown says that nobody had it, as far as the audit log reaches.
	Unknown bool
}

func (v *visit) people() error {
	doc, err := v.Desk.Document(v.actor)
	if err != nil {
		return err
	}
	p := peoplePage{Who: v.query("who"), Groups: groupsIn(doc)}
	if tidy, err := v.hygiene(v.r.Context()); err == nil {
		p.Since = tidy.Since
		for i := range p.Groups {
			p.Groups[i].Unknown = slices.ContainsFunc(tidy.UnknownGroups, func(u manage.UnknownGroup) bool { return u.Group == p.Groups[i].Name })
		}
	}
	if p.Who == "" {
		return v.show(http.StatusOK, "people", "Users and groups", p)
	}
	found, err := v.Desk.List(v.r.Context(), v.actor, p.Who, nil)
	if err != nil {
		v.logged(err)
		p.Problem = problemOf(err)
		p.Problem.headers(v.w)
		return v.show(p.Problem.Status, "people", "Users and groups", p)
	}
	p.Found, p.FetchedAt = &found, v.Clock()
	if id, err := manage.ParseWho(p.Who); err == nil {
		p.Source = id.Connector
	}
	return v.show(http.StatusOK, "people", "Users and groups", p)
}

// groupsIn lists the groups that a document names, by name.
func groupsIn(doc *authz.Document) []groupRow {
	var list []groupRow
	for i := range doc.Bindings {
		for _, subject := range doc.Bindings[i].Subjects {
			if subject.Kind != authz.GroupPrincipal {
				continue
			}
			name := subject.String()
			at := slices.IndexFunc(list, func(g groupRow) bool { return g.Name == name })
			if at < 0 {
				at, list = len(list), append(list, groupRow{Name: name})
			}
			list[at].Bindings = append(list[at].Bindings, doc.Bindings[i].Name)
		}
	}
	slices.SortFunc(list, func(a, b groupRow) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
