package revocation

import (
	"drawbridge/store/feed"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Register has the registry show how much is revoked.
func (l *List) Register(reg prometheus.Registerer) {
	for kind, what := range map[feed.Kind]string{
		feed.RevokeToken: "token", feed.RevokeSession: "session", feed.RevokePerson: "person", feed.RevokeKey: "key",
	} {
		promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
			Name: "drawbridge_revocations_live", Help: "Revocations that have not expired, by what is revoked.",
			ConstLabels: prometheus.Labels{"kind": what},
		}, func() float64 { return float64(l.Live()[kind]) })
	}
}
