package exec

import (
	"context"
	"errors"
	"os"

	"drawbridge/connectors"
	"drawbridge/connectors/measure"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics takes what a connector measures. [NewMetrics] makes one for Prometheus.
type Metrics interface {
	// Of a request to the program: its kind, and how long it took with the wait for a
	// process.
	measure.Sink
	// Watch is called once, with a function that tells the state of the connector
	// whenever it is called.
	Watch(state func() Stats)
}

// backend is what the metrics and traces call a program.
const backend = "exec"

// Stats is the state of a connector.
type Stats struct {
	// InUse and Idle count processes: those that have a request, and those that wait
	// for one. Waiting counts the requests that wait for a process.
	InUse, Idle, Waiting int
	// Restarts counts the processes of the pooled mode that ended when they should
	// not, or could not be started.
	Restarts uint64
}

// Stats returns the state of the connector now.
func (c *Connector) Stats() Stats { return c.runner.stats() }

// requestOutcome: the program did its work if it answered about the person; a word
// about its own trouble is a refusal.
func requestOutcome(outcome connectors.Outcome, err error) measure.Outcome {
	switch {
	case errors.Is(err, errBusy):
		return measure.Busy
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return measure.Timeout
	case err != nil:
		return measure.Failed
	}
	switch outcome.Kind() {
	case connectors.KindGranted, connectors.KindNotMine, connectors.KindDenied:
		return measure.OK
	default:
		return measure.Refused
	}
}

// PrometheusMetrics are the metrics of one connector. No label holds a user.
type PrometheusMetrics struct {
	*measure.Requests
	reg prometheus.Registerer
}

// NewMetrics registers the metrics of the connector of that name.
func NewMetrics(reg prometheus.Registerer, connector string) *PrometheusMetrics {
	reg = measure.ForConnector(reg, connector)
	return &PrometheusMetrics{measure.NewRequests(reg, backend,
		"Time of requests to the program by kind and how they ended, with the wait for a process."), reg}
}

// Watch registers the gauges and the counter of restarts.
func (m *PrometheusMetrics) Watch(state func() Stats) {
	factory := promauto.With(m.reg)
	for name, count := range map[string]func(Stats) int{
		"in_use":  func(s Stats) int { return s.InUse },
		"idle":    func(s Stats) int { return s.Idle },
		"waiting": func(s Stats) int { return s.Waiting },
	} {
		factory.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "drawbridge_exec_pool_processes",
			Help:        "Processes of the program: in use, idle, and requests that wait for one.",
			ConstLabels: prometheus.Labels{"state": name},
		}, func() float64 { return float64(count(state())) })
	}
	factory.NewCounterFunc(prometheus.CounterOpts{
		Name: "drawbridge_exec_restarts_total",
		Help: "Pooled processes that ended when they should not, or could not be started.",
	}, func() float64 { return float64(state().Restarts) })
}
