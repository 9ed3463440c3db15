package doctor

import (
	"context"
	"strings"
)

// Check looks at one thing.
type Check struct {
	Name string
	// Subject is what it looks at: a URL, a file, a connector's name.
	Subject string
	// Needs are the checks, by [Check.Key], without whose success this one would only
	// find their findings again.
	Needs []string
	Run   func(ctx context.Context) Outcome
}

// Key tells the check from the others.
func (c Check) Key() string { return strings.TrimSpace(c.Name + " " + c.Subject) }

// Run makes the checks in their order.
func Run(ctx context.Context, checks []Check) Report {
	report := Report{Results: []Result{}}
	missed := map[string]bool{}
	for _, c := range checks {
		outcome := c.runUnless(ctx, missed)
		missed[c.Key()] = outcome.State != OK && outcome.State != Warn
		if outcome.Findings == nil {
			outcome.Findings = []Finding{}
		}
		report.Results = append(report.Results, Result{
			Check: c.Name, Subject: c.Subject, State: outcome.State, Detail: outcome.Detail, Findings: outcome.Findings,
		})
	}
	return report
}

func (c Check) runUnless(ctx context.Context, missed map[string]bool) Outcome {
	for _, need := range c.Needs {
		if missed[need] {
			return skipped("because of: %s", need)
		}
	}
	if ctx.Err() != nil {
		return unsure("there was no time left")
	}
	return c.Run(ctx)
}
