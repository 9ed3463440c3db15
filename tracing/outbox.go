package tracing

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// logEvery is the least time between two log lines about a collector that is away.
const logEvery = 10 * time.Minute

// outbox counts the spans on their way, and lets no more onto it than fit: the SDK's own
// queue drops in silence, and tells of a collector that is away every few seconds.
type outbox struct {
	to                    sdk.SpanExporter
	waiting               atomic.Int64 // in the queue or being sent
	sent, failed, dropped prometheus.Counter
	log                   *slog.Logger
	clock                 func() time.Time

	// The SDK exports one batch at a time.
	away   bool      // the last batch was not taken
	logged time.Time // when that was last said
}

func newOutbox(to sdk.SpanExporter, o Options) *outbox {
	spans := promauto.With(o.Metrics).NewCounterVec(prometheus.CounterOpts{
		Name: "drawbridge_trace_spans_total",
		Help: "Finished spans: sent to the collector, failed to be sent, or dropped since too many were waiting.",
	}, []string{"outcome"})
	return &outbox{
		to: to, log: o.Log, clock: o.Clock,
		sent: spans.WithLabelValues("sent"), failed: spans.WithLabelValues("failed"), dropped: spans.WithLabelValues("dropped"),
	}
}

// processor is what the finished spans are given to.
func (b *outbox) processor() sdk.SpanProcessor {
	// All of them are set, so that the environment changes none.
	return &gate{outbox: b, SpanProcessor: sdk.NewBatchSpanProcessor(b, sdk.WithMaxQueueSize(maxQueue),
		sdk.WithMaxExportBatchSize(maxBatch), sdk.WithBatchTimeout(batchEvery), sdk.WithExportTimeout(exportTimeout))}
}

// gate is before the SDK's queue.
type gate struct {
	sdk.SpanProcessor
	outbox *outbox
}

// OnEnd implements [sdk.SpanProcessor]. It never waits.
func (g *gate) OnEnd(span sdk.ReadOnlySpan) {
	if g.outbox.waiting.Add(1) > maxQueue {
		g.outbox.waiting.Add(-1)
		g.outbox.dropped.Inc()
		return
	}
	g.SpanProcessor.OnEnd(span)
}

// ExportSpans implements [sdk.SpanExporter]. It returns no error, which the SDK would log
// for itself.
func (b *outbox) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := b.to.ExportSpans(ctx, spans)
	b.waiting.Add(-int64(len(spans)))
	if err == nil {
		b.sent.Add(float64(len(spans)))
		if b.away {
			b.away = false
			b.log.InfoContext(ctx, "the collector of traces takes spans again")
		}
		return nil
	}
	b.failed.Add(float64(len(spans)))
	if now := b.clock(); !b.away || now.Sub(b.logged) >= logEvery {
		b.away, b.logged = true, now
		b.log.WarnContext(ctx, "the collector of traces does not take spans; they are lost, and requests go on", "error", err)
	}
	return nil
}

// Shutdown implements [sdk.SpanExporter].
func (b *outbox) Shutdown(ctx context.Context) error { return b.to.Shutdown(ctx) }
