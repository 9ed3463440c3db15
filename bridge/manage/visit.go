package manage

import "drawbridge/authz"

// Document returns the policy in force in its parts: roles, guardrails, tests.
func (d *Desk) Document(a Actor) (*authz.Document, error) {
	if err := a.need(authz.ReadAudit); err != nil {
		return nil, err
	}
	return d.InForce().Policy.Document(), nil
}

// Namespaces returns the parts of the registries that the actor looks after.
func (d *Desk) Namespaces(a Actor) []authz.Pattern {
	policy := d.InForce().Policy
	subject := policy.Subject(a.Identity)
	return policy.Namespaces(&subject, d.Clock())
}

// ReadOnly names the file that holds the policy; empty: it can be changed here.
func (d *Desk) ReadOnly() string {
	if d.Policies != nil {
		return ""
	}
	return d.File
}
