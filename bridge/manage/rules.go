package manage

import (
	"slices"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/bridge"
)

// nameRules adds to decisions of the policy in force the bindings that granted what
// was asked and the guardrails that took it away. Each is decided once more, as of
// its own time; of an earlier policy nothing is said.
func nameRules(inForce bridge.Revision, events []audit.Event) {
	for i := range events {
		e := &events[i]
		if e.PolicyRevision != inForce.ID || len(e.Requested) == 0 || e.Rules != nil || inForce.Policy == nil {
			continue
		}
		who, err := whoOf(e)
		if err != nil {
			continue
		}
		subject := inForce.Policy.Subject(who)
		for _, scope := range authz.ParseScopes(e.Requested) {
			for _, action := range inForce.Policy.Explain(&subject, e.Service, scope, e.Time).Actions {
				names := action.Bindings
				if action.Verdict == authz.BlockedBy {
					names = action.Guardrails
				}
				for _, name := range names {
					if action.Verdict != authz.NoGrant && !slices.Contains(e.Rules, name) {
						e.Rules = append(e.Rules, name)
					}
				}
			}
		}
	}
}
