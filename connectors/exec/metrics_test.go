package exec

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/measure/measuretest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// durations are the counts of the requests; the rest changes with the moment.
func durations(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	got := measuretest.Series(t, reg, "drawbridge_exec_")
	for name := range got {
		if !strings.HasPrefix(name, "request_duration_seconds ") {
			delete(got, name)
		}
	}
	return got
}

// TestRequestMetrics: each request is counted once, by how the program did.
func TestRequestMetrics(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		reg := prometheus.NewRegistry()
		c, _ := openMeasured(t, NewMetrics(reg, "hr"), mode, 5*time.Second, "by-name")
		for _, name := range []string{"gina", "nobody", "dora", "crash", "xaver"} {
			c.Authenticate(t.Context(), login(name, "x"))
		}
		Looker{c}.Lookup(t.Context(), "gina")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		c.Authenticate(ctx, login("hang", "x"))

		reluctant, _ := openMeasured(t, NewMetrics(reg, "reluctant"), mode, 5*time.Second, "say", `"outcome":"unavailable"`)
		reluctant.Authenticate(t.Context(), login("gina", "x"))
		want := map[string]float64{
			"request_duration_seconds hr authenticate ok":             3,
			"request_duration_seconds hr authenticate failed":         2,
			"request_duration_seconds hr authenticate timeout":        1,
			"request_duration_seconds hr lookup ok":                   1,
			"request_duration_seconds reluctant authenticate refused": 1,
		}
		if diff := cmp.Diff(want, durations(t, reg)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestPoolMetrics: two processes, more logins than that, and a death.
func TestPoolMetrics(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		reg := prometheus.NewRegistry()
		c, _ := openMeasured(t, NewMetrics(reg, "hr"), mode, 10*time.Second, "by-name")
		pool := func(inUse, idle, waiting float64) func() bool {
			return func() bool {
				got := measuretest.Series(t, reg, "drawbridge_exec_")
				return got["pool_processes hr in_use"] == inUse && got["pool_processes hr idle"] == idle && got["pool_processes hr waiting"] == waiting
			}
		}
		idle := map[string]float64{configs.ExecPooled: 2}[mode]
		eventually(t, "nobody is there", pool(0, idle, 0))
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() { c.Authenticate(ctx, login("hang", "x")) })
		}
		eventually(t, "two are in use and three wait", pool(2, 0, 3))
		cancel()
		group.Wait()
		eventually(t, "nobody waits", func() bool { return c.Stats().Waiting == 0 })
		if n := measuretest.Series(t, reg, "drawbridge_exec_")["restarts_total hr"]; n != 0 {
			t.Errorf("%v restarts before anything died", n)
		}
	})
	reg := prometheus.NewRegistry()
	c, _ := openMeasured(t, NewMetrics(reg, "hr"), configs.ExecPooled, 5*time.Second, "by-name")
	for range 3 {
		if got := c.Authenticate(t.Context(), login("crash", "x")); got.Kind() != connectors.KindUnavailable {
			t.Errorf("got %s", got)
		}
	}
	eventually(t, "three restarts", func() bool {
		got := measuretest.Series(t, reg, "drawbridge_exec_")
		return got["restarts_total hr"] == 3 && got["pool_processes hr idle"] == 2
	})
}

// TestBusyIsMeasured: a login that gets no process.
func TestBusyIsMeasured(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		reg := prometheus.NewRegistry()
		c, _ := openMeasured(t, NewMetrics(reg, "hr"), mode, 10*time.Second, "by-name")
		eventually(t, "the processes are there", func() bool { return mode == configs.ExecPerLogin || c.Stats().Idle == 2 })
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() { c.Authenticate(ctx, login("hang", "x")) })
		}
		eventually(t, "both are in use", func() bool { return c.Stats().InUse == 2 })
		if _, err := c.runner.ask(t.Context(), time.Millisecond, question{kind: kindAuthenticate, connector: "hr", cred: login("gina", "x")}); requestOutcome(connectors.Outcome{}, err) != "busy" {
			t.Errorf("got %v", err)
		}
		cancel()
		group.Wait()
	})
}
