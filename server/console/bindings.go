package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"drawbridge/authz"
	"drawbridge/bridge/manage"
)

// bindingsPage lists bindings by the filters of its URL.
type bindingsPage struct {
	Q, Role, Subject, Repository string
	Roles                        []string
	ReadOnly                     string
	MayEdit                      bool
	// Namespaces are set for somebody who sees no more than them.
	Namespaces []string
	Bindings   []bindingRow
	All        int
	CSV        string
	// UsedSince is from when on it is known which bindings are used; zero: it is not.
	UsedSince time.Time
}

// bindingRow is a binding with what the table shows beside it.
type bindingRow struct {
	authz.BindingSpec
	// ManagedBy is who else than a policy-admin may change it.
	ManagedBy []string
	Expired   bool
	Soon      bool
	MayEdit   bool
	// LastUsed is zero where it was not used, as far as that is Known.
	LastUsed time.Time
	Unused   bool
}

// soon is how long before its end a binding is marked.
const soon = 14 * 24 * time.Hour

func (v *visit) bindings() error {
	p, err := v.bindingsPage()
	if err != nil {
		return err
	}
	if v.query("format") == "csv" {
		return v.bindingsCSV(p.Bindings)
	}
	return v.show(http.StatusOK, "bindings", "Bindings", p)
}

func (v *visit) bindingsPage() (*bindingsPage, error) {
	list, err := v.Desk.Bindings(v.actor)
	if err != nil {
		return nil, err
	}
	p := &bindingsPage{
		Q: v.query("q"), Role: v.query("role"), Subject: v.query("subject"), Repository: v.query("repository"),
		ReadOnly: v.Desk.ReadOnly(), All: len(list), CSV: v.with("format", "csv"),
	}
	namespaces := v.Desk.Namespaces(v.actor)
	admin := v.actor.Capabilities.Has(authz.WritePolicy)
	p.MayEdit = p.ReadOnly == "" && (admin || len(namespaces) > 0)
	if !v.actor.Capabilities.Has(authz.ReadAudit) {
		p.Namespaces = patternNames(namespaces)
	}
	now := v.Clock()
	used := v.used(p)
	for i := range list {
		row := bindingRow{BindingSpec: list[i].Spec(), ManagedBy: v.managers(&list[i])}
		row.Expired = !row.Expires.IsZero() && !now.Before(row.Expires)
		row.Soon = !row.Expired && !row.Expires.IsZero() && row.Expires.Sub(now) < soon
		row.MayEdit = p.ReadOnly == "" && (admin || authz.Within(namespaces, &list[i]))
		if use, known := used[row.Name]; known {
			row.Unused = use.Unused
			if use.LastUsed != nil {
				row.LastUsed = *use.LastUsed
			}
		}
		if !slices.Contains(p.Roles, row.Role) {
			p.Roles = append(p.Roles, row.Role)
		}
		if p.matches(&row) {
			p.Bindings = append(p.Bindings, row)
		}
	}
	slices.Sort(p.Roles)
	return p, nil
}

// used says when bindings were used last, where the audit log tells it to the
// caller.
func (v *visit) used(p *bindingsPage) map[string]manage.BindingUse {
	tidy, err := v.hygiene(v.r.Context())
	if err != nil {
		return nil // the table goes without
	}
	p.UsedSince = tidy.Since
	by := make(map[string]manage.BindingUse, len(tidy.Bindings))
	for _, use := range tidy.Bindings {
		by[use.Name] = use
	}
	return by
}

// managers lists the bindings that give the binding's repositories into somebody's
// hands.
func (v *visit) managers(b *authz.Binding) []string {
	if !v.actor.Capabilities.Has(authz.ReadAudit) {
		return nil
	}
	var names []string
	doc := v.Desk.InForce().Policy.Document()
	for i := range doc.Bindings {
		if owner := &doc.Bindings[i]; owner.Role.Capabilities.Has(authz.OwnNamespace) && authz.Within(owner.Repositories, b) {
			for _, subject := range owner.Subjects {
				names = append(names, subject.String())
			}
		}
	}
	return names
}

// matches applies the filters: parts of texts, in any case.
func (p *bindingsPage) matches(row *bindingRow) bool {
	has := func(text, part string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(part)) }
	return (p.Role == "" || row.Role == p.Role) &&
		has(strings.Join(row.Subjects, "\n"), p.Subject) && has(strings.Join(row.Repositories, "\n"), p.Repository) &&
		has(strings.Join(append([]string{row.Name, row.Reason}, slices.Concat(row.Subjects, row.Repositories)...), "\n"), p.Q)
}

func (v *visit) bindingsCSV(rows []bindingRow) error {
	out := [][]string{{"name", "subject", "role", "repositories", "registries", "managed by", "expires", "last used", "reason"}}
	for _, b := range rows {
		out = append(out, []string{
			b.Name, strings.Join(b.Subjects, " "), b.Role, strings.Join(b.Repositories, " "), strings.Join(b.Registries, ", "),
			strings.Join(b.ManagedBy, " "), stampOf(b.Expires), stampOf(b.LastUsed), b.Reason,
		})
	}
	return v.csv("bindings", out)
}

func patternNames(patterns []authz.Pattern) []string {
	names := make([]string, len(patterns))
	for i := range patterns {
		names[i] = patterns[i].String()
	}
	return names
}
