package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"drawbridge/authz"
	"drawbridge/bridge/manage"

	"github.com/danielgtaylor/huma/v2"
)

type bindingList struct {
	ETag string `header:"ETag" doc:"The revision of the policy, for If-Match."`
	Body struct {
		Bindings []authz.BindingSpec `json:"bindings" nullable:"false"`
	}
}

type putBinding struct {
	Name    string `path:"name" doc:"The binding's name."`
	IfMatch string `header:"If-Match" doc:"The ETag of the policy that the change is based on."`
	DryRun  bool   `query:"dry_run" doc:"Answer with the plan and change nothing."`
	Body    struct {
		Role         string    `json:"role" example:"pusher"`
		Subjects     []string  `json:"subjects" minItems:"1" example:"[\"group:corp/payments-dev\"]"`
		Repositories []string  `json:"repositories,omitempty" example:"[\"payments/**\"]"`
		Registries   []string  `json:"registries,omitempty"`
		Expires      time.Time `json:"expires,omitzero"`
		Reason       string    `json:"reason,omitempty" doc:"The binding's own reason, part of the document."`
		Because      string    `json:"because,omitempty" maxLength:"500" doc:"Why it is changed, for the history."`
	}
}

type deleteBinding struct {
	Name    string `path:"name"`
	IfMatch string `header:"If-Match" doc:"The ETag of the policy that the change is based on."`
	DryRun  bool   `query:"dry_run" doc:"Answer with the plan and change nothing."`
	Because string `query:"because" maxLength:"500" doc:"Why, for the history."`
}

func (h *Handler) registerBindings(api huma.API) {
	tags := []string{"Bindings"}
	huma.Register(api, huma.Operation{
		OperationID: "list-bindings", Method: http.MethodGet, Path: basePath + "/bindings", Tags: tags,
		Summary: "The bindings that the caller may see",
	}, func(ctx context.Context, _ *struct{}) (*bindingList, error) {
		list, err := h.Desk.Bindings(actor(ctx))
		if err != nil {
			return nil, h.problem(err)
		}
		answer := &bindingList{ETag: strconv.Quote(h.Desk.InForce().ID)}
		answer.Body.Bindings = make([]authz.BindingSpec, len(list))
		for i := range list {
			answer.Body.Bindings[i] = list[i].Spec()
		}
		return answer, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "put-binding", Method: http.MethodPut, Path: basePath + "/bindings/{name}", Tags: tags,
		Summary: "Add or change a binding", Description: "A namespace owner may, inside the namespace.",
	}, func(ctx context.Context, in *putBinding) (*policyAnswer, error) {
		b := authz.BindingSpec{
			Name: in.Name, Role: in.Body.Role, Subjects: in.Body.Subjects, Repositories: in.Body.Repositories,
			Registries: in.Body.Registries, Expires: in.Body.Expires, Reason: in.Body.Reason,
		}
		return h.changeBinding(ctx, in.IfMatch, in.DryRun, manage.BindingChange{Binding: b, Reason: in.Body.Because})
	})
	huma.Register(api, huma.Operation{
		OperationID: "delete-binding", Method: http.MethodDelete, Path: basePath + "/bindings/{name}", Tags: tags,
		Summary: "Remove a binding", DefaultStatus: http.StatusOK,
	}, func(ctx context.Context, in *deleteBinding) (*policyAnswer, error) {
		return h.changeBinding(ctx, in.IfMatch, in.DryRun, manage.BindingChange{
			Binding: authz.BindingSpec{Name: in.Name}, Remove: true, Reason: in.Because,
		})
	})
}

func (h *Handler) changeBinding(ctx context.Context, match string, dryRun bool, change manage.BindingChange) (*policyAnswer, error) {
	var err error
	if change.Base, err = baseOf(match); err != nil {
		return nil, err
	}
	if dryRun {
		return h.planned(h.Desk.PlanBinding(ctx, actor(ctx), change))
	}
	return h.saved(h.Desk.SaveBinding(ctx, actor(ctx), change))
}
