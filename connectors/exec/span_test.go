package exec

import (
	"context"
	"testing"
	"time"

	"drawbridge/tracing/tracingtest"

	"github.com/prometheus/client_golang/prometheus"
)

// Each request to the program is a span, and holds nobody's name.
func TestRequestsAreTraced(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		c, _ := openMeasured(t, NewMetrics(prometheus.NewRegistry(), "hr"), mode, 5*time.Second, "by-name")
		got := tracingtest.Traced(t.Context(), func(ctx context.Context) {
			c.Authenticate(ctx, login("gina", "hunter2"))
			Looker{c}.Lookup(ctx, "gina")
			c.Authenticate(ctx, login("crash", "x"))
		})
		const want = "  exec authenticate drawbridge.outcome=ok\n  exec lookup drawbridge.outcome=ok\n" +
			"  exec authenticate! drawbridge.outcome=failed error.type=failed\n"
		if got != want {
			t.Errorf("got\n%s", got)
		}
	})
}
