package audit

import "github.com/prometheus/client_golang/prometheus"

// Register adds the counters of lost events to reg.
func (l *Log) Register(reg prometheus.Registerer) {
	for _, s := range l.sinks {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "drawbridge_audit_dropped_total", Help: "Audit events that a sink has lost.",
			ConstLabels: prometheus.Labels{"sink": s.name},
		}, func() float64 { return float64(s.dropped.Load()) }))
	}
}
