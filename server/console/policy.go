package console

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/bridge/manage"
)

// policyPage shows the policy and what became of a draft.
type policyPage struct {
	Token    string
	ReadOnly string // the file that holds the policy
	MaySave  bool
	Revision revisions.Revision
	// Text and Reason are what is in the form, Base the revision they start from.
	Text, Reason string
	Base         int64
	Problem      *problem
	Faults       []fault
	FaultyLines  string
	// Meanwhile is what somebody else changed since Base.
	Meanwhile []diffLine
	Plan      *planView
}

func (v *visit) policy() error {
	p, err := v.policyPage()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "policy", "Policy", p)
}

func (v *visit) policyPage() (*policyPage, error) {
	r, err := v.Desk.Policy(v.r.Context(), v.actor)
	return &policyPage{
		Token: v.session.FormToken, ReadOnly: v.Desk.ReadOnly(), MaySave: v.Desk.ReadOnly() == "" && v.actor.Capabilities.Has(authz.WritePolicy),
		Revision: r, Text: r.Text, Base: r.Number,
	}, err
}

// changePolicy plans a draft or saves it.
func (v *visit) changePolicy() error {
	p, err := v.policyPage()
	if err != nil {
		return err
	}
	p.Text, p.Reason = v.text("text"), v.field("reason")
	if p.Base, err = strconv.ParseInt(v.field("base"), 10, 64); err != nil || p.Base < 0 {
		p.Base = 0
	}
	if v.field("do") == "save" {
		draft := revisions.Draft{Text: p.Text, Reason: p.Reason, Base: p.Base}
		saved, err := v.Desk.SavePolicy(v.r.Context(), v.actor, draft)
		if err == nil {
			return v.saved(saved, "/console/policy?done=saved")
		}
		return v.refusedPolicy(p, err)
	}
	plan, err := v.Desk.Plan(v.r.Context(), v.actor, p.Text)
	if err != nil {
		return v.refusedPolicy(p, err)
	}
	p.Plan = viewOf(plan, p.Text)
	p.FaultyLines = faultyLines(plan.Problems)
	return v.show(http.StatusOK, "policy", "Policy", p)
}

// refusedPolicy shows the draft again, with why it was not saved.
func (v *visit) refusedPolicy(p *policyPage, err error) error {
	v.logged(err)
	p.Problem = problemOf(err)
	p.Problem.headers(v.w)
	p.Faults, p.FaultyLines = faultsIn(p.Problem.Faults, p.Text), faultyLines(p.Problem.Faults)
	if stale := p.Problem.Stale; stale != nil {
		// They have seen the difference now, and may save on top of it.
		if diff, err := v.Desk.Diff(v.r.Context(), v.actor, stale.Seen, stale.Newest); err == nil {
			p.Meanwhile = diffLines(diff)
			p.Base = stale.Newest
		}
	}
	return v.show(p.Problem.Status, "policy", "Policy", p)
}

// reloadPatience is how long a page waits until this replica has what was saved.
const reloadPatience = 3 * time.Second

// saved goes on to a page that shows what was saved, once it is in force here.
func (v *visit) saved(r revisions.Revision, next string) error {
	ctx, cancel := context.WithTimeout(v.r.Context(), reloadPatience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if now, err := revisions.ParseID(v.Desk.InForce().ID); err == nil && now >= r.Number {
			return v.redirect(next)
		}
		select {
		case <-ctx.Done(): // it is durable, and on its way
			return v.redirect(next)
		case <-tick.C:
		}
	}
}

// planView is a plan as a page shows it.
type planView struct {
	manage.Plan
	Faults []fault
	Lines  []diffLine
}

func viewOf(plan manage.Plan, text string) *planView {
	return &planView{Plan: plan, Faults: faultsIn(plan.Problems, text), Lines: diffLines(plan.Diff)}
}

// fault is a problem with the lines around it.
type fault struct {
	authz.Problem
	Excerpt []diffLine
}

// around is how many lines before and after a faulty one are shown.
const around = 2

func faultsIn(problems authz.Problems, text string) []fault {
	lines := strings.Split(text, "\n")
	list := make([]fault, len(problems))
	for i, p := range problems {
		list[i].Problem = p
		if p.Line < 1 || p.Line > len(lines) {
			continue
		}
		for n := max(1, p.Line-around); n <= min(len(lines), p.Line+around); n++ {
			line := diffLine{Text: strconv.Itoa(n) + "  " + lines[n-1]}
			if n == p.Line {
				line.Class = "faulty"
			}
			list[i].Excerpt = append(list[i].Excerpt, line)
		}
	}
	return list
}

// faultyLines lists the numbers for the script that marks them.
func faultyLines(problems authz.Problems) string {
	numbers := make([]string, len(problems))
	for i, p := range problems {
		numbers[i] = strconv.Itoa(p.Line)
	}
	return strings.Join(numbers, " ")
}

// diffLine is a line of a unified diff, or of an excerpt, with how to show it.
type diffLine struct{ Class, Text string }

func diffLines(diff string) []diffLine {
	var list []diffLine
	for line := range strings.Lines(diff) {
		l := diffLine{Text: strings.TrimRight(line, "\n")}
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"), strings.HasPrefix(line, "@@"), strings.HasPrefix(line, "\\"):
			l.Class = "at"
		case strings.HasPrefix(line, "+"):
			l.Class = "add"
		case strings.HasPrefix(line, "-"):
			l.Class = "del"
		}
		list = append(list, l)
	}
	return list
}

// unchanged reports whether a save had nothing to do.
func unchanged(err error) bool { return errors.Is(err, revisions.ErrUnchanged) }
