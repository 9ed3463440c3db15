package server

import (
	"net/http"

	"drawbridge/tracing"
)

// WithTraces makes a span of each request, with the route that answered it; a nil tracer:
// next as it is. It goes on with the trace that a trusted proxy names, and is before what
// logs and after [WithRequestID].
func WithTraces(tracer *tracing.Tracer, trusted Proxies, next http.Handler) http.Handler {
	if tracer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := tracer.Request(r, trusted.Forwarded(r))
		if !span.Recorded() {
			next.ServeHTTP(w, r)
			return
		}
		span.String(tracing.RequestID, RequestID(r))
		r = r.WithContext(ctx)
		seen, status := &answered{ResponseWriter: w, status: http.StatusOK}, 0 // 0: it panicked
		defer func() { span.Answered(r, tracing.Route(r.Pattern), status) }()
		next.ServeHTTP(seen, r)
		status = seen.status
	})
}
