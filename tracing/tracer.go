package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"drawbridge/identity"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Options are what [New] needs.
type Options struct {
	// Endpoint is the URL that spans are posted to; see [ParseEndpoint].
	Endpoint string
	// SampleRatio is which part of the traces that begin here is recorded, 0 to 1.
	SampleRatio float64
	// Headers go with every post; see [ParseHeaders].
	Headers identity.Secret
	// CAFile is a PEM bundle to trust instead of the system's; empty: the system's.
	CAFile string
	// Version is the program's.
	Version string
	Metrics prometheus.Registerer
	Log     *slog.Logger
	Clock   func() time.Time
}

// Tracer makes the spans of requests.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// The bounds on what tracing may cost.
const (
	// maxQueue is how many finished spans wait for the collector: some megabytes.
	maxQueue = 4096
	maxBatch = 512
	// batchEvery is how long a span waits for others at the most.
	batchEvery = 2 * time.Second
	// exportTimeout is how long a collector may take for a batch.
	exportTimeout = 5 * time.Second
	// flushTimeout is how long the end of the process waits for the last ones.
	flushTimeout = 3 * time.Second
)

// New returns a tracer for a collector, which need not be there. An error names the
// setting that cannot be used.
func New(o Options) (*Tracer, error) {
	client, err := newClient(o)
	if err != nil {
		return nil, err
	}
	out := newOutbox(otlptrace.NewUnstarted(client), o)
	return Into(out.processor(), o), nil
}

// Into returns a tracer that gives finished spans to the processor, and not to the
// collector of the options.
func Into(finished sdk.SpanProcessor, o Options) *Tracer {
	provider := sdk.NewTracerProvider(
		sdk.WithSpanProcessor(finished),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.SampleRatio))),
		sdk.WithResource(describe(o)),
		// The defaults, which the environment could change.
		sdk.WithRawSpanLimits(sdk.SpanLimits{
			AttributeValueLengthLimit: sdk.DefaultAttributeValueLengthLimit, AttributeCountLimit: sdk.DefaultAttributeCountLimit,
			EventCountLimit: sdk.DefaultEventCountLimit, LinkCountLimit: sdk.DefaultLinkCountLimit,
			AttributePerEventCountLimit: sdk.DefaultAttributePerEventCountLimit, AttributePerLinkCountLimit: sdk.DefaultAttributePerLinkCountLimit,
		}),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer(scope)}
}

// describe says what the process is. The environment, which a platform sets, has the
// last word.
func describe(o Options) *resource.Resource {
	host, _ := os.Hostname() // only for people
	described, err := resource.New(context.Background(),
		resource.WithSchemaURL(semconv.SchemaURL),
		resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("drawbridge"), semconv.ServiceVersion(o.Version), semconv.ServiceInstanceID(host)),
		resource.WithFromEnv(),
	)
	if err != nil {
		o.Log.Warn("OTEL_RESOURCE_ATTRIBUTES is not used as a whole", "error", err)
	}
	return described
}

// Close hands over what is still waiting, within a few seconds.
func (t *Tracer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("hand the last spans to the collector: %w", err)
	}
	return nil
}
