package ldap

import (
	"encoding/hex"
	"testing"

	"drawbridge/connectors"
	"drawbridge/identity"

	ldap3 "github.com/go-ldap/ldap/v3"
)

func TestPasswordVersion(t *testing.T) {
	for want, attributes := range map[string]map[string]string{
		"":                                      nil,
		"pwdLastSet=134090000000000000":         {"pwdlastset": "134090000000000000", "pwdChangedTime": "20260101000000Z"},
		"pwdChangedTime=20260101000000Z":        {"pwdChangedTime": "20260101000000Z"},
		"krbLastPwdChange=20260101000000Z":      {"krbLastPwdChange": "20260101000000Z"},
		"pwdUpdateTime=20260101000000.123456Z":  {"pwdupdatetime": "20260101000000.123456Z"},
		"pwdChangedTime=20260101010000.5+0100Z": {"pwdChangedTime": "20260101010000.5+0100Z"},
	} {
		entry := &ldap3.Entry{}
		for name, value := range attributes {
			entry.Attributes = append(entry.Attributes, ldap3.NewEntryAttribute(name, []string{value}))
		}
		if got := passwordVersion(entry); got != want {
			t.Errorf("%v: got %q, want %q", attributes, got, want)
		}
	}
}

func TestPasswordChanged(t *testing.T) {
	for _, tt := range []struct {
		proved, now string
		want        bool
	}{
		{"", "", false},
		{"pwdLastSet=134090000000000000", "pwdLastSet=134090000000000000", false},
		{"pwdLastSet=134090000000000000", "pwdLastSet=134090000000000001", true},
		{"pwdLastSet=134090000000000000", "pwdLastSet=134089999999999999", false}, // a server that is behind
		{"pwdLastSet=134090000000000000", "pwdLastSet=0", false},                  // to be changed: a state
		{"pwdLastSet=0", "pwdLastSet=134090000000000000", true},
		{"pwdChangedTime=20260101000000Z", "pwdChangedTime=20260101000000.000001Z", true},
		{"pwdChangedTime=20260101000000Z", "pwdChangedTime=20260101000001Z", true},
		{"pwdChangedTime=20260101000001Z", "pwdChangedTime=20260101000000Z", false},
		{"pwdChangedTime=20260101010000+0100", "pwdChangedTime=20260101000000Z", false},
		{"", "pwdChangedTime=20260101000000Z", true},
		{"pwdChangedTime=20260101000000Z", "", true},
		{"krbLastPwdChange=20260101000000Z", "pwdChangedTime=20250101000000Z", true},
		{"pwdChangedTime=20260101000000Z", "pwdChangedTime=soon", true},
		{"pwdChangedTime=soon", "pwdChangedTime=soon", false},
	} {
		if got := passwordChanged(tt.proved, tt.now); got != tt.want {
			t.Errorf("%q and now %q: got %v", tt.proved, tt.now, got)
		}
	}
}

func TestStableFilter(t *testing.T) {
	for id, want := range map[string]string{
		"00112233445566778899aabbccddeeff":         `(objectGUID=\00\11\22\33\44\55\66\77\88\99\aa\bb\cc\dd\ee\ff)`,
		hex.EncodeToString([]byte("a"))[:2]:        `(|(entryUUID=\61)(ipaUniqueID=\61))`,
		hex.EncodeToString([]byte(")(uid=*")):      `(|(entryUUID=\29\28\75\69\64\3d\2a)(ipaUniqueID=\29\28\75\69\64\3d\2a))`,
		hex.EncodeToString([]byte("0123abcd-0-0")): `(|(entryUUID=\30\31\32\33\61\62\63\64\2d\30\2d\30)(ipaUniqueID=\30\31\32\33\61\62\63\64\2d\30\2d\30))`,
		"": "", "x": "", "zz": "", "616": "",
	} {
		got, err := stableFilter(id)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %s, %v; want %s", id, got, err, want)
		}
		if want != "" {
			if _, err := ldap3.CompileFilter(got); err != nil {
				t.Errorf("%s: %v", got, err)
			}
		}
	}
	got, err := stableFilter(hex.EncodeToString([]byte("01234567-01234567-89abcdef-89abcdef")))
	if err != nil || len(got) != len("(nsUniqueId=)")+3*35 {
		t.Errorf("389: %s, %v", got, err)
	}
}

func TestExpandAny(t *testing.T) {
	for filter, want := range map[string]string{
		"(uid={username})": "(uid=*)",
		"(&(objectClass=person)(|(uid={username})(mail={username}@x)))": "(&(objectClass=person)(|(uid=*)(mail=*@x)))",
		"(cn=*{username}*)":          "(cn=*)",
		`(cn=\2a{username})`:         `(cn=\2a*)`,
		"(cn~={username})":           "(cn~=*)",
		"(uid:2.5.13.5:={username})": "(uid:2.5.13.5:=*)",
	} {
		tmpl, err := parseUserFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		got := tmpl.expandAny()
		if _, err := ldap3.CompileFilter(got); got != want || err != nil {
			t.Errorf("%s: got %s, %v", filter, got, err)
		}
	}
}

// Whoever has no stable ID gets no version, and is not found again.
func TestRecheckWithoutAStableID(t *testing.T) {
	s := serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, "")))
	c := client(t, nil, s)
	if _, ok := authenticate(c).Version(); ok {
		t.Error("somebody without a stable ID can be re-checked")
	}
	out := c.Recheck(t.Context(), identity.Identity{Kind: identity.User, Connector: "corp", Name: "alice"}, "")
	expect(t, out, connectors.KindDenied, connectors.CannotRecheck)
}
