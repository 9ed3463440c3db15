package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"drawbridge/store"
	"drawbridge/tokens/revocation"
)

// BenchmarkRevocationReachesAnotherReplica measures the time from the moment that a
// revocation is acknowledged by one replica until another one refuses the token.
// Run it with -benchtime=100x.
func BenchmarkRevocationReachesAnotherReplica(b *testing.B) {
	b.Run("PostgreSQL and Redis", func(b *testing.B) {
		c := newCluster(b)
		first, second := c.start(), c.start()
		first.knows("the first")
		second.knows("the second")
		measureDelay(b, first, second)
	})
	b.Run("SQLite", func(b *testing.B) {
		dir := b.TempDir()
		open := func() *replica {
			s, err := store.Open(context.Background(), store.Options{Dir: dir})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() {
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			})
			return run(b, s, nil)
		}
		measureDelay(b, open(), open())
	})
}

func measureDelay(b *testing.B, first, second *replica) {
	var delays []time.Duration
	for i := 0; b.Loop(); i++ {
		// Not always at the same moment between two looks.
		time.Sleep(time.Duration(i*37%250) * time.Millisecond)
		id := fmt.Sprint("token ", i)
		if err := first.Token(b.Context(), id, revocation.Order{By: "cli:bench"}); err != nil {
			b.Fatal(err)
		}
		said := time.Now()
		for !isRevoked(second.check(id)) {
			time.Sleep(200 * time.Microsecond)
		}
		delays = append(delays, time.Since(said))
	}
	slices.Sort(delays)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(delays[len(delays)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(delays[len(delays)-1].Milliseconds()), "max-ms")
}
