package main

import (
	"runtime"
	"testing"
)

func TestPaceFor(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 600, 4 << 20: 600, 10 << 20: 475, 16 << 20: 300, 32 << 20: 150, 48 << 20: 100, 200 << 20: 100,
	} {
		if got := paceFor(live); got != want {
			t.Errorf("a live heap of %d MiB: %d%%, want %d%%", live>>20, got, want)
		}
	}
}

func TestLiveHeap(t *testing.T) {
	runtime.GC()
	if live := liveHeap(); live < 100<<10 || live > 1<<30 {
		t.Errorf("the live heap has %d bytes", live)
	}
}

func TestCollection(t *testing.T) {
	ended := collection()
	runtime.GC()
	select {
	case <-ended:
	case <-t.Context().Done():
		t.Error("a collection ended, and nobody was told")
	}
}
