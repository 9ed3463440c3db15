package measure

import (
	"context"
	"time"

	"drawbridge/tracing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Outcome is how a request ended.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused" // the backend answered, and not with what was asked for
	Timeout Outcome = "timeout"
	Failed  Outcome = "failed" // no connection, a broken one, or an answer that is none
	Busy    Outcome = "busy"   // never sent: too many others were waiting
)

// Requests are the durations of the requests of one connector.
type Requests struct{ duration *prometheus.HistogramVec }

// ForConnector returns a registerer whose metrics have the connector's name as a
// label.
func ForConnector(reg prometheus.Registerer, connector string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"connector": connector}, reg)
}

// NewRequests registers the durations for a backend such as ldap. The help says
// which requests are meant.
func NewRequests(reg prometheus.Registerer, backend, help string) *Requests {
	return &Requests{promauto.With(reg).NewHistogramVec(prometheus.HistogramOpts{
		Name:    "drawbridge_" + backend + "_request_duration_seconds",
		Help:    help,
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 4, 8},
	}, []string{"op", "outcome"})}
}

// Sink takes what is measured; [Requests] is one.
type Sink interface {
	// Request takes one request: what was asked, how it ended and how long that took.
	Request(op string, outcome Outcome, took time.Duration)
}

// Question is one request under way, which is measured and, in a traced request, a span.
type Question struct {
	op    string
	start time.Time
	span  tracing.Span
}

// Ask begins a request to a backend such as ldap. peer is host:port of who is asked, or
// empty.
func Ask(ctx context.Context, backend, op, peer string) Question {
	return Question{op: op, start: time.Now(), span: tracing.Ask(ctx, backend, op, peer)}
}

// End says how it ended. Tests and embedders may leave the sink out.
func (q Question) End(to Sink, outcome Outcome) {
	q.span.End(string(outcome), outcome != OK && outcome != Refused)
	if to != nil {
		to.Request(q.op, outcome, time.Since(q.start))
	}
}

// Request counts and times one request.
func (r *Requests) Request(op string, outcome Outcome, took time.Duration) {
	r.duration.WithLabelValues(op, string(outcome)).Observe(took.Seconds())
}
