package admin

import (
	"context"
	"net/http"

	"drawbridge/bridge/manage"

	"github.com/danielgtaylor/huma/v2"
)

type keyList struct {
	Body struct {
		Keys []manage.Key `json:"keys" nullable:"false"`
	}
}

type rotateKeys struct {
	Write
	Body struct {
		Emergency bool   `json:"emergency,omitempty" doc:"A key may be in wrong hands: every token that the old keys have signed is refused as well."`
		Reason    string `json:"reason,omitempty" maxLength:"256" doc:"Why, for the audit log."`
	}
}

type rotatedKeys struct {
	Body struct {
		Replaced []string `json:"replaced" nullable:"false" doc:"The old keys. Running replicas make others within a second."`
	}
}

func (h *Handler) registerKeys(api huma.API) {
	tags := []string{"Keys"}
	huma.Register(api, huma.Operation{
		OperationID: "list-keys", Method: http.MethodGet, Path: basePath + "/keys", Tags: tags, Summary: "The signing keys of all replicas",
	}, func(ctx context.Context, _ *struct{}) (*keyList, error) {
		list, err := h.Desk.ListKeys(ctx, actor(ctx))
		if err != nil {
			return nil, h.problem(err)
		}
		answer := &keyList{}
		answer.Body.Keys = list
		return answer, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "rotate-keys", Method: http.MethodPost, Path: basePath + "/keys/rotate", Tags: tags,
		Summary:     "Have every replica make a new leaf key",
		Description: "No registry needs a restart. The CA and the keys of single services are replaced on the host, with `drawbridge keys rotate`.",
	}, func(ctx context.Context, in *rotateKeys) (*rotatedKeys, error) {
		kids, err := h.Desk.RotateKeys(ctx, actor(ctx), in.Body.Emergency, manage.Act{DryRun: in.DryRun, Reason: in.Body.Reason})
		if err != nil {
			return nil, h.problem(err)
		}
		answer := &rotatedKeys{}
		answer.Body.Replaced = kids
		return answer, nil
	})
}
