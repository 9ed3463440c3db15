package main

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"time"

	"drawbridge/cache"
	"drawbridge/configs"
	"drawbridge/server"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// burstTime is how long the requests may take, at the rate allowed, that come at
// once: a pull asks for several tokens and then for none for a long time.
const burstTime = 10 * time.Second

// limits are the rates of requests, of which nil ones are off, and how many
// connections are open.
type limits struct {
	addresses, accounts cache.Rate
	open                prometheus.Gauge
}

// counted counts what a rate refuses.
type counted struct {
	cache.Rate
	refused prometheus.Counter
}

// Allow implements [cache.Rate].
func (c counted) Allow(ctx context.Context, key string) (time.Duration, error) {
	wait, err := c.Rate.Allow(ctx, key)
	if err == nil && wait > 0 {
		c.refused.Inc()
	}
	return wait, err
}

// newLimits returns what limits: of the configuration asks for, which replicas that
// have a Redis share.
func newLimits(cfg configs.Limits, redis *cache.Redis, reg prometheus.Registerer, log *slog.Logger) *limits {
	refused := promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "drawbridge_rate_limited_total", Help: "Requests that were refused because too many came, by what was counted.",
	}, []string{"by"})
	rate := func(perSecond float64, by string) cache.Rate {
		if perSecond <= 0 {
			return nil
		}
		limit := cache.RateLimit{PerSecond: perSecond, Burst: int(math.Ceil(perSecond * burstTime.Seconds()))}
		var shared cache.Rate
		if redis != nil {
			shared = redis.Rate(limit)
		}
		return counted{cache.NewTieredRate(cache.NewMemoryRate(limit, time.Now), shared, log), refused.WithLabelValues(by)}
	}
	open := promauto.With(reg).NewGauge(prometheus.GaugeOpts{
		Name: "drawbridge_http_connections", Help: "Connections that are open on the main listener, where limits.connections bounds them.",
	})
	return &limits{open: open, addresses: rate(cfg.RequestsPerSecond, "address"), accounts: rate(cfg.AccountRequestsPerSecond, "account")}
}

// before limits the requests of addresses.
func (l *limits) before(next http.Handler, clientAddr func(*http.Request) string) http.Handler {
	if l.addresses == nil {
		return next
	}
	return (&server.RateLimit{Rate: l.addresses, ClientAddr: clientAddr}).Before(next)
}
