package bench_test

import (
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"drawbridge/bench"
)

// microBenchmarks runs the Go benchmarks of the packages on the way of a request.
func microBenchmarks(t testing.TB) []bench.Micro {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", "0.3s", "-count", "3",
		"./authz", "./tokens", "./tokens/revocation", "./cache", "./server/verify")
	cmd.Dir = repository(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	micro := parseMicro(string(out))
	if len(micro) == 0 {
		t.Fatalf("no benchmark in:\n%s", out)
	}
	return micro
}

// parseMicro reads the lines `BenchmarkX-2  1000  12.3 ns/op  4 B/op  1 allocs/op`
// and keeps the fastest of each benchmark.
func parseMicro(out string) []bench.Micro {
	var pkg string
	var micro []bench.Micro
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[0] == "pkg:" {
			pkg = strings.TrimPrefix(fields[1], "drawbridge/")
		}
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i] // the number of processors
		}
		if strings.Contains(name, "bindings=10000/") {
			continue // between the smallest and the largest, and no third line needed
		}
		m := bench.Micro{Name: pkg + ": " + name}
		for i := 3; i < len(fields); i += 2 {
			switch fields[i] {
			case "ns/op":
				m.NsPerOp = fields[i-1]
			case "allocs/op":
				m.AllocPerOp = fields[i-1]
			}
		}
		i := slices.IndexFunc(micro, func(other bench.Micro) bool { return other.Name == m.Name })
		switch {
		case i < 0:
			micro = append(micro, m)
		case number(m.NsPerOp) < number(micro[i].NsPerOp):
			micro[i] = m
		}
	}
	return micro
}

// number reads a figure; what is none is the largest, so that it is never kept.
func number(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.Inf(1)
	}
	return n
}
