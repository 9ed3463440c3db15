package tracing

import (
	"context"
	"net"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope names this program as the one that made a span.
const scope = "drawbridge"

// The keys that OpenTelemetry has no name for. Those that the audit log has, too, are
// called as they are there.
const (
	Outcome        = "drawbridge.outcome"
	Reason         = "drawbridge.reason"
	Connector      = "drawbridge.connector"
	RequestID      = "drawbridge.request_id"
	DecisionID     = "drawbridge.decision_id"
	PolicyRevision = "drawbridge.policy_revision"
	Stale          = "drawbridge.stale"
)

// Span is a part of a traced request. The zero Span is part of none: its methods do
// nothing.
type Span struct{ span trace.Span }

// Step begins a part of the work, inside of the one that ctx is in. What is done under
// the returned context becomes part of it.
func Step(ctx context.Context, name string) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	ctx, span := tracerOf(parent).Start(ctx, name)
	return ctx, Span{span}
}

// Ask begins a question of that name to a system such as redis or ldap. peer is host:port
// of who is asked, or empty.
func Ask(ctx context.Context, system, op, peer string) Span {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return Span{}
	}
	return ask(ctx, parent, system, op, peer)
}

func ask(ctx context.Context, parent trace.Span, system, op, peer string) Span {
	var attributes []attribute.KeyValue
	switch system {
	case "redis", "postgresql", "sqlite":
		attributes = append(attributes, semconv.DBSystemNameKey.String(system))
	}
	if host, port, err := net.SplitHostPort(peer); err == nil {
		attributes = append(attributes, semconv.ServerAddress(host))
		if n, err := strconv.Atoi(port); err == nil {
			attributes = append(attributes, semconv.ServerPort(n))
		}
	} else if peer != "" {
		attributes = append(attributes, semconv.ServerAddress(peer))
	}
	_, span := tracerOf(parent).Start(ctx, system+" "+op,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	return Span{span}
}

func tracerOf(parent trace.Span) trace.Tracer { return parent.TracerProvider().Tracer(scope) }

// Recorded reports whether the span is part of a traced request: whether it is worth
// finding out what to tell it.
func (s Span) Recorded() bool { return s.span != nil }

// String adds an attribute; an empty value adds none.
func (s Span) String(key, value string) {
	if s.span != nil && value != "" {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// Bool adds an attribute that is worth a mention if it is so.
func (s Span) Bool(key string, value bool) {
	if s.span != nil && value {
		s.span.SetAttributes(attribute.Bool(key, value))
	}
}

// End ends the span with how it came out, a word of a closed list. failed says that
// what was to be done was not done; a wrong password is no failure.
func (s Span) End(outcome string, failed bool) {
	if s.span == nil {
		return
	}
	s.String(Outcome, outcome)
	if failed {
		s.fail(outcome)
	}
	s.span.End()
}

func (s Span) fail(errorType string) {
	s.span.SetAttributes(semconv.ErrorTypeKey.String(errorType))
	s.span.SetStatus(codes.Error, "")
}

// ID returns the trace that ctx is in, as the log has it; empty unless it is recorded.
func ID(ctx context.Context) string {
	in := trace.SpanContextFromContext(ctx)
	if !in.IsSampled() {
		return ""
	}
	return in.TraceID().String()
}
