package ldap

import (
	"log/slog"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/measure"
	"drawbridge/connectors/measure/measuretest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// TestMetrics: two connectors share a registry; every request of a login is
// counted once, and the breaker and the pool are seen.
func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, "")))
	cfg := valid()
	cfg.Timeout, cfg.LDAP.Groups.Mode = 4*time.Second, configs.GroupsNone
	cfg.LDAP.URLs = []string{"ldap://127.0.0.1:1", "ldap://" + s.addr, "ldap://" + s.addr}
	for _, name := range []string{"other", "corp"} {
		cfg.Name = name
		c, err := New(cfg, Deps{Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(reg, name)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if name == "corp" {
			expect(t, authenticate(c), connectors.KindGranted, "")
		}
	}
	want := map[string]float64{
		"request_duration_seconds corp connect failed":  1,
		"request_duration_seconds corp connect ok":      2,
		"request_duration_seconds corp service_bind ok": 1,
		"request_duration_seconds corp user_search ok":  1,
		"request_duration_seconds corp user_bind ok":    1,

		"breaker_state corp 127.0.0.1:1":  2,
		"breaker_state corp " + s.addr:    0,
		"breaker_state other 127.0.0.1:1": 0,
		"breaker_state other " + s.addr:   0,

		"pool_connections corp idle": 1, "pool_connections corp in_use": 0, "pool_connections corp waiting": 0,
		"pool_connections other idle": 0, "pool_connections other in_use": 0, "pool_connections other waiting": 0,
	}
	if diff := cmp.Diff(want, measuretest.Series(t, reg, "drawbridge_ldap_")); diff != "" {
		t.Error(diff)
	}
}

// TestRequestOutcomes: a refusal is the directory's word, the rest is not.
func TestRequestOutcomes(t *testing.T) {
	for want, err := range map[measure.Outcome]error{
		measure.OK: nil, measure.Refused: result(49), measure.Failed: errHostOpen, measure.Timeout: errNoAnswer,
	} {
		if got := requestOutcome(err); got != want {
			t.Errorf("%v: got %s, want %s", err, got, want)
		}
	}
}
