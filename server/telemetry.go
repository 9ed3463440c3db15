package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewMetricsRegistry returns a Prometheus registry with the Go runtime's and the
// process's metrics and drawbridge_build_info.
func NewMetricsRegistry(version string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
		Name: "drawbridge_build_info", Help: "Always 1; the label is the running version.",
	}, []string{"version"}).WithLabelValues(version).Set(1)
	return reg
}

// Telemetry serves /livez, /readyz and /metrics. ready returns nil when the
// server can answer token requests: policy loaded and signing key usable. An
// outage of a directory or of Redis does not make it unready, since other logins
// go on.
func Telemetry(reg *prometheus.Registry, ready func() error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}))
	return mux
}

// WithMetrics counts and times the handler's requests under its name.
func WithMetrics(reg prometheus.Registerer, handler string, next http.Handler) http.Handler {
	duration := promauto.With(reg).NewHistogramVec(prometheus.HistogramOpts{
		Name: "drawbridge_http_request_duration_seconds", Help: "Time to answer HTTP requests.",
		Buckets:     []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		ConstLabels: prometheus.Labels{"handler": handler},
	}, []string{"method", "code"})
	return promhttp.InstrumentHandlerDuration(duration, next)
}

// WithMetricsByPath is [WithMetrics] for a handler that answers several endpoints, each
// under a name of its own: who asks for tokens and who uses the console wait for
// different things. A path that is none of ours is counted as other, since callers
// choose paths freely.
func WithMetricsByPath(reg prometheus.Registerer, next http.Handler) http.Handler {
	other := WithMetrics(reg, "other", next)
	exact, below := map[string]http.Handler{}, map[string]http.Handler{}
	token := WithMetrics(reg, "token", next)
	exact["/token"], exact["/auth"] = token, token
	for prefix, name := range map[string]string{
		"api": "api", "console": "console", "oauth2": "oauth2", ".well-known": "keys",
	} {
		below[prefix] = WithMetrics(reg, name, next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := exact[r.URL.Path]
		if h == nil {
			first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
			h = below[first]
		}
		if h == nil {
			h = other
		}
		h.ServeHTTP(w, r)
	})
}

// The limits package doc promises.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 64 << 10
	drainTimeout      = 20 * time.Second
)
