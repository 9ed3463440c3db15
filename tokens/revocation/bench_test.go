package revocation_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
)

// million is a list with a million live revocations of tokens, and what it costs in
// bytes.
func million(b *testing.B) (*revocation.List, float64) {
	b.Helper()
	h := newHanded()
	l := revocation.NewList(h, func() time.Time { return now })
	before := heap()
	for i := range 1_000_000 {
		h.revoke(feed.RevokeToken, id(i), time.Hour)
	}
	return l, float64(heap() - before)
}

// id looks like a token's.
func id(i int) string { return fmt.Sprintf("AAAAAAAAAAAAAA%08d", i) }

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkCheck(b *testing.B) {
	l, bytes := million(b)
	good := make([]tokens.Claims, 1024)
	for i := range good {
		good[i] = claims(func(c *tokens.Claims) { c.ID = id(1_000_000 + i) })
	}
	b.Run("not revoked", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if err := l.Check(good[i%len(good)]); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(bytes/1e6, "bytes/revocation")
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if err := l.Check(good[i%len(good)]); err != nil {
					b.Error(err)
				}
			}
		})
	})
	bad := make([]tokens.Claims, 1024)
	for i := range bad {
		bad[i] = tokens.Claims{ID: id(i * 7919 % 1_000_000)}
	}
	b.Run("revoked", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if err := l.Check(bad[i%len(bad)]); err == nil {
				b.Fatal("a revoked token passes")
			}
		}
	})
}

func BenchmarkSweep(b *testing.B) {
	l, _ := million(b)
	for b.Loop() {
		l.Sweep()
	}
}

// TestCheckAllocatesNothing: it runs for each request to a registry.
func TestCheckAllocatesNothing(t *testing.T) {
	l := revocation.NewList(newHanded(), nil)
	c := claims(same)
	if n := testing.AllocsPerRun(100, func() { _ = l.Check(c) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
