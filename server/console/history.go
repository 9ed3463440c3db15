package console

import (
	"net/http"
	"strconv"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/identity"
)

// revisionsPerPage is how many revisions one page lists.
const revisionsPerPage = 50

type historyPage struct {
	Revisions []revisions.Revision
	InForce   int64
	// Older leads to the next page; 0 on the last.
	Older int64
}

func (v *visit) history() error {
	if file := v.Desk.ReadOnly(); file != "" {
		return v.show(http.StatusOK, "readonly", "Policy history", file)
	}
	before, err := strconv.ParseInt(v.query("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0
	}
	list, err := v.Desk.Revisions(v.r.Context(), v.actor, before, revisionsPerPage+1)
	if err != nil {
		return err
	}
	p := historyPage{Revisions: list}
	p.InForce, _ = revisions.ParseID(v.Desk.InForce().ID)
	if len(list) > revisionsPerPage {
		p.Revisions = list[:revisionsPerPage]
		p.Older = p.Revisions[revisionsPerPage-1].Number
	}
	return v.show(http.StatusOK, "history", "Policy history", p)
}

type revisionPage struct {
	Token    string
	Revision revisions.Revision
	// From is what it is compared with.
	From    int64
	Diff    []diffLine
	InForce int64
	MaySave bool
	Reason  string
	Plan    *planView
	Problem *problem
}

func (v *visit) revisionPage() (*revisionPage, error) {
	number, err := revisions.ParseID(v.r.PathValue("number"))
	if err != nil {
		return nil, &identity.Error{Kind: identity.NotFound, Message: "There is no such revision."}
	}
	from, err := strconv.ParseInt(v.query("from"), 10, 64)
	if err != nil || from < 0 {
		from = 0
	}
	p := &revisionPage{Token: v.session.FormToken, MaySave: v.actor.Capabilities.Has(authz.WritePolicy)}
	if p.Revision, err = v.Desk.Revision(v.r.Context(), v.actor, number); err != nil {
		return nil, err
	}
	diff, err := v.Desk.Diff(v.r.Context(), v.actor, from, number)
	if err != nil {
		return nil, err
	}
	p.Diff, p.From = diffLines(diff), from
	if p.From == 0 {
		p.From = number - 1
	}
	newest, err := v.Desk.Policy(v.r.Context(), v.actor)
	p.InForce = newest.Number
	return p, err
}

func (v *visit) revision() error {
	p, err := v.revisionPage()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "revision", "Revision "+p.Revision.ID(), p)
}

// rollBack puts a revision in force again, or says what that would change.
func (v *visit) rollBack() error {
	p, err := v.revisionPage()
	if err != nil {
		return err
	}
	p.Reason = v.field("reason")
	if v.field("do") == "save" {
		base, _ := strconv.ParseInt(v.field("base"), 10, 64) // what is no number is stale
		saved, err := v.Desk.RollBack(v.r.Context(), v.actor, p.Revision.Number, revisions.Draft{Reason: p.Reason, Base: base})
		switch {
		case err == nil:
			return v.saved(saved, "/console/policy?done=saved")
		case unchanged(err):
			return v.redirect("/console/policy?done=unchanged")
		}
		v.logged(err)
		p.Problem = problemOf(err)
		p.Problem.headers(v.w)
		return v.show(p.Problem.Status, "revision", "Revision "+p.Revision.ID(), p)
	}
	plan, err := v.Desk.Plan(v.r.Context(), v.actor, p.Revision.Text)
	if err != nil {
		return err
	}
	p.Plan = viewOf(plan, p.Revision.Text)
	return v.show(http.StatusOK, "revision", "Revision "+p.Revision.ID(), p)
}
