package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/bridge/manage"

	"github.com/danielgtaylor/huma/v2"
)

// maxBody holds a policy document of the greatest size as a JSON string.
const maxBody = 2*authz.MaxDocumentBytes + 64<<10

// policyAnswer is a revision with its entity tag.
type policyAnswer struct {
	ETag string `header:"ETag" doc:"The revision, for If-Match."`
	Body struct {
		revisions.Revision
		// Plan is what was asked for with dry_run instead of a change.
		Plan *manage.Plan `json:"plan,omitempty"`
	}
}

func answerWith(r revisions.Revision) *policyAnswer {
	a := &policyAnswer{ETag: strconv.Quote(r.ID())}
	a.Body.Revision = r
	return a
}

type draftBody struct {
	Text   string `json:"text" doc:"The policy document, as YAML."`
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the history: one line."`
}

type putPolicy struct {
	IfMatch string `header:"If-Match" doc:"The ETag of the policy that the change is based on."`
	DryRun  bool   `query:"dry_run" doc:"Answer with the plan and change nothing."`
	Body    draftBody
}

type rollback struct {
	IfMatch string `header:"If-Match" doc:"The ETag of the policy in force."`
	DryRun  bool   `query:"dry_run" doc:"Answer with the plan and change nothing."`
	Body    struct {
		Revision int64  `json:"revision" minimum:"1" doc:"The number of the revision whose text comes back."`
		Reason   string `json:"reason,omitempty" maxLength:"500"`
	}
}

type revisionPath struct {
	Number int64 `path:"number" minimum:"1"`
}

// Page is a part of a list.
type Page struct {
	Cursor string `query:"cursor" doc:"The next of an earlier answer."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

type revisionList struct {
	Body struct {
		Revisions []revisions.Revision `json:"revisions" nullable:"false"`
		Next      string               `json:"next,omitempty" doc:"The cursor of the next page; absent on the last."`
	}
}

type diffAnswer struct {
	Body struct {
		Diff string `json:"diff" doc:"A unified diff."`
	}
}

type planAnswer struct{ Body manage.Plan }

func (h *Handler) registerPolicy(api huma.API) {
	tags := []string{"Policy"}
	huma.Register(api, huma.Operation{
		OperationID: "get-policy", Method: http.MethodGet, Path: basePath + "/policy", Tags: tags, Summary: "The policy in force",
	}, func(ctx context.Context, _ *struct{}) (*policyAnswer, error) {
		r, err := h.Desk.Policy(ctx, actor(ctx))
		if err != nil {
			return nil, h.problem(err)
		}
		return answerWith(r), nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "put-policy", Method: http.MethodPut, Path: basePath + "/policy", Tags: tags, Summary: "Save a policy document",
		Description:  "It comes into force on every replica within a second, if it has no fault and its tests pass.",
		MaxBodyBytes: maxBody,
	}, h.putPolicy)
	huma.Register(api, huma.Operation{
		OperationID: "plan-policy", Method: http.MethodPost, Path: basePath + "/policy/plan", Tags: tags,
		Summary: "What a draft would change", MaxBodyBytes: maxBody,
	}, func(ctx context.Context, in *struct{ Body draftBody }) (*planAnswer, error) {
		plan, err := h.Desk.Plan(ctx, actor(ctx), in.Body.Text)
		if err != nil {
			return nil, h.problem(err)
		}
		return &planAnswer{plan}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "rollback-policy", Method: http.MethodPost, Path: basePath + "/policy/rollback", Tags: tags,
		Summary: "Put an earlier revision in force again, as a new one",
	}, h.rollback)
	huma.Register(api, huma.Operation{
		OperationID: "list-revisions", Method: http.MethodGet, Path: basePath + "/policy/revisions", Tags: tags, Summary: "The policy's history",
	}, h.revisions)
	huma.Register(api, huma.Operation{
		OperationID: "get-revision", Method: http.MethodGet, Path: basePath + "/policy/revisions/{number}", Tags: tags, Summary: "One revision",
	}, func(ctx context.Context, in *revisionPath) (*policyAnswer, error) {
		r, err := h.Desk.Revision(ctx, actor(ctx), in.Number)
		if err != nil {
			return nil, h.problem(err)
		}
		return answerWith(r), nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "diff-revision", Method: http.MethodGet, Path: basePath + "/policy/revisions/{number}/diff", Tags: tags,
		Summary: "What a revision changed",
	}, func(ctx context.Context, in *struct {
		Number int64 `path:"number" minimum:"1"`
		From   int64 `query:"from" minimum:"0" doc:"Compare with this revision instead of the one before."`
	}) (*diffAnswer, error) {
		diff, err := h.Desk.Diff(ctx, actor(ctx), in.From, in.Number)
		if err != nil {
			return nil, h.problem(err)
		}
		answer := &diffAnswer{}
		answer.Body.Diff = diff
		return answer, nil
	})
}

func (h *Handler) putPolicy(ctx context.Context, in *putPolicy) (*policyAnswer, error) {
	base, err := baseOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		return h.planned(h.Desk.Plan(ctx, actor(ctx), in.Body.Text))
	}
	return h.saved(h.Desk.SavePolicy(ctx, actor(ctx), revisions.Draft{Text: in.Body.Text, Reason: in.Body.Reason, Base: base}))
}

func (h *Handler) rollback(ctx context.Context, in *rollback) (*policyAnswer, error) {
	base, err := baseOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		old, err := h.Desk.Revision(ctx, actor(ctx), in.Body.Revision)
		if err != nil {
			return nil, h.problem(err)
		}
		return h.planned(h.Desk.Plan(ctx, actor(ctx), old.Text))
	}
	return h.saved(h.Desk.RollBack(ctx, actor(ctx), in.Body.Revision, revisions.Draft{Reason: in.Body.Reason, Base: base}))
}

// planned answers a dry run.
func (h *Handler) planned(plan manage.Plan, err error) (*policyAnswer, error) {
	if err != nil {
		return nil, h.problem(err)
	}
	answer := &policyAnswer{ETag: strconv.Quote(plan.Base)}
	answer.Body.Plan = &plan
	return answer, nil
}

func (h *Handler) saved(r revisions.Revision, err error) (*policyAnswer, error) {
	if err != nil && !errors.Is(err, revisions.ErrUnchanged) {
		return nil, h.problem(err)
	}
	return answerWith(r), nil
}

// baseOf returns the number of the revision that an If-Match header names.
func baseOf(match string) (int64, error) {
	tag, err := ifMatch(match)
	if err != nil {
		return 0, err
	}
	if tag == (revisions.Revision{}).ID() {
		return 0, nil // before the first revision
	}
	base, err := revisions.ParseID(tag)
	if err != nil {
		return 0, huma.NewError(http.StatusPreconditionFailed, manage.Sentence(err.Error()))
	}
	return base, nil
}

func (h *Handler) revisions(ctx context.Context, in *Page) (*revisionList, error) {
	before := int64(0)
	if in.Cursor != "" {
		var err error
		if before, err = revisions.ParseID(in.Cursor); err != nil {
			return nil, huma.NewError(http.StatusUnprocessableEntity, "The cursor is not one of this list.")
		}
	}
	// One more than asked for tells whether there is another page.
	list, err := h.Desk.Revisions(ctx, actor(ctx), before, in.Limit+1)
	if err != nil {
		return nil, h.problem(err)
	}
	answer := &revisionList{}
	if len(list) > in.Limit {
		list = list[:in.Limit]
		answer.Body.Next = list[in.Limit-1].ID()
	}
	answer.Body.Revisions = list
	return answer, nil
}
