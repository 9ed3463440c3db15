package tracing_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/identity"
	"drawbridge/tracing"

	"github.com/prometheus/client_golang/prometheus"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector keeps what is posted to it.
type collector struct {
	mu      sync.Mutex
	spans   []string
	headers http.Header
	path    string
	status  int // 0: 200
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	var posted tracepb.TracesData
	if err != nil || proto.Unmarshal(body, &posted) != nil {
		http.Error(w, "no OTLP", http.StatusBadRequest)
		return
	}
	c.headers, c.path = r.Header, r.URL.Path
	if c.status != 0 {
		w.WriteHeader(c.status)
		return
	}
	for _, resource := range posted.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans = append(c.spans, span.GetName())
			}
		}
	}
}

func (c *collector) answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// world is a tracer, what it logs and counts, and its clock.
type world struct {
	*tracing.Tracer
	log     *slog.Logger
	metrics *prometheus.Registry
	lines   bytes.Buffer
	mu      sync.Mutex
	now     time.Time
}

// Write implements io.Writer.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines.String()
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func open(t *testing.T, o tracing.Options) *world {
	t.Helper()
	w := &world{metrics: prometheus.NewRegistry(), now: time.Unix(1_900_000_000, 0)}
	w.log = slog.New(slog.NewTextHandler(w, nil))
	o.SampleRatio, o.Version, o.Log, o.Metrics, o.Clock = 1, "1.2.3", w.log, w.metrics, w.clock
	tracer, err := tracing.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Tracer = tracer
	return w
}

// requests makes n spans.
func (w *world) requests(n int) {
	for range n {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		_, span := w.Request(r, false)
		span.Answered(r, "/token", http.StatusOK)
	}
}

// counted returns the number of spans of each outcome.
func (w *world) counted(t *testing.T) string {
	t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, family := range families {
		for _, m := range family.GetMetric() {
			out = append(out, fmt.Sprintf("%s %v", m.GetLabel()[0].GetValue(), m.GetCounter().GetValue()))
		}
	}
	return strings.Join(out, ", ")
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for patience := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(patience) {
			t.Fatalf("waited too long: %s", what)
		}
	}
}

// The end sends what is waiting, over TLS with the CA and the headers of the settings.
func TestTheEndSendsWhatIsWaiting(t *testing.T) {
	c := &collector{}
	server := httptest.NewTLSServer(c)
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	w := open(t, tracing.Options{Endpoint: server.URL, CAFile: ca, Headers: identity.NewSecret("authorization=Bearer%20abc")})
	w.requests(3)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if len(c.spans) != 3 || c.path != "/v1/traces" || c.headers.Get("Authorization") != "Bearer abc" ||
		c.headers.Get("Content-Type") != "application/x-protobuf" || c.headers.Get("User-Agent") != "drawbridge/1.2.3" {
		t.Errorf("the collector has %v at %s with %v", c.spans, c.path, c.headers)
	}
	if got := w.counted(t); got != "dropped 0, failed 0, sent 3" {
		t.Error(got)
	}
}

// Nobody gets the headers whose certificate is not trusted, nor whom a redirect names.
func TestHeadersGoToTheCollectorAlone(t *testing.T) {
	c := &collector{}
	elsewhere := httptest.NewServer(c)
	defer elsewhere.Close()
	redirects := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer redirects.Close()
	untrusted := httptest.NewTLSServer(c)
	untrusted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	defer untrusted.Close()
	for _, url := range []string{redirects.URL, untrusted.URL} {
		w := open(t, tracing.Options{Endpoint: url, Headers: identity.NewSecret("api-key=hunter2")})
		w.requests(1)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if c.headers != nil || w.counted(t) != "dropped 0, failed 1, sent 0" {
			t.Errorf("%s: %s, headers %v", url, w.counted(t), c.headers)
		}
		if out := w.logged(); strings.Contains(out, "hunter2") || !strings.Contains(out, "does not take spans") {
			t.Errorf("logged %s", out)
		}
	}
}

// A collector that is away is worth a line now and then, and one when it is back.
func TestACollectorThatIsAway(t *testing.T) {
	c := &collector{status: http.StatusServiceUnavailable}
	server := httptest.NewServer(c)
	defer server.Close()
	w := open(t, tracing.Options{Endpoint: server.URL})
	defer w.Close() //nolint:errcheck // nothing is left
	batch := func(want string) {
		t.Helper()
		w.requests(512) // a batch is full and sent at once
		eventually(t, want, func() bool { return w.counted(t) == want })
	}
	lines := func() int { return strings.Count(w.logged(), "\n") }
	batch("dropped 0, failed 512, sent 0")
	batch("dropped 0, failed 1024, sent 0")
	if n := lines(); n != 1 || !strings.Contains(w.logged(), "503 Service Unavailable") {
		t.Errorf("%d lines: %s", n, w.logged())
	}
	w.later(10 * time.Minute)
	batch("dropped 0, failed 1536, sent 0")
	eventually(t, "a second line", func() bool { return lines() == 2 })
	c.answer(http.StatusOK)
	batch("dropped 0, failed 1536, sent 512")
	eventually(t, "it is back", func() bool { return strings.Contains(w.logged(), "takes spans again") })
}

// Who hangs gets as many as fit, and no request waits. The end does not wait for long
// either, and says what was not done.
func TestACollectorThatHangs(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-hang
	}))
	defer server.Close()
	defer close(hang)
	w := open(t, tracing.Options{Endpoint: server.URL})
	w.requests(4096 + 100)
	if got := w.counted(t); got != "dropped 100, failed 0, sent 0" {
		t.Error(got)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "the last spans") {
		t.Errorf("the end says %v", err)
	}
}

func TestNewNamesTheSetting(t *testing.T) {
	for setting, o := range map[string]tracing.Options{
		"endpoint": {Endpoint: "collector:4317"},
		"headers":  {Endpoint: "https://c", Headers: identity.NewSecret("hunter2")},
		"ca_file":  {Endpoint: "https://c", CAFile: filepath.Join(t.TempDir(), "none")},
	} {
		_, err := tracing.New(o)
		if err == nil || !strings.HasPrefix(err.Error(), setting+": ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", setting, err)
		}
	}
}
