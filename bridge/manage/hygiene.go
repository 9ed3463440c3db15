package manage

import (
	"context"
	"slices"
	"strings"
	"time"

	"drawbridge/authz"
)

const (
	// unusedDays is for how long nobody needs a binding before it is called unused.
	unusedDays = 90 * 24 * time.Hour
	// soonDays is how long before its end a binding is said to expire soon.
	soonDays = 30 * 24 * time.Hour
)

// Hygiene is what can be tidied up in the policy in force.
type Hygiene struct {
	Revision string `json:"revision"`
	// Since is the time from which on the audit log was read: 90 days ago, or later
	// where it does not reach so far back.
	Since time.Time `json:"since"`
	// Requests is how many different ones were looked at.
	Requests int          `json:"requests"`
	Bindings []BindingUse `json:"bindings"`
	// UnknownGroups are named in the policy, and nobody who asked for a token had
	// them: they may be misspelt.
	UnknownGroups []UnknownGroup `json:"unknown_groups"`
}

// BindingUse is when a binding was needed. It counts as used when the policy in
// force grants, through it, something of what was asked: which binding granted it at
// the time is not recorded.
type BindingUse struct {
	Name string `json:"name"`
	Role string `json:"role"`
	// LastUsed is absent when it was not.
	LastUsed *time.Time `json:"last_used,omitempty"`
	// Unused is for bindings that grant something in a registry.
	Unused  bool       `json:"unused"`
	Expires *time.Time `json:"expires,omitempty"`
	// Expired and ExpiresSoon say what is with its end; soon is within 30 days.
	Expired     bool `json:"expired"`
	ExpiresSoon bool `json:"expires_soon"`
}

// UnknownGroup is a group that nobody had.
type UnknownGroup struct {
	Group string `json:"group"`
	// NamedBy are the bindings and guardrails that name it.
	NamedBy []string `json:"named_by"`
}

// Hygiene looks for bindings that nobody uses or that expire soon, and for groups
// that nobody has, by what the audit log tells of the last 90 days.
func (d *Desk) Hygiene(ctx context.Context, a Actor) (Hygiene, error) {
	if err := a.need(authz.ReadAudit); err != nil {
		return Hygiene{}, err
	}
	if d.Events == nil {
		return Hygiene{}, errNoEvents()
	}
	now := d.Clock()
	past, err := d.requests(ctx, now.Add(-unusedDays))
	if err != nil {
		return Hygiene{}, err
	}
	inForce := d.InForce()
	doc := inForce.Policy.Document()
	used := lastUsed(inForce.Policy, past.requests, now)
	h := Hygiene{
		Revision: inForce.ID, Since: past.since.UTC(), Requests: len(past.requests),
		Bindings: []BindingUse{}, UnknownGroups: unknownGroups(doc, past.groups),
	}
	for _, b := range doc.Bindings {
		use := BindingUse{Name: b.Name, Role: b.Role.Name}
		if at, found := used[b.Name]; found {
			use.LastUsed = &at
		}
		if !b.Expires.IsZero() {
			end := b.Expires.UTC()
			use.Expires, use.Expired = &end, !now.Before(end)
			use.ExpiresSoon = !use.Expired && end.Before(now.Add(soonDays))
		}
		use.Unused = use.LastUsed == nil && b.Role.Actions != 0 && !use.Expired
		h.Bindings = append(h.Bindings, use)
	}
	return h, nil
}

// lastUsed decides the requests again and returns when each binding granted one.
func lastUsed(policy *authz.Policy, requests []request, now time.Time) map[string]time.Time {
	used := make(map[string]time.Time)
	for _, r := range requests {
		subject := policy.Subject(r.Who)
		for _, action := range policy.Explain(&subject, r.Registry, r.Scope, now).Actions {
			for _, name := range action.Bindings {
				if action.Verdict == authz.Allowed && r.last.After(used[name]) {
					used[name] = r.last.UTC()
				}
			}
		}
	}
	return used
}

// unknownGroups returns the groups that the document names and that nobody had.
func unknownGroups(doc *authz.Document, had map[string]bool) []UnknownGroup {
	list := []UnknownGroup{}
	look := func(rule string, subjects []authz.Principal) {
		for _, s := range subjects {
			if s.Kind != authz.GroupPrincipal || someoneHad(s, had) {
				continue
			}
			i := slices.IndexFunc(list, func(u UnknownGroup) bool { return u.Group == s.String() })
			if i < 0 {
				i, list = len(list), append(list, UnknownGroup{Group: s.String()})
			}
			list[i].NamedBy = append(list[i].NamedBy, rule)
		}
	}
	for _, b := range doc.Bindings {
		look(b.Name, b.Subjects)
	}
	for _, g := range doc.Guardrails {
		look(g.Name, g.Except)
	}
	return list
}

func someoneHad(group authz.Principal, had map[string]bool) bool {
	if group.Connector != authz.AnyConnector {
		return had[group.Connector+"/"+group.Name]
	}
	for name := range had {
		if connector, rest, _ := strings.Cut(name, "/"); connector != "" && rest == group.Name {
			return true
		}
	}
	return false
}
