package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"drawbridge/configs"
	"drawbridge/identity"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// groupMode is where the groups come from.
type groupMode uint8

const (
	groupsNone groupMode = iota
	groupsMemberOf
	groupsSearch
	groupsAD
)

const (
	memberOf = "memberOf"
	// nameIsDN is the groups.name_attr that stands for the whole DN.
	nameIsDN = "dn"
	// noAttributes asks for entries without attributes (RFC 4511 section 4.5.1.8).
	noAttributes = "1.1"
	// anyEntry is the filter that every entry matches.
	anyEntry = "(objectClass=*)"
	// defaultGroupFilter finds the groups of groupOfNames and of Active Directory.
	defaultGroupFilter = "(member={dn})"
)

// The caps of a walk. What goes over them makes the login Unavailable: a set of
// groups that is cut short would be a wrong answer that nobody sees.
const (
	maxGroups = 4096
	maxDepth  = 16
	batchSize = 50
)

var (
	errTooManyGroups = fmt.Errorf("more than %d groups; narrow groups.filter or groups.base_dn", maxGroups)
	errTooDeep       = fmt.Errorf("groups are nested more than %d deep", maxDepth)
	errUnreadable    = errors.New("a group of memberOf cannot be read; let the service account read it or use name_attr dn")
)

// groupSettings is the groups section of the configuration, parsed.
type groupSettings struct {
	mode     groupMode
	baseDN   string
	nameAttr string
	nested   bool
	filter   template
}

func parseGroups(cfg configs.LDAPGroups) (groupSettings, error) {
	g := groupSettings{baseDN: cfg.BaseDN, nameAttr: cfg.NameAttr, nested: cfg.Nested}
	switch cfg.Mode {
	case "", configs.GroupsNone:
		return groupSettings{}, nil
	case configs.GroupsMemberOf:
		g.mode = groupsMemberOf
	case configs.GroupsSearch:
		g.mode = groupsSearch
	case configs.GroupsADNested:
		g.mode = groupsAD
	default:
		return g, fmt.Errorf("groups.mode: %q is none of none, member_of, search and ad_nested", cfg.Mode)
	}
	if g.nameAttr == "" {
		g.nameAttr = "cn"
	}
	if g.mode == groupsMemberOf && !g.nested {
		return g, nil
	}
	if _, err := ldap3.ParseDN(g.baseDN); err != nil || g.baseDN == "" {
		return g, fmt.Errorf("groups.base_dn: %q is not the DN under which groups are searched", g.baseDN)
	}
	filter, err := g.filterText(cfg)
	if err != nil {
		return g, err
	}
	if g.filter, err = parseGroupFilter(filter, g.nested); err != nil {
		return g, fmt.Errorf("groups.filter: %w", err)
	}
	return g, nil
}

// filterText is the filter in force, with the default of the mode.
func (g groupSettings) filterText(cfg configs.LDAPGroups) (string, error) {
	switch {
	case g.mode == groupsAD && (cfg.Filter != "" || cfg.Nested):
		return "", errADSettings
	case g.mode == groupsAD:
		return adGroupFilter, nil
	case cfg.Filter == "":
		return defaultGroupFilter, nil
	}
	return cfg.Filter, nil
}

// groupsOf returns the names of the person's groups, sorted, or an error of
// phaseGroups: never a set that may be incomplete.
func (w *worker) groupsOf(ctx context.Context, p *person) ([]string, error) {
	g := w.c.groups
	found := &groupSet{seen: map[string]bool{}}
	var err error
	switch g.mode {
	case groupsNone:
		return nil, nil
	case groupsMemberOf:
		if err = w.restOfMemberOf(ctx, p); err == nil {
			err = w.namesOf(ctx, p.memberOf, found)
		}
	case groupsAD:
		err = w.adGroups(ctx, p, found)
	case groupsSearch:
		err = w.searchGroups(ctx, []string{p.DN}, p.Name, found)
	}
	if err == nil && g.nested {
		err = w.walk(ctx, p.Name, found)
	}
	if err != nil {
		if _, ok := errors.AsType[*opError](err); !ok {
			err = &opError{phase: phaseGroups, host: w.s.host.addr, err: err}
		}
		return nil, err
	}
	p.allGroups = found.dns
	return identity.NormalizeGroups(found.names), nil
}

// groupSet collects groups; a DN counts once.
type groupSet struct {
	seen  map[string]bool
	dns   []string // in the order in which they were found
	names []string
}

// add takes a group and reports whether it is new.
func (g *groupSet) add(dn string) (bool, error) {
	key := dnKey(dn)
	if g.seen[key] {
		return false, nil
	}
	if len(g.dns) >= maxGroups {
		return false, errTooManyGroups
	}
	g.seen[key] = true
	g.dns = append(g.dns, dn)
	return true, nil
}

// walk goes upward: the groups of the groups, level by level, until a level
// finds nothing new. A cycle ends because every DN is visited once.
func (w *worker) walk(ctx context.Context, username string, found *groupSet) error {
	for level, done := 0, 0; done < len(found.dns); level++ {
		if level == maxDepth {
			return errTooDeep
		}
		frontier := found.dns[done:]
		done = len(found.dns)
		for len(frontier) > 0 {
			n := min(batchSize, len(frontier))
			if err := w.searchGroups(ctx, frontier[:n], username, found); err != nil {
				return err
			}
			frontier = frontier[n:]
		}
	}
	return nil
}

// searchGroups adds the groups that groups.filter finds for the DNs, in one
// search.
func (w *worker) searchGroups(ctx context.Context, dns []string, username string, found *groupSet) error {
	g := w.c.groups
	var filter strings.Builder
	for _, dn := range dns {
		filter.WriteString(g.filter.expand(username, dn))
	}
	text := filter.String()
	if len(dns) > 1 {
		text = "(|" + text + ")"
	}
	return w.addGroups(ctx, text, found)
}

// addGroups adds the groups that match the filter. Only the name is asked for.
func (w *worker) addGroups(ctx context.Context, filter string, found *groupSet) error {
	g := w.c.groups
	attrs := []string{g.nameAttr}
	if strings.EqualFold(g.nameAttr, nameIsDN) {
		attrs = []string{noAttributes}
	}
	entries, err := w.search(ctx, phaseGroups, ldap3.SearchRequest{
		BaseDN: g.baseDN, Scope: ldap3.ScopeWholeSubtree, SizeLimit: maxGroups + 1,
		Filter: filter, Attributes: attrs,
	})
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := w.addEntry(ctx, entry, found); err != nil {
			return err
		}
	}
	return nil
}

// addEntry takes one group of a search. A group that lacks the name attribute
// cannot be named in a policy and is left out; a debug line says so.
func (w *worker) addEntry(ctx context.Context, entry *ldap3.Entry, found *groupSet) error {
	isNew, err := found.add(entry.DN)
	if err != nil || !isNew {
		return err
	}
	if strings.EqualFold(w.c.groups.nameAttr, nameIsDN) {
		found.names = append(found.names, entry.DN)
		return nil
	}
	name, ok := nameOf(entry, w.c.groups.nameAttr)
	if !ok {
		w.c.log.DebugContext(ctx, "a group has no readable name", "dn", entry.DN, "name_attr", w.c.groups.nameAttr)
		return nil
	}
	found.names = append(found.names, name)
	return nil
}

// namesOf adds the groups of a memberOf attribute. The name is taken from the DN
// where it stands there, and read from the group's entry where it does not.
func (w *worker) namesOf(ctx context.Context, dns []string, found *groupSet) error {
	attr := w.c.groups.nameAttr
	for _, dn := range dns {
		name, inDN := dn, strings.EqualFold(attr, nameIsDN)
		if !inDN {
			name, inDN = rdnValue(dn, attr)
		}
		if inDN {
			isNew, err := found.add(dn)
			if err != nil {
				return err
			}
			if isNew {
				found.names = append(found.names, name)
			}
			continue
		}
		entries, err := w.search(ctx, phaseGroups, ldap3.SearchRequest{
			BaseDN: dn, Scope: ldap3.ScopeBaseObject, SizeLimit: 1,
			Filter: anyEntry, Attributes: []string{attr},
		})
		if err != nil {
			return err
		}
		if len(entries) != 1 {
			return errUnreadable
		}
		if err := w.addEntry(ctx, entries[0], found); err != nil {
			return err
		}
	}
	return nil
}
