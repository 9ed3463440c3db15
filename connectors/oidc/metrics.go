package oidc

import (
	"context"
	"errors"
	"net"
	"net/http"

	"drawbridge/connectors/measure"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics takes what a connector measures. [NewMetrics] makes one for Prometheus.
type Metrics interface {
	measure.Sink
	// Watch is called once, with a function that tells the state of the connector
	// whenever it is called.
	Watch(state func() Stats)
}

// backend is what the metrics and traces call a provider.
const backend = "oidc"

// The op of a request.
const (
	opDiscovery = "discovery"
	opKeys      = "jwks"
	opToken     = "token"
	opUserinfo  = "userinfo"
	opOverage   = "overage" // groups that were too many for a token
)

// Stats is the state of a connector.
type Stats struct {
	// MetadataLoaded says that the provider was reached once: its metadata are known,
	// and logins can be tried.
	MetadataLoaded bool
	// MetadataFailing says that the last fetch of them failed.
	MetadataFailing bool
}

// Stats returns the state of the connector now.
func (c *Connector) Stats() Stats {
	c.provider.mu.Lock()
	defer c.provider.mu.Unlock()
	return Stats{MetadataLoaded: c.provider.meta != nil, MetadataFailing: c.provider.err != nil}
}

// requestOutcome: the token endpoint refuses a wrong password with 400 or 401, so a
// refusal is everyday; a 5xx is the provider's failure.
func requestOutcome(status int, err error) measure.Outcome {
	var network net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return measure.Timeout
	case err != nil, status >= http.StatusInternalServerError:
		return measure.Failed
	case status == http.StatusOK:
		return measure.OK
	}
	return measure.Refused
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
		"Time of requests to the identity provider by what was asked and how it ended."), reg}
}

// Watch registers the gauges.
func (m *PrometheusMetrics) Watch(state func() Stats) {
	factory := promauto.With(m.reg)
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "drawbridge_oidc_metadata_loaded",
		Help: "1 once the provider's metadata are known; until then its people cannot log in.",
	}, func() float64 { return number(state().MetadataLoaded) })
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "drawbridge_oidc_metadata_failing",
		Help: "1 while the last fetch of the provider's metadata failed; the last good ones stay in use.",
	}, func() float64 { return number(state().MetadataFailing) })
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
