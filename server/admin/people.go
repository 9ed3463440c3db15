package admin

import (
	"context"
	"net/http"

	"drawbridge/bridge/manage"

	"github.com/danielgtaylor/huma/v2"
)

type forgetPerson struct {
	Write
	Body struct {
		Who    string `json:"who" doc:"CONNECTOR/NAME, or a name for the people of that name in every connector." example:"corp/alice"`
		Reason string `json:"reason,omitempty" maxLength:"256" doc:"Why, for the audit log."`
	}
}

type revokeToken struct {
	Write
	ID   string `path:"jti" doc:"The token's jti, which the audit log has as drawbridge.decision_id."`
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"256" doc:"Why, for the audit log."`
	}
}

func (h *Handler) registerPeople(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "forget-person", Method: http.MethodPost, Path: basePath + "/people/forget", Tags: []string{"People"},
		Summary: "Drop what every server has cached about somebody",
	}, func(ctx context.Context, in *forgetPerson) (*struct{}, error) {
		act := manage.Act{DryRun: in.DryRun, Reason: in.Body.Reason}
		return nil, h.problem(h.Desk.ForgetPerson(ctx, actor(ctx), in.Body.Who, act))
	})
	huma.Register(api, huma.Operation{
		OperationID: "revoke-token", Method: http.MethodPost, Path: basePath + "/tokens/{jti}/revoke", Tags: []string{"Tokens"},
		Summary: "End one access token before its time",
	}, func(ctx context.Context, in *revokeToken) (*struct{}, error) {
		act := manage.Act{DryRun: in.DryRun, Reason: in.Body.Reason}
		return nil, h.problem(h.Desk.RevokeToken(ctx, actor(ctx), in.ID, act))
	})
}
