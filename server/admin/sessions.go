package admin

import (
	"context"
	"net/http"

	"drawbridge/bridge/manage"

	"github.com/danielgtaylor/huma/v2"
)

type sessionQuery struct {
	Page
	Person  string `query:"person" doc:"Only those of this person; absent: everybody's, and one's own without a role." example:"corp/alice"`
	Service string `query:"service" doc:"Only those for this registry."`
	Ended   bool   `query:"ended" doc:"Also those that were ended or have expired lately."`
}

type sessionPage struct{ Body manage.SessionPage }

type endedAnswer struct{ Body manage.Ended }

type endSession struct {
	Write
	ID     string `path:"id"`
	Reason string `query:"reason" maxLength:"256" doc:"Why, for whoever asks later."`
}

type endPerson struct {
	Write
	Body struct {
		Person string `json:"person" doc:"CONNECTOR/NAME or robot:NAME." example:"corp/alice"`
		Reason string `json:"reason,omitempty" maxLength:"256" doc:"Why, for whoever asks later."`
	}
}

func (h *Handler) registerSessions(api huma.API) {
	tags := []string{"Sessions"}
	huma.Register(api, huma.Operation{
		OperationID: "list-sessions", Method: http.MethodGet, Path: basePath + "/sessions", Tags: tags,
		Summary: "Logins that hold a refresh token", Description: "Everybody may list their own.",
	}, func(ctx context.Context, in *sessionQuery) (*sessionPage, error) {
		list, err := h.Desk.ListSessions(ctx, actor(ctx), manage.SessionQuery{
			Person: in.Person, Service: in.Service, Ended: in.Ended, Cursor: in.Cursor, Limit: in.Limit,
		})
		if err != nil {
			return nil, h.problem(err)
		}
		return &sessionPage{list}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "end-session", Method: http.MethodDelete, Path: basePath + "/sessions/{id}", Tags: tags, DefaultStatus: http.StatusOK,
		Summary: "End a session and the tokens that came of it", Description: "Everybody may end their own.",
	}, func(ctx context.Context, in *endSession) (*endedAnswer, error) {
		ended, err := h.Desk.EndSessions(ctx, actor(ctx), []string{in.ID}, manage.Act{DryRun: in.DryRun, Reason: in.Reason})
		if err == nil && len(ended.Unknown) > 0 {
			return nil, huma.NewError(http.StatusNotFound, "There is no such session.")
		}
		return h.ended(ended, err)
	})
	huma.Register(api, huma.Operation{
		OperationID: "revoke-person", Method: http.MethodPost, Path: basePath + "/sessions/revoke", Tags: tags,
		Summary: "End everything that a person holds: sessions, tokens, and what is remembered of them",
	}, func(ctx context.Context, in *endPerson) (*endedAnswer, error) {
		return h.ended(h.Desk.EndPerson(ctx, actor(ctx), in.Body.Person, manage.Act{DryRun: in.DryRun, Reason: in.Body.Reason}))
	})
}

func (h *Handler) ended(ended manage.Ended, err error) (*endedAnswer, error) {
	if err != nil {
		return nil, h.problem(err)
	}
	return &endedAnswer{ended}, nil
}
