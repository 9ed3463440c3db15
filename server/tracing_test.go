package server_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"drawbridge/server"
	"drawbridge/tracing"
	"drawbridge/tracing/tracingtest"

	"github.com/google/go-cmp/cmp"
)

// traced is a server as the program builds it, with a page in a mux inside of another.
func traced(r *tracingtest.Recorder, log *slog.Logger) http.Handler {
	inner := http.NewServeMux()
	inner.HandleFunc("GET /api/v1/robots/{name}", func(w http.ResponseWriter, r *http.Request) {
		_, step := tracing.Step(r.Context(), "step")
		step.End("ok", false)
		log.InfoContext(r.Context(), "at work")
		w.WriteHeader(http.StatusNotFound)
	})
	mux := http.NewServeMux()
	mux.Handle("/api/", http.NewCrossOriginProtection().Handler(inner))
	mux.HandleFunc("/token", func(http.ResponseWriter, *http.Request) { panic("a test") })
	proxies := server.Proxies{netip.MustParsePrefix("10.0.0.0/8")}
	return server.WithRequestID(proxies, server.WithTraces(r.Tracer, proxies, server.WithRequestLog(log, mux)))
}

func TestTracesOfRequests(t *testing.T) {
	const theirs = "0af7651916cd43dd8448eb211c80319c"
	for _, tt := range []struct {
		peer      string
		continued bool
	}{{"10.0.0.1:1", true}, {"192.0.2.1:1", false}, {"@", true}} {
		recorder := tracingtest.New(1)
		var out bytes.Buffer
		r := httptest.NewRequest(http.MethodGet, "/api/v1/robots/alice-ci?token=hunter2", nil)
		r.RemoteAddr = tt.peer
		r.Header.Set("Traceparent", "00-"+theirs+"-b7ad6b7169203331-01")
		rec := httptest.NewRecorder()
		traced(recorder, slog.New(server.LogHandler(slog.NewJSONHandler(&out, nil)))).ServeHTTP(rec, r)
		want := `GET /api/v1/robots/{name} drawbridge.request_id=` + rec.Header().Get("X-Request-Id") +
			` http.request.method=GET http.response.status_code=404 http.route=/api/v1/robots/{name} url.scheme=http
  step drawbridge.outcome=ok
`
		if diff := cmp.Diff(want, recorder.Tree()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.peer, diff)
		}
		trace := recorder.Ended()[0].SpanContext().TraceID().String()
		if (trace == theirs) != tt.continued {
			t.Errorf("%s: the trace is %s", tt.peer, trace)
		}
		var line struct {
			TraceID   string `json:"trace_id"`
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.TraceID != trace || line.RequestID != rec.Header().Get("X-Request-Id") {
			t.Errorf("%s: the log has %s", tt.peer, out.String())
		}
	}
}

// A request that panics has a span, and the line about it the trace.
func TestTracesOfPanics(t *testing.T) {
	recorder := tracingtest.New(1)
	var out bytes.Buffer
	h := traced(recorder, slog.New(server.LogHandler(slog.NewTextHandler(&out, nil))))
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/token", nil))
	}()
	if tree := recorder.Tree(); !strings.HasPrefix(tree, "GET /token! ") || !strings.Contains(tree, "error.type=aborted") {
		t.Errorf("got %s", tree)
	}
	if !strings.Contains(out.String(), "trace_id="+recorder.Ended()[0].SpanContext().TraceID().String()) {
		t.Errorf("logged %s", out.String())
	}
}

// What is not recorded has no trace_id in the log, and costs the handler nothing.
func TestWithoutTraces(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(server.LogHandler(slog.NewTextHandler(&out, nil)))
	r := httptest.NewRequest(http.MethodGet, "/api/v1/robots/x", nil)
	traced(tracingtest.New(0), log).ServeHTTP(httptest.NewRecorder(), r)
	if out.Len() == 0 || strings.Contains(out.String(), "trace_id") {
		t.Errorf("logged %s", out.String())
	}
	next := http.NewServeMux()
	if server.WithTraces(nil, nil, next) != http.Handler(next) {
		t.Error("a server without traces is another handler")
	}
}
