package authz

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/identity"
)

// Asked is a request that somebody made: what a draft is tried with.
type Asked struct {
	Who      identity.Identity
	Registry string
	Scope    Scope
}

// Flip is a decision that a draft would change.
type Flip struct {
	// Subject is the qualified name, empty for anonymous callers.
	Subject  string `json:"subject"`
	Registry string `json:"registry"`
	// Resource is the repository's name, or the catalog.
	Resource string   `json:"resource"`
	Lost     []string `json:"lost,omitempty"`
	Gained   []string `json:"gained,omitempty"`
	// Because names the bindings that grant what is lost (in the old policy) or
	// gained (in the new one), and the guardrails that take it away.
	Because []string `json:"because"`
}

// Flips replays requests against two policies and returns those decisions that
// differ, each once, by subject and resource.
func Flips(from, to *Policy, asked []Asked, now time.Time) []Flip {
	flips := []Flip{}
	seen := map[string]bool{}
	for _, a := range asked {
		before, after := from.Subject(a.Who), to.Subject(a.Who)
		had, has := from.Decide(&before, a.Registry, a.Scope, now), to.Decide(&after, a.Registry, a.Scope, now)
		if had == has {
			continue
		}
		f := Flip{
			Subject: a.Who.String(), Registry: a.Registry, Resource: resourceName(a.Scope),
			Lost: (had &^ has).Names(), Gained: (has &^ had).Names(),
		}
		if key := f.key(); seen[key] {
			continue
		} else {
			seen[key] = true
		}
		old, draft := from.Explain(&before, a.Registry, a.Scope, now), to.Explain(&after, a.Registry, a.Scope, now)
		f.Because = reasons(f.Lost, old, draft)
		for _, reason := range reasons(f.Gained, draft, old) {
			f.Because = appendNew(f.Because, reason)
		}
		flips = append(flips, f)
	}
	slices.SortFunc(flips, func(a, b Flip) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Registry, b.Registry),
			cmp.Compare(strings.Join(a.Lost, ","), strings.Join(b.Lost, ",")))
	})
	return flips
}

func (f Flip) key() string {
	return fmt.Sprintf("%q %q %q %q %q", f.Subject, f.Registry, f.Resource, f.Lost, f.Gained)
}

// reasons names what grants the actions where they are granted, and what blocks
// them where they are not.
func reasons(actions []string, granted, refused Explanation) []string {
	list := []string{}
	for _, action := range actions {
		for _, a := range granted.Actions {
			for _, binding := range a.Bindings {
				if a.Action == action {
					list = appendNew(list, "binding "+binding)
				}
			}
		}
		for _, a := range refused.Actions {
			for _, guardrail := range a.Guardrails {
				if a.Action == action {
					list = appendNew(list, "guardrail "+guardrail)
				}
			}
		}
	}
	return list
}

// FlipSummary says of how many people one action changes in one part of the
// registry: "3 people lose push on payments/**".
type FlipSummary struct {
	People   int    `json:"people"`
	Loses    bool   `json:"loses"` // else they gain it
	Action   string `json:"action"`
	Resource string `json:"resource"`
}

// String returns the sentence.
func (s FlipSummary) String() string {
	verb, people := "gain", "people"
	if s.Loses {
		verb = "lose"
	}
	if s.People == 1 {
		verb, people = verb+"s", "person"
	}
	return fmt.Sprintf("%d %s %s %s on %s", s.People, people, verb, s.Action, s.Resource)
}

// SummarizeFlips counts flips by action and by the resource's first segment,
// losses first, the largest first.
func SummarizeFlips(flips []Flip) []FlipSummary {
	people := map[FlipSummary]map[string]bool{}
	count := func(f Flip, actions []string, loses bool) {
		for _, action := range actions {
			key := FlipSummary{Loses: loses, Action: action, Resource: area(f.Resource)}
			if people[key] == nil {
				people[key] = map[string]bool{}
			}
			people[key][f.Subject] = true
		}
	}
	for _, f := range flips {
		count(f, f.Lost, true)
		count(f, f.Gained, false)
	}
	list := []FlipSummary{}
	for key, who := range people {
		key.People = len(who)
		list = append(list, key)
	}
	slices.SortFunc(list, func(a, b FlipSummary) int {
		if a.Loses != b.Loses {
			if a.Loses {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.People, a.People), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Action, b.Action))
	})
	return list
}

// area is the part of a registry that a repository lies in.
func area(resource string) string {
	if first, _, nested := strings.Cut(resource, "/"); nested {
		return first + "/**"
	}
	return resource
}
