package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Row is one line of the table.
type Row struct {
	What string
	Result
	// ServerCPU is the processor time that the server spent on one request.
	ServerCPU time.Duration
}

// Micro is one Go benchmark.
type Micro struct {
	Name                string
	NsPerOp, AllocPerOp string
}

// Report is all that one run measured.
type Report struct {
	Conns       int
	Duration    time.Duration // of one loop
	Rounds      int           // of all loops; a row is the best one of its own
	LoadAverage string        // of the last minute before the run

	Rows  []Row
	Micro []Micro

	BinaryBytes, IdleBytes, PeakBytes int64
	// FirstStart begins with an empty data directory, Start with a used one.
	FirstStart, Start time.Duration
}

// Markdown returns the section of RESULTS.md.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, `The machine: %s. Client, server, slapd and Redis share it, all on
loopback; the load average before the run was %s, from other work on the machine. %d connections in a closed loop of %v
after a warm-up, %d rounds of all rows one after the other. A row is its fastest round: other work only ever slows a
round down.

## The token endpoint

A policy of 300 bindings; ES256 with x5c; an audit line on disk for each request. The requests of a person ask for
`+"`%s`"+`, those of the anonymous for `+"`%s`"+`.

| | requests/s | p50 | p99 | max | server CPU per request | answer |
|---|---:|---:|---:|---:|---:|---:|
`, Machine(), r.LoadAverage, r.Conns, r.Duration, r.Rounds, "pull,push", "pull")
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "| %s | %.0f | %s | %s | %s | %s | %d bytes |\n",
			row.What, row.PerSecond(), Short(row.P50), Short(row.P99), Short(row.Max), Short(row.ServerCPU), row.Bytes)
	}
	fmt.Fprintf(&b, `
The load client runs on the same processors, so that requests/s is what client and server achieve together. What the
server alone costs is in its own column; what Drawbridge adds to HTTP and one signature is the difference to the baseline.

## The program

| | |
|---|---:|
| binary, static and stripped | %.1f MB |
| resident memory when ready | %.1f MB |
| resident memory at its largest, after the rows above | %.1f MB |
| start to ready, first start (makes keys and certificates) | %s |
| start to ready, with its data directory | %s |

Starts are the fastest of several; ready is the first 200 of /readyz.
`, megabytes(r.BinaryBytes), megabytes(r.IdleBytes), megabytes(r.PeakBytes), Short(r.FirstStart), Short(r.Start))
	b.WriteString("\n## Inside\n\n| benchmark | ns/op | allocs/op |\n|---|---:|---:|\n")
	for _, m := range r.Micro {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", m.Name, m.NsPerOp, m.AllocPerOp)
	}
	return b.String()
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

// Short rounds a duration to what its size makes worth reading.
func Short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d)/1e3)
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.0f ms", float64(d)/1e6)
}

// Machine describes the machine in words.
func Machine() string {
	system := runtime.GOOS
	if release, err := os.ReadFile("/etc/os-release"); err == nil {
		for line := range strings.Lines(string(release)) {
			if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
				system = strings.Trim(strings.TrimSpace(name), `"`)
			}
		}
	}
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x86-64"
	}
	return fmt.Sprintf("%d cores, %s, %s, %s", runtime.NumCPU(), arch, system, runtime.Version())
}
