package ldap

import (
	"strings"
	"testing"

	ldap3 "github.com/go-ldap/ldap/v3"
)

func TestUserFilter(t *testing.T) {
	const filter = "(&(objectClass=person)(|(uid={username})(mail={username})))"
	for _, tt := range []struct{ username, want string }{
		{"alice", "(&(objectClass=person)(|(uid=alice)(mail=alice)))"},
		{"*", `(&(objectClass=person)(|(uid=\2a)(mail=\2a)))`},
		{")(uid=*", `(&(objectClass=person)(|(uid=\29\28uid=\2a)(mail=\29\28uid=\2a)))`},
		{"bob (ops)", `(&(objectClass=person)(|(uid=bob \28ops\29)(mail=bob \28ops\29)))`},
		{"jürgen", `(&(objectClass=person)(|(uid=j\c3\bcrgen)(mail=j\c3\bcrgen)))`},
		{"x,y", "(&(objectClass=person)(|(uid=x,y)(mail=x,y)))"},
		{`a\2a`, `(&(objectClass=person)(|(uid=a\5c2a)(mail=a\5c2a)))`},
		{"{username}", "(&(objectClass=person)(|(uid={username})(mail={username})))"}, // one pass only
		{"{dn}", "(&(objectClass=person)(|(uid={dn})(mail={dn})))"},
	} {
		f, err := parseUserFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.expand(tt.username, "cn=never"); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.username, got, tt.want)
		}
	}
}

func TestGroupFilter(t *testing.T) {
	f, err := parseGroupFilter("(|(member={dn})(memberUid={username}))", true)
	if err != nil {
		t.Fatal(err)
	}
	const want = `(|(member=cn=a\5c,b \28c\29,dc=x)(memberUid={dn}))`
	if got := f.expand("{dn}", `cn=a\,b (c),dc=x`); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFiltersThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		filter       string
		user, nested bool
		want         string
	}{
		{"(uid=alice)", true, false, "must hold {username}"},
		{"", true, false, "RFC 4515"},
		{"(uid={username}", true, false, "RFC 4515"},
		{"uid", true, false, "RFC 4515"},
		{"(uid={user})", true, false, "unknown placeholder {user}"},
		{"(uid={dn})", true, false, "unknown placeholder {dn}"},
		{"({username}=alice)", true, false, "where a value stands"},
		{"(&(uid=x){username})", true, false, "where a value stands"},
		{"(&(uid={username})({username}=x))", true, false, "where a value stands"},
		{"{username}", true, false, "where a value stands"},
		{"(member=x)", false, false, "must hold {dn} or {username}"},
		{"(memberUid={username})", false, true, "nested groups need"},
		{"(member={group})", false, false, "unknown placeholder"},
	} {
		var err error
		if tt.user {
			_, err = parseUserFilter(tt.filter)
		} else {
			_, err = parseGroupFilter(tt.filter, tt.nested)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want an error with %q", tt.filter, err, tt.want)
		}
	}
}

// FuzzUsernameStaysAValue: whatever is typed, the compiled filter has the same
// shape, and its value is what was typed.
func FuzzUsernameStaysAValue(f *testing.F) {
	for _, seed := range []string{"alice", "*", ")(uid=*", "a\x00b", `\`, `\2`, "{dn}", "\xff", "jürgen", "a)(|(b=c"} {
		f.Add(seed)
	}
	filter, err := parseUserFilter("(&(objectClass=person)(uid={username}))")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, username string) {
		packet, err := ldap3.CompileFilter(filter.expand(username, ""))
		if err != nil {
			t.Fatalf("%q does not compile: %v", username, err)
		}
		if packet.Tag != ldap3.FilterAnd || len(packet.Children) != 2 {
			t.Fatalf("%q changes the filter's shape", username)
		}
		item := packet.Children[1]
		if item.Tag != ldap3.FilterEqualityMatch || len(item.Children) != 2 {
			t.Fatalf("%q changes the item's shape to %d", username, item.Tag)
		}
		if got := item.Children[1].Data.String(); got != username {
			t.Fatalf("the value of %q is %q", username, got)
		}
	})
}

// FuzzFilter: a filter that is accepted stays a filter for any value.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"(uid={username})", "({username}=x)", "(&(a={username})(b=*))", "{", "}{", "(cn:dn:={username})", "(!(uid={username}))"} {
		f.Add(seed, ")(x=*")
	}
	f.Fuzz(func(t *testing.T, text, username string) {
		filter, err := parseUserFilter(text)
		if err != nil {
			return
		}
		plain, err := ldap3.CompileFilter(filter.expand("x", ""))
		if err != nil {
			t.Fatalf("accepted filter %q does not compile: %v", text, err)
		}
		hostile, err := ldap3.CompileFilter(filter.expand(username, ""))
		if err != nil {
			t.Fatalf("%q with %q does not compile: %v", text, username, err)
		}
		if username != "" && (plain.Tag != hostile.Tag || len(plain.Children) != len(hostile.Children)) {
			t.Fatalf("%q changes the shape of %q", username, text)
		}
	})
}
