package tracing_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"drawbridge/tracing"
	"drawbridge/tracing/tracingtest"

	"github.com/google/go-cmp/cmp"
)

// key is of a value that has nothing to do with traces.
type key struct{}

// Where nothing is traced, nothing is allocated: the token endpoint costs what it did
// without tracing.
func TestWithoutATraceNothingIsAllocated(t *testing.T) {
	off := context.WithValue(t.Context(), key{}, "something else")
	notRecorded, span := tracingtest.New(0).Request(httptest.NewRequestWithContext(off, http.MethodGet, "/", nil), true)
	if span.Recorded() || tracing.ID(notRecorded) != "" {
		t.Fatal("a ratio of 0 records")
	}
	for what, ctx := range map[string]context.Context{"off": off, "not recorded": notRecorded} {
		allocated := testing.AllocsPerRun(100, func() {
			inside, step := tracing.Step(ctx, "step")
			question := tracing.Ask(inside, "redis", "get", "redis.example:6379")
			question.End("ok", false)
			step.String(tracing.Connector, "corp")
			step.Bool(tracing.Stale, true)
			step.End("failed", true)
			if inside != ctx || step.Recorded() || tracing.ID(inside) != "" {
				t.Error("a span is made")
			}
		})
		if allocated != 0 {
			t.Errorf("%s: %v allocations", what, allocated)
		}
	}
}

func TestSpansNest(t *testing.T) {
	r := tracingtest.New(1)
	request := httptest.NewRequest(http.MethodPost, "/token?password=hunter2", nil)
	ctx, root := r.Request(request, false)
	if id := tracing.ID(ctx); len(id) != 32 {
		t.Errorf("the trace's ID is %q", id)
	}
	inside, step := tracing.Step(ctx, "identify")
	tracing.Ask(inside, "redis", "get", "").End("miss", false)
	tracing.Ask(inside, "ldap", "user_bind", "[2001:db8::1]:636").End("timeout", true)
	step.String(tracing.Connector, "corp")
	step.String(tracing.Reason, "")
	step.Bool(tracing.Stale, false)
	step.End("refused", false)
	_, sign := tracing.Step(ctx, "sign")
	sign.End("ok", false)
	root.Answered(request, "/token", http.StatusServiceUnavailable)
	want := strings.TrimPrefix(`
POST /token! error.type=503 http.request.method=POST http.response.status_code=503 http.route=/token url.scheme=http
  identify drawbridge.connector=corp drawbridge.outcome=refused
    redis get db.system.name=redis drawbridge.outcome=miss
    ldap user_bind! drawbridge.outcome=timeout error.type=timeout server.address=2001:db8::1 server.port=636
  sign drawbridge.outcome=ok
`, "\n")
	if diff := cmp.Diff(want, r.Tree()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// What goes on after the answer, for others who wait for it, is nobody's any more.
	if late, span := tracing.Step(ctx, "late"); span.Recorded() || late != ctx {
		t.Error("a span begins in a request that was answered")
	}
}

func TestNamesOfRequests(t *testing.T) {
	for _, tt := range []struct {
		method, pattern string
		status          int
		want            string
	}{
		{"GET", "GET /api/v1/robots/{name}", 404, "GET /api/v1/robots/{name} http.request.method=GET http.response.status_code=404 http.route=/api/v1/robots/{name} url.scheme=https\n"},
		{"POST", "/token", 200, "POST /token http.request.method=POST http.response.status_code=200 http.route=/token url.scheme=https\n"},
		{"OPTIONS", "", 204, "OPTIONS http.request.method=OPTIONS http.response.status_code=204 url.scheme=https\n"},
		{"ALICE", "", 404, "HTTP http.request.method=_OTHER http.response.status_code=404 url.scheme=https\n"},
		{"GET", "/token", 0, "GET /token! error.type=aborted http.request.method=GET http.route=/token url.scheme=https\n"},
	} {
		r := tracingtest.New(1)
		request := httptest.NewRequest(tt.method, "https://a/secret", nil)
		_, span := r.Request(request, false)
		span.Answered(request, tracing.Route(tt.pattern), tt.status)
		if diff := cmp.Diff(tt.want, r.Tree()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// Whose trace it is, and who decides whether it is recorded.
func TestWhoDecides(t *testing.T) {
	const theirs = "0af7651916cd43dd8448eb211c80319c"
	for _, tt := range []struct {
		what, traceparent   string
		believed            bool
		ratio               float64
		recorded, continued bool
	}{
		{"a stranger who wants to be recorded", "00-" + theirs + "-b7ad6b7169203331-01", false, 0, false, false},
		{"a stranger's trace", "00-" + theirs + "-b7ad6b7169203331-01", false, 1, true, false},
		{"a stranger who hides", "00-" + theirs + "-b7ad6b7169203331-00", false, 1, true, false},
		{"a proxy that records", "00-" + theirs + "-b7ad6b7169203331-01", true, 0, true, true},
		{"a proxy that does not", "00-" + theirs + "-b7ad6b7169203331-00", true, 1, false, false},
		{"a proxy that says nothing", "", true, 1, true, false},
		{"a proxy that says nothing, and a ratio of none", "", true, 0, false, false},
		{"something else", "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01", true, 0, false, false},
		{"a line's end", "00-\n-b7ad6b7169203331-01", true, 0, false, false},
	} {
		r := tracingtest.New(tt.ratio)
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header["Traceparent"] = []string{tt.traceparent}
		ctx, span := r.Request(request, tt.believed)
		if span.Recorded() != tt.recorded || (tracing.ID(ctx) == theirs) != tt.continued {
			t.Errorf("%s: recorded %v, trace %q", tt.what, span.Recorded(), tracing.ID(ctx))
		}
	}
}

// The variables that would steer the SDK steer nothing, but for the two that say what the
// process is.
func TestTheEnvironmentDescribesTheProcess(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_TRACES_SAMPLER": "always_off", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "0", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1",
		"OTEL_SERVICE_NAME": "registry-login", "OTEL_RESOURCE_ATTRIBUTES": "k8s.pod.name=drawbridge-0",
	} {
		t.Setenv(name, value)
	}
	r := tracingtest.New(1)
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	_, span := r.Request(request, false)
	span.Answered(request, "/token", http.StatusOK)
	if want := "GET /token http.request.method=GET http.response.status_code=200 http.route=/token url.scheme=http\n"; r.Tree() != want {
		t.Errorf("got %s", r.Tree())
	}
	described := map[string]string{}
	for _, a := range r.Ended()[0].Resource().Attributes() {
		described[string(a.Key)] = a.Value.String()
	}
	if described["service.name"] != "registry-login" || described["k8s.pod.name"] != "drawbridge-0" || described["service.instance.id"] == "" {
		t.Errorf("the process is %v", described)
	}
}
