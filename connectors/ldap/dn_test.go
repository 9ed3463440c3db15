package ldap

import (
	"testing"

	ldap3 "github.com/go-ldap/ldap/v3"
)

func TestSameDN(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"cn=a,dc=x", "cn=a,dc=x", true},
		{"CN=A,DC=X", "cn=a,dc=x", true},
		{"cn=a, dc=x", "cn=a,dc=x", true},
		{`cn=x\,y,dc=x`, `cn=x\2Cy,dc=x`, true},
		{`cn=j\c3\bcrgen,dc=x`, "cn=jürgen,dc=x", true},
		{`cn=J\c3\9crgen,dc=x`, "cn=jürgen,dc=x", true},
		{"cn=a+uid=b,dc=x", "UID=b+CN=a,dc=x", true},
		{"cn=a,dc=x", "cn=a,dc=x,dc=y", false},
		{`cn=a\,dc=x`, "cn=a,dc=x", false},
		{"cn=a,dc=x", "cn=b,dc=x", false},
		{"not a dn", "not a dn", true},
		{"not a dn", "cn=a", false},
	} {
		if got := sameDN(tt.a, tt.b); got != tt.want {
			t.Errorf("%q and %q: got %v", tt.a, tt.b, got)
		}
		if got := dnKey(tt.a) == dnKey(tt.b); got != tt.want {
			t.Errorf("keys of %q and %q are equal: %v", tt.a, tt.b, got)
		}
	}
}

func TestNameOfDN(t *testing.T) {
	for _, tt := range []struct {
		dn, attr, want string
		ok             bool
	}{
		{"cn=payments-dev,ou=groups,dc=x", "cn", "payments-dev", true},
		{"CN=Payments Dev,OU=groups,DC=x", "cn", "Payments Dev", true},
		{`cn=a\,b\20,dc=x`, "CN", "a,b ", true},
		{"uid=7+cn=ops,dc=x", "cn", "ops", true},
		{"ou=ops,dc=x", "cn", "", false},
		{"ou=ops,cn=x", "cn", "", false}, // the first component only
		{"cn=a", "cn", "a", true},
		{`cn=a\0ab,dc=x`, "cn", "a\nb", false},
		{`cn=\ff\fe,dc=x`, "cn", "\xff\xfe", false},
		{"nonsense", "cn", "", false},
		{"", "cn", "", false},
	} {
		got, ok := rdnValue(tt.dn, tt.attr)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%s of %q: got %q, %v", tt.attr, tt.dn, got, ok)
		}
	}
}

func TestNameOfEntry(t *testing.T) {
	entry := func(dn string, values ...string) *ldap3.Entry {
		return &ldap3.Entry{DN: dn, Attributes: []*ldap3.EntryAttribute{ldap3.NewEntryAttribute("UID", values)}}
	}
	for _, tt := range []struct {
		entry *ldap3.Entry
		want  string
		ok    bool
	}{
		{entry("uid=alice,dc=x", "alice"), "alice", true},
		{entry("uid=alice,dc=x", "asmith", "alice"), "alice", true}, // the DN's, not the first
		{entry("cn=Alice,dc=x", "b", "a"), "a", true},               // not the server's order
		{entry("cn=Alice,dc=x"), "", false},
		{entry("cn=Alice,dc=x", ""), "", false},
		{entry("cn=Alice,dc=x", "a\x00b"), "a\x00b", false},
		{entry("cn=Alice,dc=x", "\xff"), "\xff", false},
		{entry("uid=forged,dc=x", "real"), "real", true},
	} {
		got, ok := nameOf(tt.entry, "uid")
		if got != tt.want || ok != tt.ok {
			t.Errorf("%+v: got %q, %v", tt.entry, got, ok)
		}
	}
}

// FuzzDN: no DN panics, and equal keys mean one entry.
func FuzzDN(f *testing.F) {
	f.Add("cn=a,dc=x", "CN=A, dc=x")
	f.Add(`cn=\`, "#04")
	f.Add("cn=#0401,dc=x", "cn=ß")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !sameDN(a, a) {
			t.Fatalf("%q is not itself", a)
		}
		rdnValue(a, "cn")
		x, errX := ldap3.ParseDN(a)
		y, errY := ldap3.ParseDN(b)
		if errX == nil && errY == nil && dnKey(a) == dnKey(b) && !x.EqualFold(y) {
			t.Fatalf("%q and %q have one key and are not one entry", a, b)
		}
	})
}
