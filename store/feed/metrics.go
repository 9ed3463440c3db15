package feed

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics shows how fresh a follower is; nil measures nothing.
type metrics struct{ looks *prometheus.CounterVec }

// What was looked at.
const (
	sourceStore = "store"
	sourceRelay = "relay"
)

func newMetrics(f *Follower) *metrics {
	if f.opts.Metrics == nil {
		return nil
	}
	factory := promauto.With(f.opts.Metrics)
	gauge := func(name, help string, value func() float64) {
		factory.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	gauge("drawbridge_feed_lag_seconds", "Time since the feed of changes was last known to its end; -1 before the first time.", func() float64 {
		if f.Loaded() != nil {
			return -1
		}
		return f.age().Seconds()
	})
	gauge("drawbridge_feed_fresh", "Whether every revocation is known (1); else tokens cannot be checked for it (0).", func() float64 {
		return truth(f.Fresh() == nil)
	})
	gauge("drawbridge_store_up", "Whether the store answered when it was last asked for changes.", func() float64 {
		return truth(f.storeUp.Load())
	})
	if f.opts.Relay != nil {
		gauge("drawbridge_feed_relay_up", "Whether Redis holds the end of the feed, so that the store may be away.", func() float64 {
			return truth(f.relayUp.Load())
		})
	}
	m := &metrics{looks: factory.NewCounterVec(prometheus.CounterOpts{
		Name: "drawbridge_feed_looks_total",
		Help: "Looks for changes by where (store, or relay while the store does not answer) and whether they were complete.",
	}, []string{"source", "outcome"})}
	for _, source := range []string{sourceStore, sourceRelay} {
		for _, outcome := range []string{"complete", "failed"} {
			m.looks.WithLabelValues(source, outcome)
		}
	}
	return m
}

func (m *metrics) looked(source string, err error) {
	if m == nil {
		return
	}
	outcome := "complete"
	if err != nil {
		outcome = "failed"
	}
	m.looks.WithLabelValues(source, outcome).Inc()
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
