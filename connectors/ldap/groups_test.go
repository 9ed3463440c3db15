package ldap

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"drawbridge/configs"
	"drawbridge/connectors"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap3 "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

// entryOf is a SearchResultEntry with any attributes: name, values, name, values.
func entryOf(dn string, attributes ...any) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap3.ApplicationSearchResultEntry, nil, "entry")
	p.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, dn, "DN"))
	list := ber.NewSequence("attributes")
	for i := 0; i < len(attributes); i += 2 {
		attribute, values := ber.NewSequence("attribute"), ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "values")
		attribute.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, attributes[i].(string), "type"))
		for _, v := range attributes[i+1].([]string) {
			values.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, v, "value"))
		}
		attribute.AppendChild(values)
		list.AppendChild(attribute)
	}
	p.AppendChild(list)
	return p
}

// searched reads a search request as the scripted server got it.
type searched struct {
	base, filter string
	scope, limit int64
	attributes   []string
}

// normalFilter spells a filter as readSearch does.
func normalFilter(t *testing.T, filter string) string {
	t.Helper()
	packet, err := ldap3.CompileFilter(filter)
	if err != nil {
		t.Fatal(err)
	}
	text, err := ldap3.DecompileFilter(packet)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readSearch(t *testing.T, request *ber.Packet) searched {
	t.Helper()
	filter, err := ldap3.DecompileFilter(request.Children[6])
	if err != nil {
		t.Error(err)
	}
	s := searched{base: request.Children[0].Data.String(), filter: filter}
	s.scope, _ = request.Children[1].Value.(int64)
	s.limit, _ = request.Children[3].Value.(int64)
	for _, a := range request.Children[7].Children {
		s.attributes = append(s.attributes, a.Data.String())
	}
	return s
}

// domain is a scripted Active Directory with one person, alice.
type domain struct {
	mu           sync.Mutex
	capabilities []string
	primaryDN    string
	searches     []searched
}

const (
	personSID = "\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x51\x04\x00\x00"
	usersSID  = `(objectSid=\01\05\00\00\00\00\00\05\15\00\00\00\01\00\00\00\02\00\00\00\03\00\00\00\01\02\00\00)`
	rule      = "member:1.2.840.113556.1.4.1941:="
)

func newDomain() *domain {
	return &domain{capabilities: []string{"1.2.840.113556.1.4.1670", capabilityAD}, primaryDN: "CN=Domain Users,DC=x"}
}

func (d *domain) answer(t *testing.T) func(*ber.Packet) []*ber.Packet {
	return func(request *ber.Packet) []*ber.Packet {
		if request.Tag != ldap3.ApplicationSearchRequest {
			return polite()(request)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		q := readSearch(t, request)
		d.searches = append(d.searches, q)
		var out []*ber.Packet
		switch {
		case q.base == "":
			out = append(out, entryOf("", supportedCapabilities, d.capabilities))
		case strings.HasPrefix(q.filter, "(uid="):
			out = append(out, entryOf("CN=alice,DC=x", "uid", []string{"alice"}, "objectSid", []string{personSID}, "primaryGroupID", []string{"513"}))
		case strings.HasPrefix(q.base, "<SID="):
			if d.primaryDN == "" {
				return []*ber.Packet{searchDone(ldap3.LDAPResultNoSuchObject, "")}
			}
			out = append(out, entryOf(d.primaryDN))
		default:
			if strings.Contains(q.filter, rule+"CN=alice,DC=x") {
				out = append(out, entryOf("CN=dev,DC=x", "cn", []string{"dev"}))
			}
			if strings.HasSuffix(d.primaryDN, q.base) && strings.Contains(strings.ToUpper(q.filter), "OBJECTSID") {
				out = append(out, entryOf(d.primaryDN, "cn", []string{"Domain Users"}))
			}
			if d.primaryDN != "" && strings.Contains(q.filter, rule+d.primaryDN) {
				out = append(out, entryOf("CN=everybody,DC=x", "cn", []string{"everybody"}))
			}
		}
		return append(out, searchDone(0, ""))
	}
}

// take returns what was searched since the last call.
func (d *domain) take() []searched {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.searches = nil }()
	return d.searches
}

// withGroups connects to the servers with the groups section.
func withGroups(t *testing.T, groups configs.LDAPGroups, servers ...*script) *Connector {
	t.Helper()
	cfg := valid()
	cfg.LDAP.Groups, cfg.LDAP.URLs = groups, nil
	for _, s := range servers {
		cfg.LDAP.URLs = append(cfg.LDAP.URLs, "ldap://"+s.addr)
	}
	c, err := New(cfg, Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func adNested() configs.LDAPGroups {
	return configs.LDAPGroups{Mode: configs.GroupsADNested, BaseDN: "DC=x", NameAttr: "cn"}
}

// TestADNested: the rule and the primary group take one search on a warm
// connection, which asks for names only.
func TestADNested(t *testing.T) {
	d := newDomain()
	c := withGroups(t, adNested(), serve(t, d.answer(t)))
	want := []string{"Domain Users", "dev", "everybody"}
	for i, searches := range []int{4, 2} { // root DSE, person, primary group, groups; then person, groups
		out := authenticate(c)
		if diff := cmp.Diff(want, out.Identity().Groups); diff != "" {
			t.Fatalf("login %d: %v %s", i, out, diff)
		}
		seen := d.take()
		if len(seen) != searches {
			t.Errorf("login %d: %d searches: %+v", i, len(seen), seen)
		}
		last := seen[len(seen)-1]
		filter := normalFilter(t, "(|("+rule+"CN=alice,DC=x)("+rule+"CN=Domain Users,DC=x)"+usersSID+")")
		if !slices.Equal(last.attributes, []string{"cn"}) || last.filter != filter {
			t.Errorf("the groups are searched with %+v, want %s", last, filter)
		}
	}
}

// TestADPrimaryGroupMoves: a DN that is out of date costs a search, and no group.
func TestADPrimaryGroupMoves(t *testing.T) {
	d := newDomain()
	c := withGroups(t, adNested(), serve(t, d.answer(t)))
	authenticate(c)
	for _, tt := range []struct {
		dn   string
		want []string
	}{
		{"CN=Moved,DC=x", []string{"Domain Users", "dev", "everybody"}},
		// Not where groups are searched: it is no group, but what it is in is.
		{"CN=Domain Users,DC=elsewhere", []string{"dev", "everybody"}},
		{"CN=Domain Users,DC=x", []string{"Domain Users", "dev", "everybody"}},
	} {
		d.mu.Lock()
		d.primaryDN = tt.dn
		d.mu.Unlock()
		if strings.HasPrefix(tt.dn, "CN=Domain Users") {
			c.primaries = primaryGroups{} // the time of what was known is over
		}
		if diff := cmp.Diff(tt.want, authenticate(c).Identity().Groups); diff != "" {
			t.Errorf("%q: %s", tt.dn, diff)
		}
	}
}

// TestADPrimaryGroupUnreadable: groups that may follow from it would be lost
// without a word.
func TestADPrimaryGroupUnreadable(t *testing.T) {
	d := newDomain()
	d.primaryDN = ""
	expect(t, authenticate(withGroups(t, adNested(), serve(t, d.answer(t)))), connectors.KindUnavailable, "")
}

// TestADNestedElsewhere: another server would answer the rule with no groups.
func TestADNestedElsewhere(t *testing.T) {
	for _, capabilities := range [][]string{nil, {"1.2.840.113556.1.4.8000"}} {
		d := newDomain()
		d.capabilities = capabilities
		s := serve(t, d.answer(t))
		expect(t, authenticate(withGroups(t, adNested(), s)), connectors.KindMisconfigured, "")
		if n := s.count(ldap3.ApplicationBindRequest); n != 1 {
			t.Errorf("%d binds: a password was tried", n)
		}
	}
}

func TestPrimarySID(t *testing.T) {
	for name, attributes := range map[string][]*ldap3.EntryAttribute{
		"no SID":         {ldap3.NewEntryAttribute("primaryGroupID", []string{"513"})},
		"no group":       {ldap3.NewEntryAttribute("objectSid", []string{personSID})},
		"cut short":      {ldap3.NewEntryAttribute("objectSid", []string{personSID[:27]}), ldap3.NewEntryAttribute("primaryGroupID", []string{"513"})},
		"count is off":   {ldap3.NewEntryAttribute("objectSid", []string{"\x01\x04" + personSID[2:]}), ldap3.NewEntryAttribute("primaryGroupID", []string{"513"})},
		"revision":       {ldap3.NewEntryAttribute("objectSid", []string{"\x02" + personSID[1:]}), ldap3.NewEntryAttribute("primaryGroupID", []string{"513"})},
		"negative":       {ldap3.NewEntryAttribute("objectSid", []string{personSID}), ldap3.NewEntryAttribute("primaryGroupID", []string{"-1"})},
		"nothing at all": {ldap3.NewEntryAttribute("objectSid", []string{"\x01\x00\x00\x00\x00\x00\x00\x05"}), ldap3.NewEntryAttribute("primaryGroupID", []string{"1"})},
	} {
		if sid, err := primarySID(&ldap3.Entry{Attributes: attributes}); err == nil {
			t.Errorf("%s: got %x", name, sid)
		}
	}
}

// ranged is a directory that gives the person's memberOf three at a time.
func ranged(t *testing.T, total int, part func(first int) (name string, values []string)) func(*ber.Packet) []*ber.Packet {
	return func(request *ber.Packet) []*ber.Packet {
		if request.Tag != ldap3.ApplicationSearchRequest {
			return polite()(request)
		}
		q, first := readSearch(t, request), 0
		if q.scope == ldap3.ScopeBaseObject {
			if _, err := fmt.Sscanf(q.attributes[0], "memberOf;range=%d-*", &first); err != nil || first >= total {
				t.Errorf("asked for %v", q.attributes)
			}
		}
		name, values := part(first)
		return []*ber.Packet{entryOf("uid=alice,dc=x", "uid", []string{"alice"}, "memberOf", []string(nil), name, values), searchDone(0, "")}
	}
}

func dns(first, end int) (values []string) {
	for i := first; i < end; i++ {
		values = append(values, fmt.Sprintf("cn=g%04d,dc=x", i))
	}
	return values
}

// TestRangedMemberOf is followed to its end: the names of all, and no part of them.
func TestRangedMemberOf(t *testing.T) {
	const total = 3700
	part := func(first int) (string, []string) {
		if first+1500 >= total {
			return fmt.Sprintf("memberOf;range=%d-*", first), dns(first, total)
		}
		return fmt.Sprintf("memberof;Range=%d-%d", first, first+1499), dns(first, first+1500)
	}
	s := serve(t, ranged(t, total, part))
	c := withGroups(t, configs.LDAPGroups{Mode: configs.GroupsMemberOf, NameAttr: "cn"}, s)
	out := authenticate(c)
	if groups := out.Identity().Groups; len(groups) != total || groups[total-1] != "g3699" {
		t.Fatalf("%v: %d groups", out.Kind(), len(groups))
	}
	if n := s.count(ldap3.ApplicationSearchRequest); n != 3 {
		t.Errorf("%d searches", n)
	}
}

// TestRangesThatDoNotFit: a server that loops, leaves out or never ends is not
// believed, and nobody logs in with a part of their groups.
func TestRangesThatDoNotFit(t *testing.T) {
	for name, part := range map[string]func(int) (string, []string){
		"the same part again": func(int) (string, []string) { return "memberOf;range=0-2", dns(0, 3) },
		"a gap": func(first int) (string, []string) {
			return fmt.Sprintf("memberOf;range=%d-%d", first*2, first*2+2), dns(0, 3)
		},
		"fewer than announced": func(int) (string, []string) { return "memberOf;range=0-9", dns(0, 3) },
		"no number":            func(int) (string, []string) { return "memberOf;range=0-x", dns(0, 3) },
		"backwards":            func(int) (string, []string) { return "memberOf;range=3-0", dns(0, 3) },
		"then nothing": func(first int) (string, []string) {
			if first > 0 {
				return "description", []string{"x"}
			}
			return "memberOf;range=0-2", dns(0, 3)
		},
		"for ever": func(first int) (string, []string) {
			return fmt.Sprintf("memberOf;range=%d-%d", first, first+999), dns(first, first+1000)
		},
	} {
		s := serve(t, ranged(t, 1<<30, part))
		out := authenticate(withGroups(t, configs.LDAPGroups{Mode: configs.GroupsMemberOf, NameAttr: "cn"}, s))
		if out.Kind() != connectors.KindUnavailable {
			t.Errorf("%s: got %v", name, out)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{"memberOf", "memberOf;range=0-1499", "MEMBEROF;binary;RANGE=5-*", "memberOf;range=", "memberOf;range=9-1", "memberOf;range=99999999999999999999-*", "other;range=0-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		r, ok, err := parseRange(name, "memberOf")
		if ok && err != nil {
			t.Fatalf("%q: both a range and %v", name, err)
		}
		if ok && (r.first < 0 || !r.final && r.last < r.first) {
			t.Errorf("%q: %+v", name, r)
		}
	})
}

// paged is a directory that gives the groups two at a time.
func paged(t *testing.T, pages [][]string, endless bool) func(*ber.Packet) []*ber.Packet {
	next := 0
	return func(request *ber.Packet) []*ber.Packet {
		if request.Tag != ldap3.ApplicationSearchRequest {
			return polite()(request)
		}
		q := readSearch(t, request)
		if strings.HasPrefix(q.filter, "(uid=") {
			next = 0
			return []*ber.Packet{found("uid=alice,dc=x", "alice"), searchDone(0, "")}
		}
		var out []*ber.Packet
		for _, cn := range pages[next] {
			out = append(out, entryOf("cn="+cn+",dc=x", "cn", []string{cn}))
		}
		next++
		if endless {
			next = 0
		}
		return append(out, searchDone(0, ""))
	}
}

// pagingControl is the response control with the cookie of the next page.
func pagingControl(cookie string) *ber.Packet {
	controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "controls")
	paging := ldap3.NewControlPaging(0)
	paging.SetCookie([]byte(cookie))
	controls.AppendChild(paging.Encode())
	return controls
}

// TestPagedGroups: every page is asked for with the cookie of the one before.
func TestPagedGroups(t *testing.T) {
	pages := [][]string{{"a", "b"}, {"c", "d"}, {"e"}}
	s := serve(t, paged(t, pages, false))
	served := 0
	s.controls = func(request *ber.Packet) *ber.Packet {
		if request.Tag != ldap3.ApplicationSearchRequest || strings.HasPrefix(readSearch(t, request).filter, "(uid=") {
			served = 0
			return nil
		}
		if served++; served == len(pages) {
			return pagingControl("")
		}
		return pagingControl(fmt.Sprint("page", served))
	}
	c := withGroups(t, valid().LDAP.Groups, s)
	for range 2 {
		if diff := cmp.Diff([]string{"a", "b", "c", "d", "e"}, authenticate(c).Identity().Groups); diff != "" {
			t.Error(diff)
		}
	}
	if n := s.count(ldap3.ApplicationSearchRequest); n != 8 {
		t.Errorf("%d searches", n)
	}
}

// TestPagesWithoutAnEnd: a cookie for ever, with or without groups, ends in
// Unavailable.
func TestPagesWithoutAnEnd(t *testing.T) {
	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprint("g", i)
	}
	for _, page := range [][]string{nil, many} {
		s := serve(t, paged(t, [][]string{page}, true))
		s.controls = func(*ber.Packet) *ber.Packet { return pagingControl("again") }
		expect(t, authenticate(withGroups(t, valid().LDAP.Groups, s)), connectors.KindUnavailable, "")
		if n := s.count(ldap3.ApplicationSearchRequest); n > maxPages+1 {
			t.Errorf("%d searches", n)
		}
	}
}
