package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// heapRoom is about how much garbage a small heap may gather before it is
	// collected: at the runtime's own pace, a heap of a few megabytes is collected
	// dozens of times a second under load.
	heapRoom = 48 << 20
	// leastPace is the runtime's own, mostPace the slowest, in percent of the live heap.
	leastPace, mostPace = 100, 600
)

// collectSlowly lets a small heap grow by [heapRoom] between two collections, until
// ctx ends. A large one is collected as always. An operator's GOGC stands.
func collectSlowly(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	defer debug.SetGCPercent(leastPace)
	for pace := 0; ; {
		if next := paceFor(liveHeap()); next != pace {
			pace = next
			debug.SetGCPercent(pace)
		}
		select {
		case <-ctx.Done():
			return
		case <-collection():
		}
	}
}

// collection is closed by the next collection. The pace has to follow each of them: one
// for a heap of a few megabytes would let it grow to several times as many.
func collection() <-chan struct{} {
	type garbage struct{ _ [64]byte } // not so small that it shares its memory
	ended := make(chan struct{})
	runtime.AddCleanup(&garbage{}, func(ended chan struct{}) { close(ended) }, ended)
	return ended
}

// paceFor is the percentage for a live heap of so many bytes, in steps.
func paceFor(live uint64) int {
	const step = 25
	pace := 100 * heapRoom / max(live, 1)
	return int(min(max(pace/step*step, leastPace), mostPace))
}

// liveHeap is what the last collection left.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
