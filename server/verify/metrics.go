package verify

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// outcome is what a gateway was answered, and why.
type outcome uint8

const (
	noToken       outcome = iota // 200, and the registry makes its challenge
	allowed                      // 200
	invalid                      // 401: forged, expired, or not one Bearer token
	otherService                 // 401: of another registry
	revoked                      // 403
	misconfigured                // 403: the gateway names an unknown registry
	unknown                      // 503: the revocations cannot be read
	outcomes                     // how many there are
)

// names are the values of the metric's label.
func names() [outcomes]string {
	return [...]string{"no_token", "allowed", "invalid", "other_service", "revoked", "misconfigured", "unknown"}
}

// Metrics counts what gateways were answered.
type Metrics struct {
	requests [outcomes]prometheus.Counter
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	total := promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "drawbridge_verify_requests_total", Help: "Requests of gateways, by what they were answered.",
	}, []string{"outcome"})
	m := &Metrics{}
	for o, name := range names() {
		m.requests[o] = total.WithLabelValues(name)
	}
	return m
}

func (m *Metrics) count(o outcome) { m.requests[o].Inc() }
