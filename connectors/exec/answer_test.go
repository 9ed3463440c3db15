package exec

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"drawbridge/connectors"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

func TestAnswersThatHold(t *testing.T) {
	for text, want := range map[string]answer{
		`{"version":1,"id":1,"outcome":"granted","identity":{"name":"alice"}}`: {
			id: 1, outcome: connectors.KindGranted, identity: identity.Identity{Kind: identity.User, Name: "alice"},
		},
		` { "identity" : { "groups" : [ "b", "a", "b" ], "name" : "jürgen", "mail" : "", "stable_id" : "x" }, "outcome":"granted", "id":2, "version":1 } ` + "\n": {
			id: 2, outcome: connectors.KindGranted,
			identity: identity.Identity{Kind: identity.User, Name: "jürgen", Groups: []string{"a", "b"}, StableID: "x"},
		},
		`{"version":1,"id":1,"outcome":"not_mine"}`:                                       {id: 1, outcome: connectors.KindNotMine},
		`{"version":1,"id":1,"outcome":"denied","reason":"account_locked"}`:               {id: 1, outcome: connectors.KindDenied, reason: connectors.AccountLocked},
		`{"version":1,"id":1,"outcome":"unavailable"}`:                                    {id: 1, outcome: connectors.KindUnavailable},
		`{"version":1,"id":18446744073709551615,"outcome":"misconfigured","message":"m"}`: {id: 1<<64 - 1, outcome: connectors.KindMisconfigured, message: "m"},
	} {
		got, err := parseAnswer([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", text, diff)
		}
	}
}

func TestAnswersThatBreakTheProtocol(t *testing.T) {
	const granted = `{"version":1,"id":1,"outcome":"granted","identity":`
	for text, want := range map[string]string{
		``:                               "not a JSON object",
		`granted`:                        "not a JSON object",
		`[]`:                             "not a JSON object",
		`{}`:                             "key version is missing",
		`{"version":1,"id":1,"outcome":`: "not JSON",
		`{"version":1,"id":1`:            "not JSON",
		`{"version":2,"id":1,"outcome":"not_mine"}`:                                      "version is 2",
		`{"version":"1","id":1,"outcome":"not_mine"}`:                                    "wrong type",
		`{"id":1,"outcome":"not_mine"}`:                                                  "version is missing",
		`{"version":1,"outcome":"not_mine"}`:                                             "id is missing",
		`{"version":1,"id":-1,"outcome":"not_mine"}`:                                     "wrong type",
		`{"version":1,"id":1.5,"outcome":"not_mine"}`:                                    "wrong type",
		`{"version":1,"id":1}`:                                                           "outcome is missing",
		`{"version":1,"id":1,"outcome":null}`:                                            "is null",
		`{"version":1,"id":1,"outcome":"Granted","identity":{"name":"a"}}`:               "none of the five",
		`{"version":1,"id":1,"outcome":true}`:                                            "wrong type",
		`{"version":1,"id":1,"outcome":"granted"}`:                                       "needs the identity",
		`{"version":1,"id":1,"outcome":"denied"}`:                                        "needs the reason",
		`{"version":1,"id":1,"outcome":"denied","reason":"because"}`:                     "none that a program may give",
		`{"version":1,"id":1,"outcome":"denied","reason":"unknown_user"}`:                "none that a program may give",
		`{"version":1,"id":1,"outcome":"denied","reason":"unknown_token"}`:               "none that a program may give",
		`{"version":1,"id":1,"outcome":"not_mine","identity":{"name":"a"}}`:              "has no identity",
		`{"version":1,"id":1,"outcome":"denied","reason":"wrong_password","message":""}`: "has no message",
		`{"version":1,"id":1,"outcome":"not_mine"} {}`:                                   "after the JSON object",
		`{"version":1,"id":1,"outcome":"not_mine"}x`:                                     "after the JSON object",
		`{"version":1,"id":1,"outcome":"not_mine","admin":true}`:                         "does not know",
		`{"version":1,"id":1,"Outcome":"not_mine"}`:                                      "does not know",
		granted + `{}}`:                                          "name is missing",
		granted + `null}`:                                        "not a JSON object",
		granted + `{"name":""}}`:                                 "empty",
		granted + `{"name":null}}`:                               "null",
		granted + `{"name":"a","groups":null}}`:                  "null",
		granted + `{"name":"a","groups":"admins"}}`:              "wrong type",
		granted + `{"name":"a","groups":[""]}}`:                  "empty",
		granted + `{"name":"a","kind":2}}`:                       "does not know",
		granted + `{"name":"a","connector":"corp"}}`:             "does not know",
		granted + `{"name":"a\u0000b"}}`:                         "control character",
		granted + `{"name":"a","groups":["b\nc"]}}`:              "control character",
		granted + `{"name":"` + strings.Repeat("a", 257) + `"}}`: "over 256",
		granted + "{\"name\":\"a\xff\"}}":                        "not UTF-8",
		// A username pasted in without escaping.
		granted + `{"name":"x","groups":["admins"],"name":"x","groups":[]}}`:                    "there twice",
		`{"version":1,"id":1,"outcome":"granted","identity":{"name":"a"},"outcome":"not_mine"}`: "there twice",
		strings.Repeat(" ", maxAnswer) + `{}`:                                                   "over",
		strings.Repeat("[", 100000):                                                             "not a JSON object",
		`{"version":` + strings.Repeat("[", 100000):                                             "not JSON",
	} {
		got, err := parseAnswer([]byte(text))
		if !errors.Is(err, errAnswer) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, %v, want an error with %q", text, got, err, want)
		}
	}
}

// Every reason of the closed list is either one that a program may give or one
// of the two that are not its word.
func TestReasonsOfPrograms(t *testing.T) {
	for _, r := range reasons() {
		if r == connectors.UnknownUser || r == connectors.PasswordChanged {
			t.Errorf("%s", r)
		}
		if _, err := parseAnswer([]byte(`{"version":1,"id":1,"outcome":"denied","reason":"` + string(r) + `"}`)); err != nil {
			t.Errorf("%s: %v", r, err)
		}
	}
}

// Whatever a username is, the request is one line that reads back as it was.
func FuzzRequestIsOneLine(f *testing.F) {
	f.Add("alice", "secret")
	f.Add("a\nb", "x\"}\n{\"version\":1}")
	f.Add("a\u2028b", "\\")
	f.Fuzz(func(t *testing.T, username, password string) {
		line, err := question{kind: kindAuthenticate, connector: "hr", cred: login(username, password)}.line(7)
		if err != nil || strings.Count(string(line), "\n") != 1 || !strings.HasSuffix(string(line), "\n") {
			t.Fatalf("%q, %v", line, err)
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(username, "\ufffd"); r.ID != 7 || r.Version != Version || (want == username && r.Username != username) {
			t.Errorf("%q came back as %q", username, r.Username)
		}
	})
}

// No text is granted unless it says so in one way only.
func FuzzParseAnswer(f *testing.F) {
	f.Add(`{"version":1,"id":1,"outcome":"granted","identity":{"name":"alice","groups":["a"],"mail":"m","stable_id":"s"}}`)
	f.Add(`{"version":1,"id":1,"outcome":"denied","reason":"wrong_password"}`)
	f.Add(`{"version":1,"id":1,"outcome":"unavailable","message":"m"}`)
	f.Add(`{"version":1,"id":1,"outcome":"not_mine"}`)
	f.Add(`{"version":1,"id":1,"Outcome":"granted","outcome":"not_mine"}`)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAnswer([]byte(text))
		if err != nil {
			if !errors.Is(err, errAnswer) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		var lax struct {
			Version  int
			Outcome  string
			Reason   string
			Identity struct {
				Name   string
				Groups []string
			}
		}
		if err := json.Unmarshal([]byte(text), &lax); err != nil {
			t.Fatalf("encoding/json refuses what was accepted: %v", err)
		}
		if lax.Version != Version || lax.Outcome != a.outcome.String() || lax.Reason != string(a.reason) || lax.Identity.Name != a.identity.Name {
			t.Errorf("two readings of one answer: %+v and %+v", lax, a)
		}
		if (a.outcome == connectors.KindGranted) != (a.identity.Name != "") || (a.outcome == connectors.KindDenied) != (a.reason != "") {
			t.Errorf("a muddle: %+v", a)
		}
		if len(identity.NormalizeGroups(lax.Identity.Groups)) != len(a.identity.Groups) {
			t.Errorf("groups %q became %q", lax.Identity.Groups, a.identity.Groups)
		}
	})
}
