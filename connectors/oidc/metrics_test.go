package oidc

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/measure"
	"drawbridge/connectors/measure/measuretest"
	"drawbridge/identity"
)

// measured lets a connector of that name write its metrics to the registry.
func measured(reg *prometheus.Registry, name string) func(*configs.Connector, *Deps) {
	return func(cfg *configs.Connector, deps *Deps) {
		cfg.Name, deps.Metrics = name, NewMetrics(reg, name)
	}
}

// TestMetrics: two connectors share a registry; every request of a login is counted
// once, by what was asked and how it ended.
func TestMetrics(t *testing.T) {
	p, key, reg := newIDP(t), newSigner(t, "k1"), prometheus.NewRegistry()
	p.serve(key, map[string]any{"groups": nil})
	c := p.connector(measured(reg, "sso"))
	check(t, login(c), connectors.Granted(identity.Identity{}), "")
	p.set(func() { p.answer = say(400, `{"error":"invalid_grant"}`) })
	check(t, login(c), connectors.Denied(connectors.UnknownOrWrong), "")
	p.set(func() { p.answer = say(503, `{"error":"temporarily_unavailable"}`) })
	check(t, login(c), connectors.Unavailable(nil), "503")

	dead := newIDP(t)
	dead.set(func() { dead.down = true })
	waits := dead.connector(measured(reg, "dead"))
	check(t, login(waits), connectors.Unavailable(nil), "502")
	_ = waits.Close() // no more tries

	got := measuretest.Series(t, reg, "drawbridge_oidc_")
	if got["request_duration_seconds dead discovery failed"] < 1 {
		t.Errorf("the dead provider was not measured: %v", got)
	}
	delete(got, "request_duration_seconds dead discovery failed") // the loop may have tried again
	want := map[string]float64{
		"request_duration_seconds sso discovery ok":  1,
		"request_duration_seconds sso jwks ok":       1,
		"request_duration_seconds sso userinfo ok":   1,
		"request_duration_seconds sso token ok":      1,
		"request_duration_seconds sso token refused": 1,
		"request_duration_seconds sso token failed":  1,

		"metadata_loaded sso": 1, "metadata_failing sso": 0,
		"metadata_loaded dead": 0, "metadata_failing dead": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p.set(func() { p.down = true })
	_, _ = c.provider.refresh()
	got = measuretest.Series(t, reg, "drawbridge_oidc_")
	if got["metadata_loaded sso"] != 1 || got["metadata_failing sso"] != 1 {
		t.Errorf("the provider went away: %v", got)
	}
}

// TestTimeoutIsMeasured as one, whoever ran out of it.
func TestTimeoutIsMeasured(t *testing.T) {
	p, key, reg := newIDP(t), newSigner(t, "k1"), prometheus.NewRegistry()
	p.serve(key, nil)
	hang := make(chan struct{})
	defer close(hang)
	p.set(func() {
		p.answer = func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}
	})
	c := p.connector(func(cfg *configs.Connector, deps *Deps) {
		measured(reg, "sso")(cfg, deps)
		cfg.Timeout = 500 * time.Millisecond
	})
	check(t, login(c), connectors.Unavailable(nil), "")
	if got := measuretest.Series(t, reg, "drawbridge_oidc_"); got["request_duration_seconds sso token timeout"] != 1 {
		t.Errorf("got %v", got)
	}
	for _, tt := range []struct {
		status int
		err    error
		want   measure.Outcome
	}{
		{0, context.DeadlineExceeded, measure.Timeout}, {0, context.Canceled, measure.Failed}, {0, errors.New("reset"), measure.Failed},
		{200, nil, measure.OK}, {200, errors.New("too long"), measure.Failed}, {302, nil, measure.Refused}, {401, nil, measure.Refused},
		{429, nil, measure.Refused}, {500, nil, measure.Failed},
	} {
		if got := requestOutcome(tt.status, tt.err); got != tt.want {
			t.Errorf("%d, %v: got %s, want %s", tt.status, tt.err, got, tt.want)
		}
	}
}
