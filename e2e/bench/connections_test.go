package bench_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"drawbridge/bench"
)

// connectionCounts are the closed loops' connections.
func connectionCounts() []int { return []int{1, 16, 64} }

// TestConnectionFigures measures what the token endpoint achieves with few and many
// connections, beside the baseline with as many, and its latency at half of that.
func TestConnectionFigures(t *testing.T) {
	d, rounds := *duration, *rounds
	if *write == "" {
		d, rounds = 100*time.Millisecond, 1
	}
	average := loadAverage(t)
	servers := setUp(t, build(t))
	plain := slices.DeleteFunc(cases(), func(c testCase) bool {
		return !slices.Contains([]string{"baseline", "plain", "redis"}, c.server)
	})
	var rows [][]string
	base := map[int]float64{}
	best := map[int][]bench.Row{}
	for _, n := range connectionCounts() {
		best[n] = make([]bench.Row, len(plain))
		for range rounds {
			for i, c := range plain {
				if row := measureAt(t, servers[c.server], c, n, d, 0); row.PerSecond() > best[n][i].PerSecond() {
					best[n][i] = row
				}
			}
		}
		base[n] = best[n][0].PerSecond()
	}
	for i, c := range plain {
		row := []string{c.what}
		for _, n := range connectionCounts() {
			row = append(row, fmt.Sprintf("%.0f", best[n][i].PerSecond()), fmt.Sprintf("%.2f", best[n][i].PerSecond()/base[n]))
		}
		half := measureAt(t, servers[c.server], c, 64, d, best[16][i].PerSecond()/2)
		rows = append(rows, append(row, bench.Short(half.P50), bench.Short(half.P99)))
	}
	writeSection(t, "connections", fmt.Sprintf(`## By connections

%s; the load average before the run was %s. Closed loops of %v, the fastest of %d, and each row's ratio to the baseline
with as many connections. The last two columns are an open loop: half as many requests a second as with 16 connections, sent
evenly over 64, with latencies that count from when a request was due.

%s`, bench.Machine(), average, d, rounds, bench.Table([]string{
		"", "1: requests/s", "ratio", "16: requests/s", "ratio", "64: requests/s", "ratio", "p50 at half load", "p99 at half load",
	}, rows)))
}

// measureAt is measure with so many connections and, unless it is zero, so many
// requests a second.
func measureAt(t *testing.T, p *bench.Process, c testCase, connections int, d time.Duration, perSecond float64) bench.Row {
	t.Helper()
	load := c.load(t, p)
	load.Conns, load.Duration, load.PerSecond = connections, d, perSecond
	return measureLoad(t, p, c.what, load)
}
