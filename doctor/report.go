package doctor

import (
	"fmt"
	"slices"
)

// State is what a check came to.
type State string

// The states, the better before the worse.
const (
	OK         State = "ok"
	NotChecked State = "not checked" // it needs what an earlier check missed, or was not asked for
	Warn       State = "warn"
	Unknown    State = "could not tell"
	Fail       State = "FAIL"
)

// Severity is what a finding means for logins.
type Severity string

// The severities.
const (
	Problem Severity = "problem" // something fails now
	Warning Severity = "warning" // it will, or it does for some
)

// Finding is something that is wrong.
type Finding struct {
	ID       ID       `json:"id"`
	Severity Severity `json:"severity"`
	Title    string   `json:"title"`
	// What is wrong here, and how that was found out.
	What string `json:"what"`
	// Why it matters.
	Why string `json:"why"`
	// Fix are the lines to do or to paste.
	Fix []string `json:"fix"`
}

// Result is a check that was made, or was not.
type Result struct {
	Check   string `json:"check"`
	Subject string `json:"subject,omitempty"`
	State   State  `json:"state"`
	// Detail is what was seen, or why nothing was.
	Detail   string    `json:"detail,omitempty"`
	Findings []Finding `json:"findings"`
}

// Report is everything that a run found.
type Report struct {
	Results []Result `json:"results"`
}

// Code is the exit code: 1 where there is a problem, 2 where something could not be
// told, else 0. Warnings leave it.
func (r Report) Code() int {
	has := func(s State) bool {
		return slices.ContainsFunc(r.Results, func(one Result) bool { return one.State == s })
	}
	switch {
	case has(Fail):
		return 1
	case has(Unknown):
		return 2
	}
	return 0
}

// Outcome is what a check returns.
type Outcome struct {
	State    State
	Detail   string
	Findings []Finding
}

// okay says that nothing is wrong, and what was seen.
func okay(format string, args ...any) Outcome {
	return Outcome{State: OK, Detail: fmt.Sprintf(format, args...)}
}

// unsure says that the check could not be made, although it should have been.
func unsure(format string, args ...any) Outcome {
	return Outcome{State: Unknown, Detail: fmt.Sprintf(format, args...)}
}

// skipped says that the check is not for this setup, or was not asked for.
func skipped(format string, args ...any) Outcome {
	return Outcome{State: NotChecked, Detail: fmt.Sprintf(format, args...)}
}

// found is what is wrong, if anything: else detail says that nothing is.
func found(detail string, findings ...Finding) Outcome {
	o := Outcome{State: OK, Detail: detail, Findings: findings}
	for _, f := range findings {
		if f.Severity == Problem {
			o.State = Fail
		} else if o.State == OK {
			o.State = Warn
		}
	}
	return o
}
