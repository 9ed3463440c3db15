package connectors_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"drawbridge/connectors"
	"drawbridge/identity"
)

// lister is a scripted connector that can look people up.
type lister struct{ scripted }

func (l *lister) Lookup(context.Context, string) connectors.Outcome { return l.outcome }

// describer tells more.
type describer struct{ lister }

func (d *describer) Describe(ctx context.Context, username string) (connectors.Outcome, connectors.Description) {
	return d.Lookup(ctx, username), connectors.Description{Entry: "uid=" + username}
}

func looks(name string, outcome connectors.Outcome) *lister {
	return &lister{scripted{name: name, outcome: outcome}}
}

func TestTrace(t *testing.T) {
	down := connectors.Unavailable(errors.New("connection refused"))
	alice := connectors.Granted(person("x", "alice"))
	for _, tt := range []struct {
		name    string
		chain   []connectors.Connector
		match   map[string]string
		next    string // the connectors with on_unavailable: next
		want    string
		settled string
	}{
		{"the first who knows", []connectors.Connector{looks("a", connectors.NotMine()), looks("b", alice), looks("c", alice)}, nil, "",
			"not_mine granted not_asked", "b"},
		{"nobody", []connectors.Connector{looks("a", connectors.NotMine()), looks("b", connectors.NotMine())}, nil, "",
			"not_mine not_mine", ""},
		{"no route", []connectors.Connector{looks("a", alice), looks("b", alice)}, map[string]string{"a": "*@example.com"}, "",
			"not_routed granted", "b"},
		{"no route at all", []connectors.Connector{looks("a", alice)}, map[string]string{"a": "svc-*"}, "", "not_routed", ""},
		{"refused stops", []connectors.Connector{looks("a", connectors.Denied(connectors.Ambiguous)), looks("b", alice)}, nil, "",
			"denied not_asked", "a"},
		{"down stops", []connectors.Connector{looks("a", down), looks("b", alice)}, nil, "", "unavailable not_asked", "a"},
		{"down is passed over", []connectors.Connector{looks("a", down), looks("b", alice)}, nil, "a", "unavailable granted", "b"},
		{"down, and nobody else knows", []connectors.Connector{looks("a", down), looks("b", connectors.NotMine())}, nil, "a",
			"unavailable not_mine", "a"},
		{"both are down", []connectors.Connector{looks("a", down), looks("b", down)}, nil, "ab", "unavailable unavailable", "a"},
		{"tells only at a login", []connectors.Connector{looks("a", connectors.NotMine()), &scripted{name: "b"}, looks("c", alice)}, nil, "b",
			"not_mine only_at_a_login not_asked", "b"},
		{"an outcome nobody set", []connectors.Connector{looks("a", connectors.Outcome{}), looks("b", alice)}, nil, "", "unavailable not_asked", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var links []connectors.Link
			for _, c := range tt.chain {
				match, err := identity.ParseUsernamePattern(tt.match[c.Name()])
				if err != nil {
					t.Fatal(err)
				}
				links = append(links, connectors.Link{Connector: c, Match: match, NextOnUnavailable: strings.Contains(tt.next, c.Name())})
			}
			steps, settled := connectors.NewChain(links...).Trace(t.Context(), "alice")
			var got []string
			for _, step := range steps {
				got = append(got, string(step.Answer))
			}
			by := ""
			if settled != nil {
				by = settled.Connector.Name()
			}
			if strings.Join(got, " ") != tt.want || by != tt.settled {
				t.Errorf("got %q by %q, want %q by %q", got, by, tt.want, tt.settled)
			}
		})
	}
}

// Where a lookup can tell, the trace ends where a login with the right password
// ends, and no password is shown to anybody for it.
func TestTraceDescribesAndNeverAuthenticates(t *testing.T) {
	c := &describer{*looks("a", connectors.Granted(person("a", "alice")))}
	steps, _ := connectors.NewChain(connectors.Link{Connector: c}).Trace(t.Context(), "alice")
	if steps[0].Description.Entry != "uid=alice" || steps[0].Outcome.Identity().Name != "alice" {
		t.Errorf("got %+v", steps[0])
	}
	if c.asked != 0 {
		t.Error("a login was tried")
	}
}

// A caller who left is no outage that a setting passes over.
func TestTraceOfACallerWhoLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, settled := connectors.NewChain(
		connectors.Link{Connector: looks("a", connectors.Unavailable(context.Canceled)), NextOnUnavailable: true},
		connectors.Link{Connector: looks("b", connectors.Granted(person("b", "alice")))},
	).Trace(ctx, "alice")
	if settled == nil || settled.Connector.Name() != "a" {
		t.Errorf("settled by %+v", settled)
	}
}
