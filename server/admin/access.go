package admin

import (
	"context"
	"net/http"

	"drawbridge/authz"
	"drawbridge/bridge/manage"

	"github.com/danielgtaylor/huma/v2"
)

type question struct {
	Who        string   `query:"who" required:"true" doc:"corp/alice, robot:ci or anonymous." example:"corp/alice"`
	Groups     []string `query:"group,explode" doc:"Groups to use instead of asking the person's connector."`
	Registry   string   `query:"registry" doc:"A registry's service; absent: the first one configured."`
	Actions    string   `query:"actions" required:"true" doc:"pull, push, delete, * or catalog; commas between several." example:"push"`
	Repository string   `query:"repository" doc:"A repository's name; absent for catalog." example:"payments/api"`
}

func (h *Handler) registerAccess(api huma.API) {
	tags := []string{"Access"}
	huma.Register(api, huma.Operation{
		OperationID: "who-am-i", Method: http.MethodGet, Path: basePath + "/me", Tags: tags, Summary: "The caller and their capabilities",
	}, func(ctx context.Context, _ *struct{}) (*meAnswer, error) {
		a := actor(ctx)
		answer := &meAnswer{}
		answer.Body.Name, answer.Body.Groups = a.Name, append([]string{}, a.Identity.Groups...)
		answer.Body.Capabilities = a.Capabilities.Names()
		return answer, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "explain", Method: http.MethodGet, Path: basePath + "/access/explain", Tags: tags,
		Summary: "Whether somebody may do something, and why",
	}, func(ctx context.Context, in *question) (*explainAnswer, error) {
		e, err := h.Desk.Explain(ctx, actor(ctx), in.desk())
		if err != nil {
			return nil, h.problem(err)
		}
		return &explainAnswer{e}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "who-can", Method: http.MethodGet, Path: basePath + "/access/who-can", Tags: tags,
		Summary: "Which subjects are granted an action",
	}, func(ctx context.Context, in *struct {
		Registry   string `query:"registry"`
		Actions    string `query:"actions" required:"true" example:"push"`
		Repository string `query:"repository" example:"payments/api"`
	}) (*holdersAnswer, error) {
		holders, err := h.Desk.WhoCan(ctx, actor(ctx), manage.Question{Registry: in.Registry, Actions: in.Actions, Repository: in.Repository})
		if err != nil {
			return nil, h.problem(err)
		}
		answer := &holdersAnswer{}
		answer.Body.Holders = holders
		return answer, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "list-access", Method: http.MethodGet, Path: basePath + "/access/list", Tags: tags, Summary: "What somebody can do",
	}, func(ctx context.Context, in *struct {
		Who    string   `query:"who" required:"true" example:"corp/alice"`
		Groups []string `query:"group,explode"`
	}) (*accessAnswer, error) {
		access, err := h.Desk.List(ctx, actor(ctx), in.Who, in.Groups)
		if err != nil {
			return nil, h.problem(err)
		}
		return &accessAnswer{access}, nil
	})
}

func (q *question) desk() manage.Question {
	return manage.Question{Who: q.Who, Groups: q.Groups, Registry: q.Registry, Actions: q.Actions, Repository: q.Repository}
}

type meAnswer struct {
	Body struct {
		Name         string   `json:"name"`
		Groups       []string `json:"groups" nullable:"false"`
		Capabilities []string `json:"capabilities" nullable:"false"`
	}
}

type explainAnswer struct{ Body authz.Explanation }

type holdersAnswer struct {
	Body struct {
		Holders []authz.Holder `json:"holders" nullable:"false"`
	}
}

type accessAnswer struct{ Body manage.Access }
