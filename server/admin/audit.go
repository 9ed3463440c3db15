package admin

import (
	"context"
	"net/http"
	"time"

	"drawbridge/audit"
	"drawbridge/bridge/manage"

	"github.com/danielgtaylor/huma/v2"
)

// AuditFilter chooses events; all that is given must match. It is exported because
// huma passes over others inside of a struct.
type AuditFilter struct {
	Since      time.Time `query:"since" doc:"From then on." example:"2026-11-21T08:00:00Z"`
	Until      time.Time `query:"until" doc:"Before then."`
	Action     []string  `query:"action" doc:"Any of these actions, as docs/audit.md lists them; commas between several." example:"token_denied"`
	Outcome    string    `query:"outcome" enum:"success,failure,unknown"`
	Reason     string    `query:"reason" doc:"event.reason, such as wrong_password."`
	User       string    `query:"user" doc:"Who did it." example:"corp/alice"`
	Target     string    `query:"target" doc:"To whom it was done."`
	Repository string    `query:"repository" doc:"A repository, or with a slash at the end all below it." example:"payments/"`
	Decision   string    `query:"decision" doc:"Decision ID, the jti of a token."`
	Session    string    `query:"session" doc:"Session ID."`
	Address    string    `query:"address" doc:"Where it came from."`
}

func (f *AuditFilter) filter() (audit.Filter, error) {
	out := audit.Filter{
		Since: f.Since, Until: f.Until, Outcome: audit.Outcome(f.Outcome), Reason: f.Reason, User: f.User, Target: f.Target,
		Repository: f.Repository, Decision: f.Decision, Session: f.Session, Address: f.Address,
	}
	for _, text := range f.Action {
		action, err := audit.ParseAction(text)
		if err != nil {
			return out, huma.NewError(http.StatusUnprocessableEntity, manage.Sentence(err.Error()))
		}
		out.Actions = append(out.Actions, action)
	}
	return out, nil
}

type auditList struct {
	Body struct {
		Events []audit.Event `json:"events" nullable:"false"`
		Next   string        `json:"next,omitempty" doc:"The cursor of the next page; absent on the last."`
	}
}

type hygieneAnswer struct{ Body manage.Hygiene }

func (h *Handler) registerAudit(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-audit", Method: http.MethodGet, Path: basePath + "/audit", Tags: []string{"Audit"},
		Summary: "Audit events, the newest first",
	}, func(ctx context.Context, in *struct {
		AuditFilter
		Page
	}) (*auditList, error) {
		return h.auditEvents(ctx, &in.AuditFilter, in.Page)
	})
	huma.Register(api, huma.Operation{
		OperationID: "export-audit", Method: http.MethodGet, Path: basePath + "/audit/csv", Tags: []string{"Audit"},
		Summary: "Audit events as CSV, the newest first", Description: "At most 100000 events.",
		Responses: map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{csvType: {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, h.exportAudit)
	huma.Register(api, huma.Operation{
		OperationID: "policy-hygiene", Method: http.MethodGet, Path: basePath + "/policy/hygiene", Tags: []string{"Policy"},
		Summary:     "What can be tidied up",
		Description: "Bindings that nobody uses or that expire soon, and groups that nobody has, by the audit log of the last 90 days.",
	}, func(ctx context.Context, _ *struct{}) (*hygieneAnswer, error) {
		found, err := h.Desk.Hygiene(ctx, actor(ctx))
		if err != nil {
			return nil, h.problem(err)
		}
		return &hygieneAnswer{found}, nil
	})
}

func (h *Handler) auditEvents(ctx context.Context, chosen *AuditFilter, at Page) (*auditList, error) {
	filter, err := chosen.filter()
	if err != nil {
		return nil, err
	}
	after, err := audit.ParseCursor(at.Cursor)
	if err != nil {
		return nil, huma.NewError(http.StatusUnprocessableEntity, manage.Sentence(err.Error()))
	}
	found, err := h.Desk.AuditEvents(ctx, actor(ctx), filter, after, at.Limit)
	if err != nil {
		return nil, h.problem(err)
	}
	answer := &auditList{}
	answer.Body.Events = found.Events
	if found.Next.ID != "" {
		answer.Body.Next = found.Next.String()
	}
	return answer, nil
}

const (
	csvType = "text/csv; charset=utf-8"
	// maxExport bounds one export, and exportAtOnce what is held of it.
	maxExport    = 100_000
	exportAtOnce = 1000
)

// exportAudit reads the first page before it answers, so that a refusal is a
// problem and not an empty file.
func (h *Handler) exportAudit(ctx context.Context, in *AuditFilter) (*huma.StreamResponse, error) {
	filter, err := in.filter()
	if err != nil {
		return nil, err
	}
	who := actor(ctx)
	found, err := h.Desk.AuditEvents(ctx, who, filter, audit.Cursor{}, exportAtOnce)
	if err != nil {
		return nil, h.problem(err)
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", csvType)
		out.SetHeader("Content-Disposition", `attachment; filename="audit.csv"`)
		for done, first := 0, true; ; first = false {
			if err := audit.WriteCSV(out.BodyWriter(), found.Events, first); err != nil {
				return // the client hung up
			}
			if done += len(found.Events); found.Next.ID == "" || done >= maxExport {
				return
			}
			if found, err = h.Desk.AuditEvents(ctx, who, filter, found.Next, exportAtOnce); err != nil {
				h.Log.WarnContext(ctx, "an export of the audit log ends early", "error", err)
				panic(http.ErrAbortHandler) // else the file would look complete
			}
		}
	}}, nil
}
