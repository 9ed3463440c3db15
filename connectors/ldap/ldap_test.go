package ldap

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/identity"

	ldap3 "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

func valid() configs.Connector {
	return configs.Connector{Name: "corp", LDAP: configs.LDAP{
		URLs: []string{"ldaps://one.example", "ldaps://two.example:3269"}, BindDN: "cn=svc,dc=x", BindPassword: identity.NewSecret("pw"),
		User:   configs.LDAPUser{BaseDN: "dc=x", Filter: "(uid={username})", NameAttr: "uid", MailAttr: "mail"},
		Groups: configs.LDAPGroups{Mode: configs.GroupsSearch, BaseDN: "dc=x", Filter: "(member={dn})", NameAttr: "cn"},
	}}
}

func build(cfg configs.Connector) (*Connector, error) {
	return New(cfg, Deps{Log: slog.New(slog.DiscardHandler)})
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		want  string
		spoil func(*configs.LDAP)
	}{
		{"urls: name at least one", func(l *configs.LDAP) { l.URLs = nil }},
		{"scheme must be", func(l *configs.LDAP) { l.URLs = []string{"https://x"} }},
		{"scheme must be", func(l *configs.LDAP) { l.URLs = []string{"ldap.example:389"} }},
		{"not a URL", func(l *configs.LDAP) { l.URLs = []string{"ldap://[::1"} }},
		{"a domain has no port", func(l *configs.LDAP) { l.URLs = []string{"ldaps+srv://corp.example:636"} }},
		{"top-level domain", func(l *configs.LDAP) { l.URLs = []string{"ldaps+srv://example"} }},
		{"is an address", func(l *configs.LDAP) { l.URLs = []string{"ldaps+srv://127.0.0.1"} }},
		{"start_tls is for ldap://", func(l *configs.LDAP) { l.StartTLS, l.URLs = true, []string{"ldaps+srv://corp.example"} }},
		{"host is missing", func(l *configs.LDAP) { l.URLs = []string{"ldaps://:636"} }},
		{"bind_dn and bind_password_file", func(l *configs.LDAP) { l.URLs = []string{"ldaps://u:p@x"} }},
		{"user.base_dn", func(l *configs.LDAP) { l.URLs = []string{"ldaps://x/dc=x"} }},
		{"start_tls is for ldap://", func(l *configs.LDAP) { l.StartTLS = true }},
		{"ca_file", func(l *configs.LDAP) { l.CAFile = "/nonexistent/ca.pem" }},
		{"anonymous bind in disguise", func(l *configs.LDAP) { l.BindPassword = identity.Secret{} }},
		{"no bind_dn", func(l *configs.LDAP) { l.BindDN = "" }},
		{"holds a NUL", func(l *configs.LDAP) { l.BindPassword = identity.NewSecret("a\x00") }},
		{"user.base_dn", func(l *configs.LDAP) { l.User.BaseDN = "people" }},
		{"user.filter", func(l *configs.LDAP) { l.User.Filter = "" }},
		{"groups.mode", func(l *configs.LDAP) { l.Groups.Mode = "memberof" }},
		{"groups.base_dn", func(l *configs.LDAP) { l.Groups.BaseDN = "" }},
		{"groups.base_dn", func(l *configs.LDAP) {
			l.Groups.Mode, l.Groups.Nested, l.Groups.BaseDN = configs.GroupsMemberOf, true, ""
		}},
		{"groups.base_dn", func(l *configs.LDAP) { l.Groups = configs.LDAPGroups{Mode: configs.GroupsADNested} }},
		{"ad_nested takes neither", func(l *configs.LDAP) { l.Groups.Mode = configs.GroupsADNested }},
		{"groups.filter: nested groups need", func(l *configs.LDAP) { l.Groups.Nested, l.Groups.Filter = true, "(memberUid={username})" }},
	} {
		cfg := valid()
		tt.spoil(&cfg.LDAP)
		_, err := build(cfg)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "connector corp: ") {
			t.Errorf("got %v, want an error with %q", err, tt.want)
		}
	}
}

func TestHosts(t *testing.T) {
	cfg := valid()
	cfg.LDAP.URLs = []string{"ldaps://one.example", "ldaps://two.example:3269", "ldaps://[::1]/"}
	c, err := build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range c.sources.known() {
		got = append(got, h.addr+" "+h.tls.ServerName)
	}
	if diff := cmp.Diff([]string{"one.example:636 one.example", "two.example:3269 two.example", "[::1]:636 ::1"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestHostOrder(t *testing.T) {
	now := time.Unix(1000, 0)
	a, b, c := &host{addr: "a"}, &host{addr: "b"}, &host{addr: "c"}
	hs := []*host{a, b, c}
	check := func(want string, avoid *host, at time.Time) {
		t.Helper()
		got := ""
		for _, h := range order(hs, at, avoid) {
			got += h.addr
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	check("abc", nil, now)
	check("bca", a, now)
	a.failed(now)
	check("bca", nil, now.Add(firstBackoff-1))
	check("cab", b, now)
	check("abc", nil, now.Add(firstBackoff)) // one caller tries it
	check("bca", nil, now.Add(firstBackoff)) // and no other one meanwhile
	check("abc", nil, now.Add(firstBackoff+trialLease))
	a.answered()
	b.failed(now)
	c.failed(now)
	check("abc", nil, now) // nobody is left out
}

// TestPlainLDAP: over a network it is refused, unless it is spelled out, and then
// the log says so.
func TestPlainLDAP(t *testing.T) {
	for url, plain := range map[string]bool{
		"ldap://dir.example": true, "ldaps://dir.example": false, "ldap://localhost": false,
		"ldap://127.0.0.1:389": false, "ldap://[::1]": false, "ldap://10.0.0.1": true, "ldap://localhost.evil": true,
		"ldap+srv://dir.example": true, "ldap+srv://sub.localhost": true, "ldaps+srv://dir.example": false,
	} {
		cfg := valid()
		cfg.LDAP.URLs = []string{url}
		if _, err := build(cfg); (err != nil) != plain {
			t.Errorf("%s: got %v", url, err)
		}
		var log strings.Builder
		cfg.LDAP.Insecure = true
		if _, err := New(cfg, Deps{Log: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "unencrypted"); got != plain {
			t.Errorf("%s: warned %v", url, got)
		}
	}
}

func TestLimits(t *testing.T) {
	for timeout, want := range map[time.Duration]limits{
		0:                {8 * time.Second, 2 * time.Second, 4 * time.Second},
		4 * time.Second:  {4 * time.Second, time.Second, 2 * time.Second},
		80 * time.Second: {80 * time.Second, 2 * time.Second, 40 * time.Second},
	} {
		if got := limitsOf(timeout); got != want {
			t.Errorf("%s: got %+v", timeout, got)
		}
	}
}

// TestGenerationFollowsTheSettings: each setting that decides who somebody is
// changes the cache key; the rest, and the service password, do not.
func TestGenerationFollowsTheSettings(t *testing.T) {
	seen := map[string]bool{Generation(valid()): true}
	for i, change := range []func(*configs.Connector){
		func(c *configs.Connector) { c.Name = "other" },
		func(c *configs.Connector) { c.LDAP.URLs = c.LDAP.URLs[:1] },
		func(c *configs.Connector) { c.LDAP.BindDN = "cn=other" },
		func(c *configs.Connector) { c.LDAP.User.BaseDN = "dc=y" },
		func(c *configs.Connector) { c.LDAP.User.Filter = "(mail={username})" },
		func(c *configs.Connector) { c.LDAP.User.NameAttr = "mail" },
		func(c *configs.Connector) { c.LDAP.Groups.Mode = configs.GroupsNone },
		func(c *configs.Connector) { c.LDAP.Groups.BaseDN = "dc=y" },
		func(c *configs.Connector) { c.LDAP.Groups.Filter = "(memberUid={username})" },
		func(c *configs.Connector) { c.LDAP.Groups.NameAttr = "dn" },
		func(c *configs.Connector) { c.LDAP.Groups.Nested = true },
		// Two settings that join to the same text.
		func(c *configs.Connector) { c.LDAP.User.NameAttr, c.LDAP.User.MailAttr = "uidm", "ail" },
	} {
		cfg := valid()
		change(&cfg)
		if g := Generation(cfg); seen[g] {
			t.Errorf("change %d does not change the generation", i)
		} else {
			seen[g] = true
		}
	}
	cfg := valid()
	cfg.LDAP.BindPassword, cfg.Timeout = identity.NewSecret("rotated"), time.Second
	if Generation(cfg) != Generation(valid()) {
		t.Error("rotating the service password empties the cache")
	}
}

func TestLookupKeyHoldsNoUsername(t *testing.T) {
	c, err := build(valid())
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.lookupKey("alice"), c.lookupKey("Alice")
	if a == b || strings.Contains(a, "alice") || len(a) != len("ldap:person:")+64 {
		t.Errorf("keys %q and %q", a, b)
	}
}

// TestEntries: what a hostile or odd directory may return.
func TestEntries(t *testing.T) {
	cfg := valid()
	cfg.LDAP.Groups.Mode = configs.GroupsMemberOf
	c, err := build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	attr := ldap3.NewEntryAttribute
	good := &ldap3.Entry{DN: "uid=alice,dc=x", Attributes: []*ldap3.EntryAttribute{
		attr("UID", []string{"alice"}), attr("Mail", []string{"a@x"}), attr("objectguid", []string{"\x01\xff"}),
		attr("memberof", []string{"cn=g,dc=x"}),
	}}
	p, err := c.personOf(good)
	if err != nil {
		t.Fatal(err)
	}
	want := &person{DN: good.DN, Name: "alice", Mail: "a@x", StableID: "01ff", memberOf: []string{"cn=g,dc=x"}}
	if diff := cmp.Diff(want, p, cmp.AllowUnexported(person{})); diff != "" {
		t.Error(diff)
	}
	for name, entry := range map[string]*ldap3.Entry{
		"no DN: a bind with it is anonymous": {Attributes: good.Attributes},
		"no name":                            {DN: good.DN},
		"memberOf from its middle": {DN: good.DN, Attributes: []*ldap3.EntryAttribute{
			attr("uid", []string{"alice"}), attr("memberOf", nil), attr("memberOf;range=1500-*", []string{"cn=g,dc=x"}),
		}},
	} {
		if _, err := c.personOf(entry); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
