package ldap

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"drawbridge/connectors"
	"drawbridge/identity"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// person is what the directory says about a username, without the password. It
// is what the lookup cache holds.
type person struct {
	allGroups []string // the DNs of all groups, for Describe; never cached

	DN       string   `json:"dn"`
	Name     string   `json:"name"`
	StableID string   `json:"stable_id,omitempty"`
	Mail     string   `json:"mail,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	// Version is the time of the last change of the password, as far as the
	// directory tells it.
	Version string `json:"version,omitempty"`
	// Epoch is the person's in the cache, see [connectors.Forgets].
	Epoch connectors.Epoch `json:"epoch,omitempty"`

	// lockedForGood says that an administrator has locked the account.
	lockedForGood bool
	// state is why the account may not log in, and empty for one that may. Only
	// people who may are cached.
	state connectors.Reason

	memberOf     []string
	memberOfNext int    // where the rest of memberOf begins; 0: it is complete
	primarySID   []byte // of the primary group, for ad_nested
}

// identity returns who it is, for a caller who proved it by the method.
func (p *person) identity(connector string, method identity.Method) identity.Identity {
	return identity.Identity{
		Kind: identity.User, Connector: connector, Name: p.Name, StableID: p.StableID,
		Mail: p.Mail, Groups: slices.Clone(p.Groups), Method: method,
	}
}

// stableAttributes survive a rename, one for each family of servers: Active
// Directory, OpenLDAP and others after RFC 4530, FreeIPA, 389.
func stableAttributes() []string {
	return []string{"objectGUID", "entryUUID", "ipaUniqueID", "nsUniqueId"}
}

// find searches the person that fits the filter, and the groups, as the service account, on one
// connection. A search that fails for a reason that another connection need not
// share is repeated once, on a fresh connection and another host if there is one.
func (c *Connector) find(ctx context.Context, filter string) (*person, error) {
	if err := c.pool.acquire(ctx, c.limits.dial); err != nil {
		return nil, &opError{phase: phaseConnect, err: err}
	}
	defer c.pool.release()
	s := c.pool.get(ctx, c.limits.dial)
	if s == nil {
		var err error
		if s, err = c.openService(ctx, nil); err != nil {
			return nil, err
		}
	}
	w := &worker{c: c, s: s}
	defer func() { c.pool.put(w.s) }()
	p, err := w.searchPerson(ctx, filter)
	if err != nil {
		return nil, err
	}
	if p.Groups, err = w.groupsOf(ctx, p); err != nil {
		return nil, err
	}
	return p, nil
}

// worker runs the searches of one lookup on one service connection, which it
// replaces once.
type worker struct {
	c       *Connector
	s       *session
	retried bool
}

// search runs one search. Continuation references are ignored: following one
// would send our credentials to a host that somebody else named.
func (w *worker) search(ctx context.Context, ph phase, req ldap3.SearchRequest) ([]*ldap3.Entry, error) {
	entries, err := w.searchAll(ctx, ph, req)
	if err == nil {
		return entries, nil
	}
	bad := w.s.host
	if w.retried || !retryable(err) || ctx.Err() != nil {
		return entries, &opError{phase: ph, host: bad.addr, err: err}
	}
	w.retried = true
	if errors.Is(err, errNoAnswer) {
		bad.failed(w.c.clock())
	}
	fresh, openErr := w.c.openService(ctx, bad)
	if openErr != nil {
		return nil, openErr
	}
	w.s.close()
	w.s = fresh
	if entries, err = w.searchAll(ctx, ph, req); err != nil {
		return entries, &opError{phase: ph, host: fresh.host.addr, err: err}
	}
	return entries, nil
}

// searchAll runs a search to its end. One that may find many entries is paged.
func (w *worker) searchAll(ctx context.Context, ph phase, req ldap3.SearchRequest) ([]*ldap3.Entry, error) {
	if req.SizeLimit > pageSize {
		return w.searchPages(ctx, ph, req)
	}
	entries, _, err := w.searchOnce(ctx, ph, req)
	return entries, err
}

// searchOnce takes the request by value, so that each attempt sends a fresh one.
func (w *worker) searchOnce(ctx context.Context, ph phase, req ldap3.SearchRequest) ([]*ldap3.Entry, []ldap3.Control, error) {
	req.DerefAliases = ldap3.NeverDerefAliases
	req.TimeLimit = seconds(w.c.limits.op)
	req.EnforceSizeLimit = true
	var entries []*ldap3.Entry
	var controls []ldap3.Control
	op := opUserSearch
	if ph == phaseGroups {
		op = opGroupSearch
	}
	err := w.s.do(ctx, op, w.c.limits.op, func(conn *ldap3.Conn) error {
		result, err := conn.Search(&req)
		if result != nil {
			entries, controls = result.Entries, result.Controls
		}
		return err
	})
	return entries, controls, err
}

// searchPerson finds the one entry that fits the filter. The size limit of 2
// is sent and counted as well, because Active Directory ignores it.
func (w *worker) searchPerson(ctx context.Context, filter string) (*person, error) {
	c := w.c
	entries, err := w.search(ctx, phaseUserSearch, ldap3.SearchRequest{
		BaseDN: c.user.BaseDN, Scope: ldap3.ScopeWholeSubtree, SizeLimit: 2,
		Filter: filter, Attributes: c.userAttributes(),
	})
	code, fromServer := resultCode(err)
	switch {
	case len(entries) > 1, fromServer && code == ldap3.LDAPResultSizeLimitExceeded:
		return nil, &opError{phase: phaseUserSearch, host: w.s.host.addr, err: errAmbiguous}
	case err != nil:
		return nil, err
	case len(entries) == 0:
		return nil, &opError{phase: phaseUserSearch, host: w.s.host.addr, err: errNotFound}
	}
	p, err := c.personOf(entries[0])
	if err != nil {
		return nil, &opError{phase: phaseUserSearch, host: w.s.host.addr, err: err}
	}
	return p, nil
}

func (c *Connector) userAttributes() []string {
	attrs := slices.Concat(stableAttributes(), stateAttributes(), passwordAttributes(), []string{c.user.NameAttr})
	if c.user.MailAttr != "" {
		attrs = append(attrs, c.user.MailAttr)
	}
	switch c.groups.mode {
	case groupsMemberOf:
		attrs = append(attrs, memberOf)
	case groupsAD:
		attrs = append(attrs, objectSID, primaryGroupID)
	case groupsNone, groupsSearch:
	}
	return attrs
}

// personOf reads the entry. The name is the directory's, never what was typed.
func (c *Connector) personOf(entry *ldap3.Entry) (*person, error) {
	if entry.DN == "" {
		// A bind with an empty DN is anonymous and succeeds with any password.
		return nil, fmt.Errorf("%w: an entry without a DN matches user.filter", errBadEntry)
	}
	name, ok := nameOf(entry, c.user.NameAttr)
	if !ok {
		return nil, fmt.Errorf("%w: the entry has no readable %s; set user.name_attr", errBadEntry, c.user.NameAttr)
	}
	p := &person{
		DN: entry.DN, Name: name, Version: passwordVersion(entry), state: accountState(entry, c.clock()),
		lockedForGood: entry.GetEqualFoldAttributeValue(pwdLockedTime) == lockedForGood,
	}
	if c.user.MailAttr != "" {
		p.Mail = entry.GetEqualFoldAttributeValue(c.user.MailAttr)
	}
	for _, attr := range stableAttributes() {
		if raw := entry.GetEqualFoldRawAttributeValue(attr); len(raw) > 0 {
			p.StableID = hex.EncodeToString(raw)
			break
		}
	}
	var err error
	switch c.groups.mode {
	case groupsMemberOf:
		p.memberOf, p.memberOfNext, err = rangedValues(entry, memberOf, 0)
	case groupsAD:
		p.primarySID, err = primarySID(entry)
	case groupsNone, groupsSearch:
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// nameOf returns the name of an entry. Of several values, whose order means
// nothing in LDAP, it takes the one the DN uses, else the first in sorting
// order, so that a person has one name whichever server answers.
func nameOf(entry *ldap3.Entry, attr string) (string, bool) {
	values := entry.GetEqualFoldAttributeValues(attr)
	if inDN, ok := rdnValue(entry.DN, attr); ok && slices.Contains(values, inDN) {
		return inDN, true
	}
	if len(values) == 0 {
		return "", false
	}
	name := slices.Min(values)
	return name, printable(name)
}
