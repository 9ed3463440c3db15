package ldap

import (
	"context"
	"errors"

	"drawbridge/connectors/measure"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics takes what a connector measures. [NewMetrics] makes one for Prometheus.
type Metrics interface {
	measure.Sink
	// Watch is called once, with a function that tells the state of the connector
	// whenever it is called.
	Watch(state func() Stats)
}

// backend is what the metrics and traces call a directory.
const backend = "ldap"

// The op of a request.
const (
	opResolve     = "resolve" // the SRV records of a domain
	opConnect     = "connect" // dial and TLS
	opStartTLS    = "start_tls"
	opProbe       = "probe" // the root DSE
	opServiceBind = "service_bind"
	opUserSearch  = "user_search"
	opGroupSearch = "group_search"
	opUserBind    = "user_bind"
)

// requestOutcome: a result other than success is a refusal, and the directory's word.
func requestOutcome(err error) measure.Outcome {
	_, fromServer := resultCode(err)
	switch {
	case err == nil:
		return measure.OK
	case errors.Is(err, errNoAnswer):
		return measure.Timeout
	case fromServer:
		return measure.Refused
	}
	return measure.Failed
}

// Stats is the state of a connector.
type Stats struct {
	// Idle, InUse and Waiting count service connections: those in the pool, those
	// that searches use, and the searches that wait for one.
	Idle, InUse, Waiting int
	// Hosts are the servers, in their order; of a domain those that DNS named last.
	Hosts []HostStats
}

// HostStats is the state of one server.
type HostStats struct {
	Host    string // host:port
	Breaker BreakerState
}

// Stats returns the state of the connector now.
func (c *Connector) Stats() Stats {
	s := Stats{InUse: len(c.pool.slots), Waiting: int(c.pool.waiting.Load())}
	c.pool.mu.Lock()
	s.Idle = len(c.pool.idle)
	c.pool.mu.Unlock()
	for _, h := range c.sources.known() {
		s.Hosts = append(s.Hosts, HostStats{h.addr, h.state(c.clock())})
	}
	return s
}

// ask begins to measure a request to the host.
func (h *host) ask(ctx context.Context, op string) measure.Question {
	return measure.Ask(ctx, backend, op, h.addr)
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
		"Time of requests to the directory, and to DNS for its servers, by what was asked and how it ended."), reg}
}

// Watch registers the gauges.
func (m *PrometheusMetrics) Watch(state func() Stats) {
	m.reg.MustRegister(&gauges{
		state: state,
		pool: prometheus.NewDesc("drawbridge_ldap_pool_connections",
			"Service connections: idle, in use, and searches that wait for one.", []string{"state"}, nil),
		breaker: prometheus.NewDesc("drawbridge_ldap_breaker_state",
			"The breaker of each host: 0 closed, 1 half open, 2 open.", []string{"host"}, nil),
	})
}

// gauges reads the state of a connector when it is scraped.
type gauges struct {
	state         func() Stats
	pool, breaker *prometheus.Desc
}

// Describe implements [prometheus.Collector].
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	ch <- g.pool
	ch <- g.breaker
}

// Collect implements [prometheus.Collector].
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	s := g.state()
	for state, n := range map[string]int{"idle": s.Idle, "in_use": s.InUse, "waiting": s.Waiting} {
		ch <- prometheus.MustNewConstMetric(g.pool, prometheus.GaugeValue, float64(n), state)
	}
	seen := map[string]bool{} // a host that is configured twice is one series
	for _, h := range s.Hosts {
		if !seen[h.Host] {
			seen[h.Host] = true
			ch <- prometheus.MustNewConstMetric(g.breaker, prometheus.GaugeValue, float64(h.Breaker), h.Host)
		}
	}
}
