package sessions

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics counts sessions. A nil one counts nothing.
type Metrics struct{ sessions prometheus.Gauge }

// NewMetrics registers the metrics of sessions.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	return &Metrics{promauto.With(reg).NewGauge(prometheus.GaugeOpts{
		Name: "drawbridge_sessions_live", Help: "Sessions that are neither over nor revoked, as the store had them within the last minute.",
	})}
}

func (m *Metrics) live(n int64) {
	if m != nil {
		m.sessions.Set(float64(n))
	}
}
