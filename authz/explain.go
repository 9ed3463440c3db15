package authz

import "time"

// Verdict is what a decision says about one action.
type Verdict string

// The verdicts.
const (
	Allowed   Verdict = "allowed"
	NoGrant   Verdict = "no_grant"   // no live binding grants it
	BlockedBy Verdict = "blocked_by" // a binding grants it and a guardrail takes it away
)

// Explanation is a decision with its reasons. It is for administrators: it names
// groups and bindings of other people. What the caller may read is
// [Explanation.ClientReason].
type Explanation struct {
	// Subject is the caller's qualified name, empty for anonymous.
	Subject string   `json:"subject"`
	Groups  []string `json:"groups"`
	// GroupsFrom is where the groups come from; nil where whoever asks gave them.
	GroupsFrom *GroupSource `json:"groups_from,omitempty"`
	Registry   string       `json:"registry"`
	Scope      string       `json:"scope"`
	// Granted is what the token carries, named as it names it.
	Granted []string `json:"granted"`
	// Actions has one entry for each known action that was requested.
	Actions []ActionExplanation `json:"actions"`
	// Unknown lists requested actions that nobody knows.
	Unknown []string `json:"unknown_actions,omitempty"`
	// Fault says why the scope grants nothing whatever the policy is.
	Fault string `json:"fault,omitempty"`
	// NearMisses are the bindings that came closest to granting what is
	// missing, the closest first.
	NearMisses []NearMiss `json:"near_misses"`

	resource string
	missing  Actions
}

// GroupSource is who told somebody's groups, and when.
type GroupSource struct {
	Connector string    `json:"connector"`
	At        time.Time `json:"at"`
	// How says how they were found, as far as the connector tells.
	How string `json:"how,omitempty"`
	// Entries are the groups' places in the directory, by name.
	Entries map[string][]string `json:"entries,omitempty"`
}

// ActionExplanation says why one action is granted or not.
type ActionExplanation struct {
	Action  string  `json:"action"`
	Verdict Verdict `json:"verdict"`
	// Bindings grant the action.
	Bindings []string `json:"bindings"`
	// Guardrails deny it. They are listed also when no binding grants it: a
	// new binding alone would not help.
	Guardrails []string `json:"guardrails"`
}

// trace collects which rules took part in an evaluation.
type trace struct {
	grants, blocks []traced
}

type traced struct {
	rule    uint32
	actions Actions
}

func (t *trace) granted(binding uint32, actions Actions) {
	t.grants = append(t.grants, traced{binding, actions})
}

func (t *trace) blocked(guardrail uint32, actions Actions) {
	t.blocks = append(t.blocks, traced{guardrail, actions})
}

// Explain decides as [Policy.Decide] does and says why.
func (p *Policy) Explain(s *Subject, registry string, scope Scope, now time.Time) Explanation {
	if s.policy != p {
		own := p.Subject(s.id)
		s = &own
	}
	t := &trace{}
	q := query{subject: s, registry: registry, scope: &scope, want: scope.requested, now: now, trace: t}
	granted := p.evaluate(&q)
	e := Explanation{
		Subject:    s.id.String(),
		Groups:     append([]string{}, s.id.Groups...),
		Registry:   registry,
		Scope:      scope.String(),
		Granted:    scope.AnswerActions(granted),
		Actions:    []ActionExplanation{},
		NearMisses: []NearMiss{},
		resource:   resourceName(scope),
		missing:    scope.requested &^ granted,
	}
	for _, action := range scope.unknown {
		e.Unknown = append(e.Unknown, printable(action))
	}
	if fault := scope.Fault(); fault != nil {
		e.Fault = fault.Error()
		return e
	}
	var ungranted Actions
	for _, action := range inOrder() {
		if !scope.requested.Has(action) {
			continue
		}
		a := p.explainAction(action, granted, t)
		if a.Verdict == NoGrant {
			ungranted |= Actions(action)
		}
		e.Actions = append(e.Actions, a)
	}
	e.NearMisses = p.nearMisses(&q, ungranted)
	return e
}

func (p *Policy) explainAction(action Action, granted Actions, t *trace) ActionExplanation {
	a := ActionExplanation{Action: action.String(), Verdict: NoGrant, Bindings: []string{}, Guardrails: []string{}}
	for _, g := range t.grants {
		if g.actions.Has(action) {
			a.Bindings = appendNew(a.Bindings, p.doc.Bindings[g.rule].Name)
		}
	}
	for _, g := range t.blocks {
		if g.actions.Has(action) {
			a.Guardrails = appendNew(a.Guardrails, p.doc.Guardrails[g.rule].Name)
		}
	}
	switch {
	case granted.Has(action):
		a.Verdict = Allowed
	case len(a.Bindings) > 0:
		a.Verdict = BlockedBy
	}
	return a
}

func appendNew(list []string, s string) []string {
	if containsString(list, s) {
		return list
	}
	return append(list, s)
}
