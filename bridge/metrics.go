package bridge

import (
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/connectors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics counts what the bridge does. No label holds a user or a repository:
// their number has no bound.
type Metrics struct {
	attempts  *prometheus.CounterVec
	refreshes *prometheus.CounterVec
	begun     *prometheus.CounterVec
	decisions *prometheus.CounterVec
	duration  prometheus.Histogram
	issued    prometheus.Counter
}

// NewMetrics registers the bridge's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	factory := promauto.With(reg)
	return &Metrics{
		attempts: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "drawbridge_authn_attempts_total",
			Help: "Logins by the connector that answered, the outcome and the reason of a refusal.",
		}, []string{"connector", "outcome", "reason"}),
		refreshes: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "drawbridge_refreshes_total",
			Help: "Refresh tokens shown, by the outcome and the reason of a refusal.",
		}, []string{"outcome", "reason"}),
		begun: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "drawbridge_sessions_started_total",
			Help: "Logins that were to last, by whether they got a refresh token (success) or the store did not answer (unknown).",
		}, []string{"outcome"}),
		decisions: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "drawbridge_access_decisions_total",
			Help: "Requested actions by whether the policy granted them.",
		}, []string{"action", "outcome"}),
		duration: factory.NewHistogram(prometheus.HistogramOpts{
			Name:    "drawbridge_access_decision_duration_seconds",
			Help:    "Time to decide all scopes of one request.",
			Buckets: []float64{.000001, .0000025, .000005, .00001, .000025, .00005, .0001, .001, .01},
		}),
		issued: factory.NewCounter(prometheus.CounterOpts{
			Name: "drawbridge_tokens_issued_total", Help: "Access tokens signed.",
		}),
	}
}

func (m *Metrics) attempt(v connectors.Verdict) {
	m.attempts.WithLabelValues(v.Connector, v.Kind().String(), string(v.Reason())).Inc()
}

func (m *Metrics) refreshed(outcome audit.Outcome, reason string) {
	m.refreshes.WithLabelValues(string(outcome), reason).Inc()
}

func (m *Metrics) started(outcome audit.Outcome) { m.begun.WithLabelValues(string(outcome)).Inc() }

func (m *Metrics) tokenIssued() { m.issued.Inc() }

func (m *Metrics) decided(d decision, took time.Duration) {
	for i, scope := range d.scopes {
		for _, action := range []authz.Action{authz.Pull, authz.Push, authz.Delete, authz.Catalog} {
			if !scope.Requested().Has(action) {
				continue
			}
			outcome := "denied"
			if d.granted[i].Has(action) {
				outcome = "granted"
			}
			m.decisions.WithLabelValues(action.String(), outcome).Inc()
		}
	}
	m.duration.Observe(took.Seconds())
}
