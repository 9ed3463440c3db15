package manage

import (
	"context"
	"errors"
	"fmt"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/identity"
)

// readOnly refuses a change where a file holds the policy.
func (d *Desk) readOnly() error {
	return &identity.Error{
		Kind: identity.Conflict,
		Message: fmt.Sprintf("The policy is read-only here: policy.file names %s, so change that file, or remove the setting "+
			"and import the file with `drawbridge policy apply`.", d.File),
	}
}

// Policy returns the revision in force with its text.
func (d *Desk) Policy(ctx context.Context, a Actor) (revisions.Revision, error) {
	if err := a.need(authz.ReadAudit); err != nil {
		return revisions.Revision{}, err
	}
	if d.Policies == nil {
		r := d.InForce()
		return revisions.Revision{Text: r.Text, Author: d.File}, nil
	}
	r, err := d.Policies.NewestPolicy(ctx)
	return r, failure(err)
}

// Revision returns one revision with its text.
func (d *Desk) Revision(ctx context.Context, a Actor, number int64) (revisions.Revision, error) {
	if err := d.history(a); err != nil {
		return revisions.Revision{}, err
	}
	r, err := d.Policies.PolicyRevision(ctx, number)
	return r, failure(err)
}

// Revisions returns at most limit revisions below before (0: from the newest on),
// the newest first, without their texts.
func (d *Desk) Revisions(ctx context.Context, a Actor, before int64, limit int) ([]revisions.Revision, error) {
	if err := d.history(a); err != nil {
		return nil, err
	}
	list, err := d.Policies.PolicyHistory(ctx, before, limit)
	return list, failure(err)
}

func (d *Desk) history(a Actor) error {
	if err := a.need(authz.ReadAudit); err != nil {
		return err
	}
	if d.Policies == nil {
		return d.readOnly()
	}
	return nil
}

// Diff returns what one revision changed against another one, 0 being the one
// before it.
func (d *Desk) Diff(ctx context.Context, a Actor, from, to int64) (string, error) {
	if from == 0 {
		from = to - 1
	}
	newer, err := d.Revision(ctx, a, to)
	if err != nil || from == 0 {
		return revisions.DiffText("/dev/null", "", newer.ID(), newer.Text), err
	}
	older, err := d.Revision(ctx, a, from)
	return revisions.Diff(older, newer), err
}

// SavePolicy puts a document in force on every replica. Its errors are those of
// [revisions.History.Save].
func (d *Desk) SavePolicy(ctx context.Context, a Actor, draft revisions.Draft) (revisions.Revision, error) {
	return d.save(ctx, a, draft, func(h *revisions.History, draft revisions.Draft) (revisions.Revision, error) {
		if err := a.need(authz.WritePolicy); err != nil {
			return revisions.Revision{}, err
		}
		return h.Save(ctx, draft)
	})
}

// RollBack puts the text of an earlier revision in force again, as a new revision.
func (d *Desk) RollBack(ctx context.Context, a Actor, number int64, draft revisions.Draft) (revisions.Revision, error) {
	return d.save(ctx, a, draft, func(h *revisions.History, draft revisions.Draft) (revisions.Revision, error) {
		if err := a.need(authz.WritePolicy); err != nil {
			return revisions.Revision{}, err
		}
		return h.Rollback(ctx, number, draft)
	})
}

func (d *Desk) save(
	ctx context.Context, a Actor, draft revisions.Draft, do func(*revisions.History, revisions.Draft) (revisions.Revision, error),
) (revisions.Revision, error) {
	if d.Policies == nil {
		return revisions.Revision{}, d.readOnly()
	}
	draft.Author = a.Name
	r, err := do(&revisions.History{Store: d.Policies, Compile: d.Compile, Clock: d.Clock}, draft)
	switch {
	case err == nil:
		d.act(ctx, a, audit.Event{Action: audit.PolicySaved, PolicyRevision: r.ID(), Note: draft.Reason})
	case !errors.Is(err, revisions.ErrUnchanged):
		d.record(a, audit.Event{Action: audit.PolicyRejected, Outcome: audit.Failure, Reason: rejection(err)})
	}
	return r, failure(err)
}

// rejection is the audit log's word for why a draft was not saved.
func rejection(err error) string {
	var problems authz.Problems
	var stale *revisions.Stale
	switch {
	case identity.AsError(err).Kind == identity.Forbidden:
		return "forbidden"
	case errors.As(err, &problems):
		return "faulty"
	case errors.As(err, &stale):
		return "stale"
	}
	return "error"
}

// Plan is what a draft would change.
type Plan struct {
	// Base is the revision that the draft is compared with.
	Base string `json:"base"`
	// Diff is a unified diff of the texts; empty: nothing differs.
	Diff string `json:"diff"`
	// Problems keep the draft from being saved.
	Problems authz.Problems `json:"problems"`
	// Tests are the results of the draft's own tests.
	Tests []authz.TestResult `json:"tests"`
	// Flips are decisions of the recent past that the draft would have changed,
	// Summary the same in sentences, Replayed how many were tried.
	Flips    []authz.Flip `json:"flips"`
	Summary  []string     `json:"summary"`
	Replayed int          `json:"replayed"`
}

// Plan tries a draft: nothing is stored.
func (d *Desk) Plan(ctx context.Context, a Actor, text string) (Plan, error) {
	if err := a.need(authz.ReadAudit); err != nil {
		return Plan{}, err
	}
	return d.plan(ctx, text)
}

func (d *Desk) plan(ctx context.Context, text string) (Plan, error) {
	plan := Plan{Problems: authz.Problems{}, Tests: []authz.TestResult{}, Flips: []authz.Flip{}, Summary: []string{}}
	inForce := d.InForce()
	plan.Base = inForce.ID
	plan.Diff = revisions.DiffText(inForce.ID, inForce.Text, "draft", text)
	doc, err := authz.Parse("policy", []byte(text))
	if err == nil {
		if tests, testErr := doc.RunTests(inForce.Policy.Options()); testErr == nil {
			plan.Tests = tests
		}
	}
	draft, err := d.Compile("policy", []byte(text))
	if errors.As(err, &plan.Problems) {
		return plan, nil
	}
	if err != nil {
		return plan, failure(err)
	}
	asked, err := d.recent(ctx)
	if err != nil {
		return plan, failure(err)
	}
	plan.Replayed = len(asked)
	plan.Flips = authz.Flips(inForce.Policy, draft, asked, d.Clock())
	for _, s := range authz.SummarizeFlips(plan.Flips) {
		plan.Summary = append(plan.Summary, s.String())
	}
	return plan, nil
}
