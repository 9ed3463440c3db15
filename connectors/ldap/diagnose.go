package ldap

import (
	"context"
	"errors"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// Fault is what a directory that was looked at does not do.
type Fault uint8

// The faults that [Connector.Diagnose] tells apart.
const (
	NoFault      Fault = iota
	Unreached          // no connection, or no TLS
	BindRefused        // the service account may not log in
	PeopleAbsent       // user.base_dn cannot be searched
	GroupsAbsent       // groups.base_dn cannot be searched
)

// Diagnose does what a login does before it knows the person: it connects, binds as
// the service account and searches people, for a username that nobody has, and groups,
// on a connection of its own. The error says more, and never holds a secret.
func (c *Connector) Diagnose(ctx context.Context, nobody string) (Fault, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limits.login)
	defer cancel()
	s, err := c.openService(ctx, nil)
	if err != nil {
		return faultOf(err, Unreached), err
	}
	w := &worker{c: c, s: s, retried: true}
	defer func() { w.s.close() }()
	if _, err := w.searchPerson(ctx, c.userFilter.expand(nobody, "")); err != nil && !errors.Is(err, errNotFound) && !errors.Is(err, errAmbiguous) {
		return faultOf(err, PeopleAbsent), err
	}
	if c.groups.baseDN == "" || c.groups.mode == groupsNone {
		return NoFault, nil
	}
	_, err = w.search(ctx, phaseGroups, ldap3.SearchRequest{
		BaseDN: c.groups.baseDN, Scope: ldap3.ScopeWholeSubtree, SizeLimit: 1, Filter: anyEntry, Attributes: []string{noAttributes},
	})
	if code, fromServer := resultCode(err); err == nil || fromServer && code == ldap3.LDAPResultSizeLimitExceeded || errors.Is(err, ldap3.ErrSizeLimitExceeded) {
		return NoFault, nil
	}
	return faultOf(err, GroupsAbsent), err
}

// faultOf is the step that an error comes from, where the server has answered in it.
func faultOf(err error, searching Fault) Fault {
	op, ok := errors.AsType[*opError](err)
	if !ok {
		return Unreached
	}
	_, answered := resultCode(op.err)
	switch {
	case op.phase == phaseServiceBind && answered:
		return BindRefused
	case (op.phase == phaseUserSearch || op.phase == phaseGroups) && answered:
		return searching
	}
	return Unreached
}
