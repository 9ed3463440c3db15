package clients

import (
	"net/http"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// both methods of the token endpoint.
func methods() map[string]bool { return map[string]bool{"GET": false, "POST": true} }

// Names that mean something to an LDAP filter, a DN or HTTP Basic log in as who
// they are.
func TestOddUsernamesLogIn(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory))
	scopes := map[string]string{ // of the group that the name is in
		"jürgen": "repository:payments/api:pull,push", "bob (ops)": "", "o'neil": "", "x,y": "", "a*b": "",
	}
	for name, granted := range scopes {
		for method, form := range methods() {
			t.Run(name+"/"+method, func(t *testing.T) {
				answer := s.Ask(testbed.TokenRequest{
					Service: filtering, User: name, Password: testbed.SeedPassword(name), Form: form,
					Scopes: []string{"repository:payments/api:pull,push"},
				})
				if answer.Status != http.StatusOK || answer.Scope != granted {
					t.Fatalf("status %d, scope %q: %s; want 200 and %q", answer.Status, answer.Scope, answer.Body, granted)
				}
				if got := claimsOf(t, answer.Token).Subject; got != "corp/"+name {
					t.Errorf("the token is for %q, want %q", got, "corp/"+name)
				}
			})
		}
	}
}

// Names and passwords that must not log in, whatever an LDAP server would say of
// them. The hopeless ones are refused before it is asked.
func TestHostileCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory))
	right := testbed.SeedPassword("alice")
	for _, tt := range []struct {
		name, user, password string
		status               int
		message              string
		asks                 bool // the directory may be asked
	}{
		{"star", "*", right, http.StatusUnauthorized, "The username or the password is wrong", true},
		{"star at the end", "alic*", right, http.StatusUnauthorized, "The username or the password is wrong", true},
		{"filter injection", ")(uid=*", right, http.StatusUnauthorized, "The username or the password is wrong", true},
		{"filter injection, closed", "alice)(objectClass=*", right, http.StatusUnauthorized, "The username or the password is wrong", true},
		{"a DN", directory.PersonDN("alice"), right, http.StatusUnauthorized, "The username or the password is wrong", true},
		{"empty password", "alice", "", http.StatusUnauthorized, "The password is empty", false},
		{"NUL in the password", "alice", right + "\x00", http.StatusUnauthorized, "The password is empty, too long or not valid text", false},
		{"NUL in the name", "alice\x00", right, http.StatusUnauthorized, "The username is empty, too long or not valid text", false},
		{"not UTF-8", "al\xffice", right, http.StatusUnauthorized, "The username is empty, too long or not valid text", false},
		{"long name", strings.Repeat("a", 4<<10), right, http.StatusUnauthorized, "The username is empty, too long or not valid text", false},
		{"long password", "alice", strings.Repeat("p", 16<<10), http.StatusUnauthorized, "The password is empty, too long or not valid text", false},
	} {
		for method, form := range methods() {
			t.Run(tt.name+"/"+method, func(t *testing.T) {
				searches, binds := directory.Searches(), directory.Binds()
				answer := s.Ask(testbed.TokenRequest{Service: filtering, User: tt.user, Password: tt.password, Form: form})
				if answer.Status != tt.status || len(answer.Errors) != 1 {
					t.Fatalf("status %d: %s; want %d and one error", answer.Status, answer.Body, tt.status)
				}
				contains(t, "the message", answer.Errors[0].Message, tt.message)
				if !strings.HasPrefix(answer.Header.Get("WWW-Authenticate"), "Basic realm=") {
					t.Errorf("WWW-Authenticate: %q", answer.Header.Get("WWW-Authenticate"))
				}
				if got := directory.Searches() + directory.Binds(); !tt.asks && got != searches+binds {
					t.Errorf("the directory was asked %d times", got-searches-binds)
				}
			})
		}
	}
	if strings.Contains(s.Output(), right) {
		t.Error("the server printed a password")
	}
}
