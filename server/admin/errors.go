package admin

import (
	"errors"
	"fmt"
	"net/http"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/bridge/manage"
	"drawbridge/identity"
	"drawbridge/server"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// statusOf is the one place that maps error kinds to the API's statuses.
func statusOf(kind identity.ErrorKind) int {
	switch kind {
	case identity.Invalid:
		return http.StatusUnprocessableEntity
	case identity.TooLarge:
		return http.StatusRequestEntityTooLarge
	case identity.Unauthenticated:
		return http.StatusUnauthorized
	case identity.Forbidden:
		return http.StatusForbidden
	case identity.Unavailable:
		return http.StatusServiceUnavailable
	case identity.RateLimited:
		return http.StatusTooManyRequests
	case identity.NotFound:
		return http.StatusNotFound
	case identity.Conflict:
		return http.StatusConflict
	case identity.Stale:
		return http.StatusPreconditionFailed
	case identity.Unsupported:
		return http.StatusNotImplemented
	case identity.Internal:
	}
	return http.StatusInternalServerError
}

// problem turns an error into problem details.
func (h *Handler) problem(err error) error {
	if err == nil {
		return nil
	}
	if already, ok := errors.AsType[huma.StatusError](err); ok {
		return already
	}
	if problems, ok := errors.AsType[authz.Problems](err); ok {
		details := make([]error, len(problems))
		for i, p := range problems {
			details[i] = &huma.ErrorDetail{Message: p.Message, Location: fmt.Sprintf("line %d: %s", p.Line, p.Path)}
		}
		return huma.NewError(http.StatusUnprocessableEntity, "The policy document has faults; the policy in force stays.", details...)
	}
	if stale, ok := errors.AsType[*revisions.Stale](err); ok {
		return huma.NewError(http.StatusPreconditionFailed, manage.Sentence(stale.Error()))
	}
	e := identity.AsError(err)
	answer := huma.NewError(statusOf(e.Kind), e.Message)
	headers := http.Header{}
	switch e.Kind {
	case identity.Internal:
		return &internal{answer, e}
	case identity.Unauthenticated:
		headers.Add("WWW-Authenticate", `Basic realm="Drawbridge", charset="UTF-8"`)
		headers.Add("WWW-Authenticate", `Bearer realm="Drawbridge"`)
	case identity.Unavailable, identity.RateLimited:
		headers.Set("Retry-After", server.RetryAfter(e.RetryAfter))
	default:
		return answer
	}
	return huma.ErrorWithHeaders(answer, headers)
}

// refuse answers before any operation was reached.
func (h *Handler) refuse(api huma.API, ctx huma.Context, err error) {
	answer := h.problem(err)
	if with, ok := errors.AsType[huma.HeadersError](answer); ok {
		for name, values := range with.GetHeaders() {
			for _, value := range values {
				ctx.AppendHeader(name, value)
			}
		}
	}
	if hidden, ok := errors.AsType[*internal](answer); ok {
		h.hide(ctx, hidden)
	}
	status, message := http.StatusInternalServerError, answer.Error()
	if s, ok := errors.AsType[huma.StatusError](answer); ok {
		status, message = s.GetStatus(), s.Error()
	}
	if err := huma.WriteErr(api, ctx, status, message); err != nil {
		h.Log.DebugContext(ctx.Context(), "write an answer", "error", err)
	}
}

// internal is a problem whose cause is for the log alone.
type internal struct {
	huma.StatusError
	cause error
}

// ContentType implements [huma.ContentTypeFilter].
func (i *internal) ContentType(negotiated string) string {
	if problem, ok := i.StatusError.(huma.ContentTypeFilter); ok {
		return problem.ContentType(negotiated)
	}
	return negotiated
}

// finish logs what a problem hides, and puts into each one under which ID that is.
func (h *Handler) finish(ctx huma.Context, _ string, body any) (any, error) {
	if hidden, ok := body.(*internal); ok {
		h.hide(ctx, hidden)
		body = hidden.StatusError
	}
	if problem, ok := body.(*huma.ErrorModel); ok && problem.Instance == "" {
		r, _ := humago.Unwrap(ctx)
		problem.Instance = server.ProblemInstance(r)
	}
	return body, nil
}

// hide keeps the cause from the client.
func (h *Handler) hide(ctx huma.Context, failed *internal) {
	h.Log.ErrorContext(ctx.Context(), "admin request failed", "error", failed.cause)
}
