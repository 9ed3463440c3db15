package ldap

import (
	"context"
	"strings"

	"drawbridge/connectors"
)

var _ connectors.Describer = (*Connector)(nil)

// Describe is Lookup with the DNs of the person and of the groups.
func (c *Connector) Describe(ctx context.Context, username string) (connectors.Outcome, connectors.Description) {
	p, out := c.lookUp(ctx, username)
	if p == nil {
		return out, connectors.Description{}
	}
	d := connectors.Description{Entry: p.DN, GroupsFrom: c.groups.String(), GroupEntries: map[string][]string{}}
	for _, dn := range p.allGroups {
		name := dn
		if !strings.EqualFold(c.groups.nameAttr, nameIsDN) {
			name, _ = rdnValue(dn, c.groups.nameAttr) // else the name is the entry's alone
		}
		if name != "" {
			d.GroupEntries[name] = append(d.GroupEntries[name], dn)
		}
	}
	return out, d
}

// String says for people where groups come from; empty for nowhere.
func (g groupSettings) String() string {
	text := "a search under " + g.baseDN
	switch g.mode {
	case groupsNone:
		return ""
	case groupsMemberOf:
		text = "the entry's " + memberOf
	default:
	}
	if g.nested {
		text += ", and the groups these are in"
	}
	return text
}
