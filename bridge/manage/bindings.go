package manage

import (
	"context"
	"fmt"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/identity"
)

// Bindings returns the bindings that the actor may see: all of them for an
// auditor, those that they may change for a namespace owner.
func (d *Desk) Bindings(a Actor) ([]authz.Binding, error) {
	doc := d.InForce().Policy.Document()
	if a.Capabilities.Has(authz.ReadAudit) {
		return doc.Bindings, nil
	}
	namespaces, err := d.namespaces(a)
	if err != nil {
		return nil, err
	}
	list := []authz.Binding{}
	for i := range doc.Bindings {
		if authz.Within(namespaces, &doc.Bindings[i]) {
			list = append(list, doc.Bindings[i])
		}
	}
	return list, nil
}

// BindingChange adds a binding, puts it in the place of the one of that name, or
// removes it. Whoever may not change the policy may make one inside the namespaces
// that they own.
type BindingChange struct {
	// Base is the number of the revision that the caller has seen.
	Base    int64
	Binding authz.BindingSpec
	// Remove removes the binding of that name; of Binding only the name is used.
	Remove bool
	// Reason is for the policy's history.
	Reason string
}

// SaveBinding makes the change and saves the policy.
func (d *Desk) SaveBinding(ctx context.Context, a Actor, change BindingChange) (revisions.Revision, error) {
	draft := revisions.Draft{Base: change.Base, Reason: change.Reason}
	return d.save(ctx, a, draft, func(h *revisions.History, draft revisions.Draft) (revisions.Revision, error) {
		text, err := d.edit(ctx, a, change)
		if err != nil {
			return revisions.Revision{}, err
		}
		draft.Text = text
		return h.Save(ctx, draft)
	})
}

// PlanBinding says what the change would do.
func (d *Desk) PlanBinding(ctx context.Context, a Actor, change BindingChange) (Plan, error) {
	if d.Policies == nil {
		return Plan{}, d.readOnly()
	}
	text, err := d.edit(ctx, a, change)
	if err != nil {
		return Plan{}, failure(err)
	}
	return d.plan(ctx, text)
}

// edit returns the document in force with the change made, if the actor may.
func (d *Desk) edit(ctx context.Context, a Actor, change BindingChange) (string, error) {
	// Who owns nothing is told nothing: not even which bindings there are.
	if !a.Capabilities.Has(authz.WritePolicy) {
		if _, err := d.namespaces(a); err != nil {
			return "", err
		}
	}
	newest, err := d.Policies.NewestPolicy(ctx)
	if err != nil {
		return "", err
	}
	if newest.Number != change.Base {
		return "", &revisions.Stale{Seen: change.Base, Newest: newest.Number}
	}
	text := ""
	if change.Remove {
		if text, err = authz.RemoveBinding(newest.Text, change.Binding.Name); err == nil && text == newest.Text {
			err = &identity.Error{Kind: identity.NotFound, Message: fmt.Sprintf("There is no binding %.100q.", change.Binding.Name)}
		}
	} else {
		text, err = authz.SetBinding(newest.Text, change.Binding)
	}
	if err != nil {
		return "", err
	}
	return text, d.mayDraft(a, newest.Text, text)
}

// mayDraft refuses a draft that reaches beyond what the actor may change.
func (d *Desk) mayDraft(a Actor, before, after string) error {
	if a.Capabilities.Has(authz.WritePolicy) {
		return nil
	}
	namespaces, err := d.namespaces(a)
	if err != nil {
		return err
	}
	from, err := authz.Parse("policy", []byte(before))
	if err != nil {
		return err
	}
	to, err := authz.Parse("policy", []byte(after))
	if err != nil {
		return err
	}
	beyond := authz.Trespass(from, to, namespaces)
	if beyond == "" {
		return nil
	}
	return forbidden("You may manage bindings inside %s, and %s.", namesOf(namespaces), beyond)
}

// namespaces returns what the actor owns, and an error when that is nothing.
func (d *Desk) namespaces(a Actor) ([]authz.Pattern, error) {
	policy := d.InForce().Policy
	subject := policy.Subject(a.Identity)
	namespaces := policy.Namespaces(&subject, d.Clock())
	if len(namespaces) == 0 {
		return nil, a.need(authz.WritePolicy)
	}
	return namespaces, nil
}
