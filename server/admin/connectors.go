package admin

import (
	"context"
	"net/http"

	"drawbridge/bridge/manage"

	"github.com/danielgtaylor/huma/v2"
)

type connectorList struct {
	Body struct {
		Connectors []manage.Connector `json:"connectors" nullable:"false"`
	}
}

type loginReport struct{ Body *manage.LoginReport }

type registryList struct {
	Body struct {
		Registries []manage.Registry `json:"registries" nullable:"false"`
	}
}

func (h *Handler) registerConnectors(api huma.API) {
	tags := []string{"Connectors"}
	huma.Register(api, huma.Operation{
		OperationID: "list-connectors", Method: http.MethodGet, Path: basePath + "/connectors", Tags: tags,
		Summary: "The connectors in their order, with their health as far as it is known",
	}, func(ctx context.Context, _ *struct{}) (*connectorList, error) {
		list, err := h.Desk.ListConnectors(actor(ctx))
		if err != nil {
			return nil, h.problem(err)
		}
		answer := &connectorList{}
		answer.Body.Connectors = list
		return answer, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "test-login", Method: http.MethodGet, Path: basePath + "/connectors/test", Tags: tags,
		Summary: "Which connector knows somebody, which entry and groups it finds, and what follows", Description: "No password is needed, and none is tried.",
	}, func(ctx context.Context, in *struct {
		Username string `query:"username" required:"true" minLength:"1" maxLength:"256" doc:"As it is typed at a login." example:"alice"`
	}) (*loginReport, error) {
		report, err := h.Desk.TestLogin(ctx, actor(ctx), in.Username)
		if err != nil {
			return nil, h.problem(err)
		}
		return &loginReport{report}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "list-registries", Method: http.MethodGet, Path: basePath + "/registries", Tags: []string{"Registries"},
		Summary: "The registries, with the settings to paste into each",
	}, func(ctx context.Context, _ *struct{}) (*registryList, error) {
		list, err := h.Desk.ListRegistries(actor(ctx))
		if err != nil {
			return nil, h.problem(err)
		}
		answer := &registryList{}
		answer.Body.Registries = list
		return answer, nil
	})
}
