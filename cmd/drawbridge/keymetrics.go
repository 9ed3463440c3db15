package main

import (
	"drawbridge/server"
	"drawbridge/tokens"

	"github.com/prometheus/client_golang/prometheus"
)

// The roles of keys that package tokens does not name.
const (
	roleCANext = "ca_next" // the CA that follows, while it is being changed
	roleTLS    = "tls"     // the server's own certificate
)

// keyExpiry tells when each certificate that this process uses ends.
type keyExpiry struct {
	desc *prometheus.Desc
	keys *tokens.Keys
	tls  *server.Certificate // nil for plain HTTP
}

func newKeyExpiry(keys *tokens.Keys, own *server.Certificate) *keyExpiry {
	return &keyExpiry{
		desc: prometheus.NewDesc("drawbridge_key_expiry_timestamp_seconds",
			"When the certificate of a key in use ends, in Unix seconds; service is that of a static key.",
			[]string{"role", "service"}, nil),
		keys: keys, tls: own,
	}
}

// Describe implements prometheus.Collector.
func (e *keyExpiry) Describe(descs chan<- *prometheus.Desc) { descs <- e.desc }

// Collect implements prometheus.Collector.
func (e *keyExpiry) Collect(metrics chan<- prometheus.Metric) {
	add := func(end int64, role, service string) {
		metrics <- prometheus.MustNewConstMetric(e.desc, prometheus.GaugeValue, float64(end), role, service)
	}
	for _, key := range e.keys.KeyExpiry() {
		role := string(key.Role)
		if key.Role == tokens.RoleCA && key.State == tokens.ShownNext {
			role = roleCANext
		}
		add(key.NotAfter.Unix(), role, key.Service)
	}
	if e.tls == nil {
		return
	}
	if end := e.tls.NotAfter(); !end.IsZero() { // one from ACME may not be there yet
		add(end.Unix(), roleTLS, "")
	}
}
