package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"drawbridge/bridge/manage"
	"drawbridge/connectors"
	"drawbridge/identity"
)

// fakeConnector is a name in a report.
type fakeConnector struct{ connectors.Connector }

func (fakeConnector) Name() string { return "corp" }

func TestLoginReport(t *testing.T) {
	alice := connectors.Granted(identity.Identity{Kind: identity.User, Connector: "corp", Name: "alice"})
	for _, tt := range []struct {
		name    string
		step    connectors.Step
		want    string // in the table
		outcome string
		code    int
	}{
		{"known", connectors.Step{Answer: "granted", Outcome: alice}, "granted  corp/alice\n", "granted", 0},
		{"refused, though somebody was found", connectors.Step{
			Answer: "denied", Outcome: connectors.Denied(connectors.AccountDisabled),
			Description: connectors.Description{Entry: "uid=alice"},
		}, "denied  account_disabled: uid=alice\n", "denied", 1},
		{"ambiguous", connectors.Step{Answer: "denied", Outcome: connectors.Denied(connectors.Ambiguous)}, "denied  ambiguous_user\n", "denied", 1},
		{"down", connectors.Step{Answer: "unavailable", Outcome: connectors.Unavailable(errors.New("dial: refused"))},
			"unavailable  dial: refused\n", "unavailable", 2},
		{"our fault", connectors.Step{Answer: "misconfigured", Outcome: connectors.Misconfigured(errors.New("service bind: 49"))},
			"misconfigured  service bind: 49\n", "misconfigured", 2},
		{"only at a login", connectors.Step{Answer: connectors.AtLogin}, "use --password-stdin\n", "only_at_a_login", 2},
		{"an error of several lines", connectors.Step{Answer: "unavailable", Outcome: connectors.Unavailable(errors.Join(errors.New("a"), errors.New("b")))},
			"unavailable  a?b\n", "unavailable", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.step.Connector = fakeConnector{}
			r := loginReport{&manage.LoginReport{}}
			r.LookedUp([]connectors.Step{tt.step}, &tt.step)
			if table := r.table(); !strings.Contains(table, tt.want) {
				t.Errorf("%q is not in:\n%s", tt.want, table)
			}
			if code := exitCode(r.exit(), io.Discard); r.Outcome != tt.outcome || code != tt.code {
				t.Errorf("outcome %q, exit code %d, want %q, %d", r.Outcome, code, tt.outcome, tt.code)
			}
		})
	}
}

// What a directory says cannot move the cursor, hide a line or forge a column.
func TestLoginReportIsSafeToPrint(t *testing.T) {
	id := identity.Identity{Kind: identity.User, Connector: "corp", Name: "a\x1b[2Kb", Mail: "x\r\ny", Groups: []string{"g\tadmins"}}
	policy, err := (&policySource{}).compile("none", []byte("bindings: []\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := loginReport{&manage.LoginReport{}}
	r.Follows(id, connectors.Description{
		Entry: "cn=\x1b]0;title\a", GroupsFrom: "\u202eevil", GroupEntries: map[string][]string{"g\tadmins": {"cn=\u009b31m"}},
	}, "corp", policy, time.Now())
	table := r.table()
	if strings.ContainsAny(table, "\x1b\a\r\u202e\u009b\t") {
		t.Errorf("%q", table)
	}
	if !strings.Contains(table, "a?[2Kb") || !strings.Contains(table, "(none: it matches nothing)") {
		t.Errorf("%q", table)
	}
}

func TestReadPassword(t *testing.T) {
	long := strings.Repeat("x", connectors.MaxPassword)
	for _, tt := range []struct {
		stdin, want string
		bad         bool
	}{
		{"secret", "secret", false},
		{"secret\n", "secret", false},
		{"secret\r\n", "secret", false},
		{" a b \n", " a b ", false},
		{"", "", false},
		{"a\nb\n", "", true},
		{"a\n\n", "", true},
		{long + "\n", long, false},
		{long + "xyz", long + "xy", false}, // too long for a login, which says so
	} {
		got, err := readPassword(strings.NewReader(tt.stdin))
		if got.Reveal() != tt.want || (err != nil) != tt.bad {
			t.Errorf("%.20q: got %.20q, %v", tt.stdin, got.Reveal(), err)
		}
	}
}
