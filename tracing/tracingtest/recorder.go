// Package tracingtest keeps the spans of a test.
package tracingtest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"drawbridge/tracing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// Recorder is a tracer whose spans a test can look at.
type Recorder struct {
	*tracing.Tracer
	spans *tracetest.SpanRecorder
}

// New returns a recorder that begins to record the ratio of the traces.
func New(ratio float64) *Recorder {
	spans := tracetest.NewSpanRecorder()
	return &Recorder{tracing.Into(spans, tracing.Options{SampleRatio: ratio, Log: slog.New(slog.DiscardHandler)}), spans}
}

// Traced returns the tree of what is done in a traced request.
func Traced(ctx context.Context, do func(context.Context)) string {
	r := New(1)
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	ctx, span := r.Request(request, false)
	do(ctx)
	span.Answered(request, "/", http.StatusOK)
	_, inner, _ := strings.Cut(r.Tree(), "\n")
	return inner
}

// Ended returns the finished spans.
func (r *Recorder) Ended() []sdk.ReadOnlySpan { return r.spans.Ended() }

// Tree prints the finished spans, each on a line below its parent, in the order of their
// beginnings, with "!" for an error and the attributes in the order of their names.
func (r *Recorder) Tree() string {
	below := map[trace.SpanID][]sdk.ReadOnlySpan{}
	ended := map[trace.SpanID]bool{}
	for _, s := range r.spans.Ended() {
		ended[s.SpanContext().SpanID()] = true
	}
	for _, s := range r.spans.Ended() {
		parent := s.Parent().SpanID()
		if !ended[parent] {
			parent = trace.SpanID{} // another process's, or none
		}
		below[parent] = append(below[parent], s)
	}
	var out strings.Builder
	var write func(parent trace.SpanID, depth int)
	write = func(parent trace.SpanID, depth int) {
		slices.SortStableFunc(below[parent], func(a, b sdk.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
		for _, s := range below[parent] {
			fmt.Fprintf(&out, "%s%s\n", strings.Repeat("  ", depth), line(s))
			write(s.SpanContext().SpanID(), depth+1)
		}
	}
	write(trace.SpanID{}, 0)
	return out.String()
}

func line(s sdk.ReadOnlySpan) string {
	var attributes []string
	for _, a := range s.Attributes() {
		attributes = append(attributes, fmt.Sprintf(" %s=%s", a.Key, a.Value.String()))
	}
	slices.SortFunc(attributes, cmp.Compare[string])
	failed := ""
	if s.Status().Code != 0 {
		failed = "!"
	}
	return s.Name() + failed + strings.Join(attributes, "")
}
