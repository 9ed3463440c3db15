package ldap

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// What Active Directory calls things (MS-ADTS sections 3.1.1.3.4.1 and
// 3.1.1.3.4.4; MS-DTYP section 2.4.2).
const (
	// capabilityAD is in the root DSE's supportedCapabilities of a domain controller.
	capabilityAD          = "1.2.840.113556.1.4.800"
	supportedCapabilities = "supportedCapabilities"

	// adGroupFilter finds the groups somebody is in, directly or through others: the
	// directory follows the chain of member.
	adGroupFilter = "(member:1.2.840.113556.1.4.1941:={dn})"

	objectSID      = "objectSid"
	primaryGroupID = "primaryGroupID"
)

var (
	errNotAD = errors.New("groups.mode is ad_nested and this server is no Active Directory; use search with nested: true")
	// errADSettings: ad_nested has its own filter and is nested anyway.
	errADSettings = errors.New("groups.mode ad_nested takes neither groups.filter nor groups.nested")
)

// requireAD makes sure that the server knows the rule of adGroupFilter. OpenLDAP
// answers a filter with a rule it does not know with success and no entries, and
// so would take everybody's groups away.
func (s *session) requireAD(ctx context.Context, limit time.Duration) error {
	var capabilities []string
	err := s.do(ctx, opProbe, limit, func(conn *ldap3.Conn) error {
		result, err := conn.Search(ldap3.NewSearchRequest("", ldap3.ScopeBaseObject, ldap3.NeverDerefAliases,
			1, seconds(limit), false, anyEntry, []string{supportedCapabilities}, nil))
		if err == nil && len(result.Entries) == 1 {
			capabilities = result.Entries[0].GetEqualFoldAttributeValues(supportedCapabilities)
		}
		return err
	})
	if err == nil && !slices.Contains(capabilities, capabilityAD) {
		return errNotAD
	}
	return err
}

// primarySID returns the security identifier of the person's primary group: the
// domain's, which is the person's without the last number, and primaryGroupID.
// The group does not list the person as a member, nor does the person's memberOf
// name the group.
func primarySID(entry *ldap3.Entry) ([]byte, error) {
	sid := entry.GetEqualFoldRawAttributeValue(objectSID)
	rid, err := strconv.ParseUint(entry.GetEqualFoldAttributeValue(primaryGroupID), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%w: the entry has no readable %s", errBadEntry, primaryGroupID)
	}
	const head, number = 8, 4
	if len(sid) < head+number || sid[0] != 1 || len(sid) != head+number*int(sid[1]) {
		return nil, fmt.Errorf("%w: the entry has no readable %s", errBadEntry, objectSID)
	}
	return binary.LittleEndian.AppendUint32(slices.Clone(sid[:len(sid)-number]), uint32(rid)), nil
}

// sidFilter finds the entry with the security identifier.
func sidFilter(sid []byte) string { return "(" + objectSID + "=" + octets(sid) + ")" }

// octets is a value of a filter written byte by byte (RFC 4515 section 3).
func octets(value []byte) string {
	var b strings.Builder
	for _, octet := range value {
		fmt.Fprintf(&b, `\%02x`, octet)
	}
	return b.String()
}

// adGroups adds the groups of a person of Active Directory, the primary group and
// what that one is in among them, by one search once the DN of the primary group
// is known. Nearly everybody in a domain shares one, so it mostly is.
func (w *worker) adGroups(ctx context.Context, p *person, found *groupSet) error {
	dn, known := w.c.primaries.get(p.primarySID, w.c.clock())
	if known {
		stale, err := w.adSearch(ctx, p, dn, found)
		if err != nil || !stale {
			return err
		}
	}
	dn, err := w.primaryDN(ctx, p.primarySID)
	if err != nil {
		return err
	}
	w.c.primaries.put(p.primarySID, dn, w.c.clock())
	stale, err := w.adSearch(ctx, p, dn, found)
	if err == nil && stale {
		err = fmt.Errorf("the primary group %s was moved meanwhile", dn)
	}
	return err
}

// adSearch adds the groups, and reports whether the primary group is no longer
// where it was.
func (w *worker) adSearch(ctx context.Context, p *person, primaryDN string, found *groupSet) (stale bool, err error) {
	filter := "(|" + w.c.groups.filter.expand("", p.DN) + w.c.groups.filter.expand("", primaryDN) + sidFilter(p.primarySID) + ")"
	if err := w.addGroups(ctx, filter, found); err != nil {
		return false, err
	}
	return w.c.searchesBelow(primaryDN) && !found.seen[dnKey(primaryDN)], nil
}

// searchesBelow reports whether the DN is where groups are searched.
func (c *Connector) searchesBelow(dn string) bool {
	base, baseErr := ldap3.ParseDN(c.groups.baseDN)
	entry, err := ldap3.ParseDN(dn)
	return baseErr == nil && err == nil && (base.AncestorOfFold(entry) || base.EqualFold(entry))
}

// primaryDN finds the group by its identifier, wherever it is: groups under
// groups.base_dn may have it as a member also when it is elsewhere itself, as
// Domain Users mostly is (MS-ADTS section 3.1.1.3.1.2.4, alternative forms of DNs).
func (w *worker) primaryDN(ctx context.Context, sid []byte) (string, error) {
	entries, err := w.search(ctx, phaseGroups, ldap3.SearchRequest{
		BaseDN: "<SID=" + hex.EncodeToString(sid) + ">", Scope: ldap3.ScopeBaseObject, SizeLimit: 2,
		Filter: anyEntry, Attributes: []string{noAttributes},
	})
	if err != nil {
		return "", fmt.Errorf("find the primary group (the service account must be able to read it): %w", err)
	}
	if len(entries) != 1 || entries[0].DN == "" {
		return "", fmt.Errorf("%d entries have the security identifier of the primary group", len(entries))
	}
	return entries[0].DN, nil
}

// The bounds of what is remembered about primary groups. A domain uses a few.
const (
	maxPrimaries = 64
	primaryTTL   = 5 * time.Minute
)

// primaryGroups remembers where primary groups are, so that a login needs one
// search for all groups. A DN under groups.base_dn that is out of date is noticed
// by that search; another is after primaryTTL.
type primaryGroups struct {
	mu    sync.Mutex
	known map[string]primaryGroup
}

type primaryGroup struct {
	dn string
	at time.Time
}

func (g *primaryGroups) get(sid []byte, now time.Time) (string, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	group, ok := g.known[string(sid)]
	return group.dn, ok && now.Sub(group.at) < primaryTTL
}

func (g *primaryGroups) put(sid []byte, dn string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known == nil || len(g.known) >= maxPrimaries {
		g.known = map[string]primaryGroup{}
	}
	g.known[string(sid)] = primaryGroup{dn, now}
}
