package doctor

import (
	"context"
	"strings"
	"testing"
)

// What a check needs and did not get is not looked for, and is no second finding; the
// exit code is that of the worst.
func TestNeeds(t *testing.T) {
	state := func(o Outcome) func(context.Context) Outcome { return func(context.Context) Outcome { return o } }
	for _, tt := range []struct {
		name  string
		first Outcome
		want  State
		code  int
	}{
		{"fine", okay("x"), OK, 0},
		{"a warning", found("", finding(CertEnds, "x")), OK, 0},
		{"a problem", found("", finding(Refused, "x")), NotChecked, 1},
		{"not told", unsure("x"), NotChecked, 2},
		{"skipped", skipped("x"), NotChecked, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report := Run(t.Context(), []Check{
				{Name: "a", Subject: "s", Run: state(tt.first)},
				{Name: "b", Needs: []string{"a s"}, Run: state(okay("y"))},
			})
			if got := report.Results[1].State; got != tt.want || report.Code() != tt.code {
				t.Errorf("the second is %q with exit code %d, want %q with %d", got, report.Code(), tt.want, tt.code)
			}
		})
	}
}

// A registry's words reach no terminal as they are.
func TestTextObeysNobody(t *testing.T) {
	report := Report{Results: []Result{{Check: "c", State: Fail, Findings: []Finding{finding(NoRegistry, "by \x1b[2J\nserver", "line")}}}}
	text := report.Text()
	if strings.ContainsAny(text, "\x1b") || !strings.Contains(text, "by ?[2J?server") {
		t.Errorf("%q", text)
	}
	for _, want := range []string{"DB-NET-007", "what:", "why:", "    line", "docs/doctor.md#db-net-007", "Problems: 1. Warnings: 0."} {
		if !strings.Contains(text, want) {
			t.Errorf("the text does not say %q:\n%s", want, text)
		}
	}
}

// A challenge is read as clients read it, quoted commas and all.
func TestChallenge(t *testing.T) {
	a := answer{header: map[string][]string{"Www-Authenticate": {
		`Basic realm="x"`, `Bearer realm="https://a/token",service="A \"b\", c",scope="repository:x:pull",error="invalid_token"`,
	}}}
	c := challengeOf(a)
	if c.scheme != "bearer" || c.realm != "https://a/token" || c.service != `A "b", c` || c.fault != "invalid_token" {
		t.Errorf("%+v", c)
	}
}
