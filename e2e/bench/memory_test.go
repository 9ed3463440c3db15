package bench_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/bench"

	"golang.org/x/crypto/bcrypt"
)

var soak = flag.Duration("soak", 10*time.Minute, "the time of the soak")

// TestMemoryFigures measures what a server holds when it remembers many people, and
// whether it grows while it goes on.
func TestMemoryFigures(t *testing.T) {
	people, length, samples := 100_000, *soak, 10
	if *write == "" {
		people, length, samples = 200, 300*time.Millisecond, 2
	}
	dir := t.TempDir()
	p := startDrawbridge(t, build(t), dir, settings{tls: "off"})
	atStart := resident(t, p)
	crowd(t, dir, people)
	with := bench.Load{URL: tokenURL(p, pullScope), Conns: 16, Duration: 15 * time.Minute, MaxRequests: int64(people), Who: one(people)}
	awaitCrowd(t, with)
	read := resident(t, p)
	if _, err := with.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	remembered := resident(t, p)
	rows := [][]string{
		{"when ready", thousandsOfMB(atStart)},
		{fmt.Sprintf("with an htpasswd file of %s people", thousands(people)), thousandsOfMB(read)},
		{"when every one of them has logged in", thousandsOfMB(remembered)},
	}
	again := with
	again.MaxRequests, again.Duration, again.PerSecond = 0, length/time.Duration(samples), 500
	for i := range samples {
		if _, err := again.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, []string{
			fmt.Sprintf("after %v of 500 requests a second by them", (length * time.Duration(i+1) / time.Duration(samples)).Round(time.Millisecond)),
			thousandsOfMB(resident(t, p)),
		})
	}
	writeSection(t, "memory", fmt.Sprintf(`## Memory

%s. One server, whose credentials are remembered for a minute; with as many people, most logins of the soak are checked again.

%s`, bench.Machine(), bench.Table([]string{"resident memory", ""}, rows)))
}

func thousandsOfMB(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

func resident(t *testing.T, p *bench.Process) int64 {
	t.Helper()
	now, _, err := p.Memory()
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// one is the crowd, one after the other.
func one(people int) func(int64) (string, string) {
	return func(i int64) (string, string) { return fmt.Sprintf("local-%d", i%int64(people)), localPassword }
}

// crowd replaces the server's htpasswd file by one with many people, whose hashes
// cost little: it is not their check that is measured.
func crowd(t *testing.T, dir string, people int) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(localPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for i := range people {
		fmt.Fprintf(&lines, "local-%d:%s\n", i, hash)
	}
	next := filepath.Join(dir, "htpasswd.next")
	if err := os.WriteFile(next, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "htpasswd")); err != nil {
		t.Fatal(err)
	}
}

// awaitCrowd waits until the server has read the file.
func awaitCrowd(t *testing.T, load bench.Load) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	load.MaxRequests, load.Conns = 1, 1
	for {
		_, err := load.Run(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
