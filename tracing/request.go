package tracing

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Request begins the span of a request. believed says that the trace which its headers
// name is gone on with. The zero Span is of a request that is not recorded.
func (t *Tracer) Request(r *http.Request, believed bool) (context.Context, Span) {
	ctx := r.Context()
	if believed {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	ctx, span := t.tracer.Start(ctx, method(r), trace.WithSpanKind(trace.SpanKindServer))
	if !span.IsRecording() {
		return r.Context(), Span{}
	}
	return ctx, Span{span}
}

// Answered ends the span of a request. route is the pattern of the path, empty for one
// that fits none; the path itself may hold names. A status of 0 is none: the connection
// was cut.
func (s Span) Answered(r *http.Request, route string, status int) {
	if s.span == nil {
		return
	}
	scheme, name := "http", method(r)
	if r.TLS != nil {
		scheme = "https"
	}
	attributes := []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(name), semconv.URLScheme(scheme)}
	if name == otherMethod {
		name = "HTTP"
	}
	if route != "" {
		attributes, name = append(attributes, semconv.HTTPRoute(route)), name+" "+route
	}
	if status != 0 {
		attributes = append(attributes, semconv.HTTPResponseStatusCode(status))
	}
	switch {
	case status == 0:
		s.fail("aborted")
	case status >= http.StatusInternalServerError:
		s.fail(strconv.Itoa(status))
	}
	s.span.SetName(name)
	s.span.SetAttributes(attributes...)
	s.span.End()
}

// otherMethod stands for what anybody may write there.
const otherMethod = "_OTHER"

func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return otherMethod
}

// Route is the path of a pattern of a ServeMux, whose wildcards stand for names.
func Route(pattern string) string {
	if _, path, ok := strings.Cut(pattern, " "); ok {
		return path
	}
	return pattern
}
