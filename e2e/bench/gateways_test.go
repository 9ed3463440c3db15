package bench_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"drawbridge/bench"
)

// gatewayCase is one row of the table of what gateways and auditors ask.
type gatewayCase struct {
	what, server string
	load         func(p *bench.Process, token string) bench.Load
}

func gatewayCases() []gatewayCase {
	verify := func(p *bench.Process, token string) bench.Load {
		return bench.Load{URL: p.URL + "/verify", Bearer: token, Want: bench.Nothing}
	}
	return []gatewayCase{
		{"baseline: only answers 200", "baseline", verify},
		{"`/verify`, no token", "plain", func(p *bench.Process, _ string) bench.Load {
			return bench.Load{URL: p.URL + "/verify", Want: bench.Nothing}
		}},
		{"`/verify`, a good token", "plain", verify},
		{"baseline: only answers 200, TLS", "baseline-tls", verify},
		{"`/verify`, a good token, TLS", "tls", verify},
		{"`/oauth2/introspect`", "plain", func(p *bench.Process, token string) bench.Load {
			return bench.Load{
				URL: p.URL + "/oauth2/introspect", Username: localUser, Password: localPassword,
				Form: url.Values{"token": {token}}.Encode(), Want: `"active":true`,
			}
		}},
	}
}

// gatewayRow is a loop as fast as it goes, and one with half as many requests a
// second.
type gatewayRow struct{ full, half bench.Row }

// TestGatewayFigures measures what gateways ask about each request of a push.
func TestGatewayFigures(t *testing.T) {
	d, rounds := *duration, *rounds
	if *write == "" {
		d, rounds = 200*time.Millisecond, 1
	}
	average := loadAverage(t)
	servers := setUp(t, build(t))
	cases := gatewayCases()
	best := make([]gatewayRow, len(cases))
	for round := range rounds {
		for i, c := range cases {
			row := measureGateway(t, servers, c, d)
			t.Logf("round %d  %-40s %8.0f/s  server CPU %v  at half of that p50 %v, p99 %v", round+1, c.what,
				row.full.PerSecond(), row.full.ServerCPU, row.half.P50, row.half.P99)
			if round == 0 || row.full.PerSecond() > best[i].full.PerSecond() {
				best[i].full = row.full
			}
			if round == 0 || row.half.P99 < best[i].half.P99 {
				best[i].half = row.half
			}
		}
	}
	var rows [][]string
	for _, row := range best {
		perCore := float64(time.Second) / float64(max(row.full.ServerCPU, 1))
		rows = append(rows, []string{
			row.full.What, fmt.Sprintf("%.0f", row.full.PerSecond()), bench.Short(row.full.ServerCPU),
			fmt.Sprintf("%.0f", perCore), bench.Short(row.half.P50), bench.Short(row.half.P99),
		})
	}
	writeSection(t, "gateways", fmt.Sprintf(`## What gateways ask

A gateway asks about each request of a push, and an auditor about one token. %s; the load average before the run was
%s. %d connections in a closed loop of %v, %d rounds of all rows, of each the best. Client and server share the machine, so
that the first column is what both achieve together. The third is one second divided by the processor time that the server
spends on a request. Latencies are those at half of the first column, counted from when a request was due.

%s`, bench.Machine(), average, *conns, d, rounds, bench.Table([]string{
		"", "requests/s", "server CPU per request", "requests/s and core", "p50 at half load", "p99 at half load",
	}, rows)))
}

// measureGateway runs a row with a token of the server that is asked; the
// baseline, which reads none, is shown one as well.
func measureGateway(t *testing.T, servers map[string]*bench.Process, c gatewayCase, d time.Duration) gatewayRow {
	t.Helper()
	issuer := map[string]string{"baseline": "plain", "baseline-tls": "tls"}[c.server]
	if issuer == "" {
		issuer = c.server
	}
	token := ask(t, bench.Load{URL: tokenURL(servers[issuer], pushScope), Username: localUser, Password: localPassword}).Token
	load := c.load(servers[c.server], token)
	load.Conns, load.Duration = *conns, d
	full := measureLoad(t, servers[c.server], c.what, load)
	load.PerSecond = full.PerSecond() / 2
	return gatewayRow{full, measureLoad(t, servers[c.server], c.what, load)}
}
