package server_test

import (
	"bytes"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"drawbridge/server"

	"github.com/prometheus/client_golang/prometheus"
)

// A trusted proxy names the request, and nobody else: an ID that a caller chooses could
// imitate another request in the log, or end a line of it.
func TestRequestIDs(t *testing.T) {
	proxies := server.Proxies{netip.MustParsePrefix("10.0.0.0/8")}
	var inside, problem string
	h := server.WithRequestID(proxies, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		inside, problem = server.RequestID(r), server.ProblemInstance(r)
	}))
	for _, tt := range []struct {
		what, peer string
		given      []string
		kept       bool
	}{
		{"a stranger's", "192.0.2.1:1", []string{"forged"}, false},
		{"none", "10.0.0.1:1", nil, false},
		{"a proxy's", "10.0.0.1:1", []string{"0af7651916cd43dd-8448/eb.c80:3_=+@"}, true},
		{"over a unix socket", "@", []string{"abc"}, true},
		{"an empty one", "10.0.0.1:1", []string{""}, false},
		{"two", "10.0.0.1:1", []string{"a", "b"}, false},
		{"too long", "10.0.0.1:1", []string{strings.Repeat("a", 129)}, false},
		{"as long as may be", "10.0.0.1:1", []string{strings.Repeat("a", 128)}, true},
		{"a line's end", "10.0.0.1:1", []string{"a\nlevel=ERROR"}, false},
		{"a quote", "10.0.0.1:1", []string{`a","level":"ERROR`}, false},
		{"other letters", "10.0.0.1:1", []string{"\u202eabc"}, false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Header["X-Request-Id"] = tt.peer, tt.given
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		kept := len(tt.given) > 0 && inside == tt.given[0]
		if inside == "" || kept != tt.kept || rec.Header().Get("X-Request-Id") != inside || problem != "urn:drawbridge:request:"+inside {
			t.Errorf("%s: inside %q, answered %q, in a problem %q", tt.what, inside, rec.Header().Get("X-Request-Id"), problem)
		}
	}
	if got := server.RequestID(httptest.NewRequest(http.MethodGet, "/", nil)); got != "" {
		t.Errorf("outside the middleware: %q", got)
	}
}

// Every line that is written for a request has its ID, whatever attributes and groups
// the logger has, and so has the line about a panic.
func TestLogLinesHaveTheRequestID(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(server.LogHandler(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	h := server.WithRequestID(nil, server.WithRequestLog(log.With("a", 1), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.With("b", 2).InfoContext(r.Context(), "inside")
		if r.URL.Path == "/panics" {
			panic("a bug")
		}
		w.WriteHeader(http.StatusTeapot)
	})))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/token?password=hunter2", nil))
	id := `"request_id":"` + rec.Header().Get("X-Request-Id") + `"`
	lines := out.String()
	if strings.Count(lines, "\n") != 2 || strings.Count(lines, id) != 2 || !strings.Contains(lines, `"status":418`) || strings.Contains(lines, "hunter2") {
		t.Errorf("%s in\n%s", id, lines)
	}
	out.Reset()
	rec = httptest.NewRecorder()
	func() {
		defer func() {
			if got := recover(); got != any(http.ErrAbortHandler) {
				t.Errorf("%v goes on to the server", got)
			}
		}()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/panics", nil))
	}()
	id = `"request_id":"` + rec.Header().Get("X-Request-Id") + `"`
	if lines := out.String(); strings.Count(lines, id) != 2 || !strings.Contains(lines, `"panic":"a bug"`) {
		t.Errorf("%s in\n%s", id, lines)
	}
	log.Info("no request")
	if !strings.HasSuffix(out.String(), "\"no request\"}\n") {
		t.Errorf("outside a request: %s", out.String())
	}
}

// Paths are counted by endpoint, and what callers make up as one.
func TestMetricsByPath(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := server.WithMetricsByPath(reg, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for _, path := range []string{
		"/token", "/auth", "/api/v1/policy", "/console/", "/console", "/oauth2/revoke", "/.well-known/jwks.json", "/", "/tokens", "/alice/secret", "//token",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path = path
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	families, err := reg.Gather()
	if err != nil || len(families) != 1 {
		t.Fatal(families, err)
	}
	got := map[string]uint64{}
	for _, m := range families[0].GetMetric() {
		for _, label := range m.GetLabel() {
			if label.GetName() == "handler" {
				got[label.GetValue()] += m.GetHistogram().GetSampleCount()
			}
		}
	}
	want := map[string]uint64{"token": 2, "api": 1, "console": 2, "oauth2": 1, "keys": 1, "other": 4}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
