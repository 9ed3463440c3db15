package authz

import (
	"strings"
	"testing"

	"drawbridge/identity"
)

func TestParsePrincipal(t *testing.T) {
	for text, want := range map[string]Principal{
		"anonymous":                        {Kind: EveryonePrincipal},
		"authenticated":                    {Kind: AuthenticatedPrincipal},
		"user:corp/alice":                  {UserPrincipal, "corp", "alice"},
		"user:*/alice":                     {UserPrincipal, "*", "alice"},
		"user:corp/a b/ü:*":                {UserPrincipal, "corp", "a b/ü:*"},
		"group:corp/cn=Dev,ou=x,dc=y":      {GroupPrincipal, "corp", "cn=Dev,ou=x,dc=y"},
		"group:corp/*":                     {GroupPrincipal, "corp", "*"},
		"group:my-ldap2//slash/":           {GroupPrincipal, "my-ldap2", "/slash/"},
		"robot:payments-ci":                {RobotPrincipal, "", "payments-ci"},
		"robot:corp/x":                     {RobotPrincipal, "", "corp/x"},
		"user:corp/anonymous":              {UserPrincipal, "corp", "anonymous"},
		"group:corp/" + "${user}":          {GroupPrincipal, "corp", "${user}"},
		"user:corp/user:corp/alice":        {UserPrincipal, "corp", "user:corp/alice"},
		"user:c/" + strings.Repeat("a", 9): {UserPrincipal, "c", "aaaaaaaaa"},
	} {
		got, err := ParsePrincipal(text)
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
		if got.String() != text {
			t.Errorf("%q prints as %q", text, got)
		}
	}
}

func TestParsePrincipalRefuses(t *testing.T) {
	for text, hint := range map[string]string{
		"":                                   "unknown subject",
		"alice":                              "write user:<connector>/<name>",
		"Anonymous":                          `did you mean "anonymous"`,
		"authentcated":                       `did you mean "authenticated"`,
		"groups:corp/x":                      `did you mean "group"`,
		"User:corp/x":                        `did you mean "user"`,
		"user:alice":                         "write the connector too",
		"group:/x":                           "no connector name",
		"group:Corp/x":                       "no connector name",
		"group:co_rp/x":                      "no connector name",
		"group:**/x":                         "no connector name",
		"user:robot/x":                       "no connector name",
		"user:a--b/x":                        "no connector name",
		"user:corp/":                         "empty",
		"robot:":                             "empty",
		"user:corp/a\nb":                     "control characters",
		"user:corp/a\x00":                    "control characters",
		"user:corp/\xff":                     "control characters",
		" user:corp/a":                       "unknown kind",
		"authenticated ":                     "unknown subject",
		"robot:" + strings.Repeat("a", 1025): "at most 1024",
	} {
		if _, err := ParsePrincipal(text); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%q: got %v, want a hint %q", text, err, hint)
		}
	}
}

// TestNobodyIsSomebodyElse tries every subject on every caller: both the
// definition and the index have to agree with the table.
func TestNobodyIsSomebodyElse(t *testing.T) {
	callers := map[string]identity.Identity{
		"alice":       user("corp/alice", "dev"),
		"sso alice":   user("sso/alice", "dev"),
		"robot alice": robot("alice"),
		"nobody":      anonymous(),
		"no name":     {Kind: identity.User, Connector: "corp", Groups: []string{"dev"}},
		"no kind":     {Connector: "corp", Name: "alice", Groups: []string{"dev"}},
		"odd robot":   {Kind: identity.Robot, Connector: "corp", Name: "ci", Groups: []string{"dev"}},
	}
	for subject, want := range map[string]string{
		"anonymous":        "alice, sso alice, robot alice, nobody, no name, no kind, odd robot",
		"authenticated":    "alice, sso alice, robot alice, odd robot",
		"user:corp/alice":  "alice",
		"user:*/alice":     "alice, sso alice",
		"user:corp/Alice":  "",
		"group:corp/dev":   "alice",
		"group:*/dev":      "alice, sso alice",
		"group:corp/alice": "",
		"user:corp/dev":    "",
		"robot:alice":      "robot alice",
		"robot:ci":         "odd robot",
		"user:corp/*":      "",
		"group:corp/*":     "",
	} {
		p := compile(t, "bindings: [{name: x, role: puller, subjects: ['"+subject+"'], repositories: ['**']}]", Options{})
		wanted := strings.Split(want, ", ")
		for name, id := range callers {
			got := decide(t, p, id, "", "repository:a:pull", never()) == "pull"
			if got != containsString(wanted, name) {
				t.Errorf("%s is %s: got %v", name, subject, got)
			}
			s := p.Subject(id)
			if p.doc.Bindings[0].Subjects[0].matches(s.id) != got {
				t.Errorf("%s is %s: the index and the definition differ", name, subject)
			}
		}
	}
}

func FuzzParsePrincipal(f *testing.F) {
	for _, s := range []string{"user:corp/alice", "group:*/a/b", "robot:x", "anonymous", "authenticated", "user:/", "x:y/z", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePrincipal(text)
		if err == nil && p.String() != text {
			t.Fatalf("%q prints as %q", text, p)
		}
	})
}
