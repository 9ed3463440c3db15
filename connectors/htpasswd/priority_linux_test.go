package htpasswd

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// niceValues returns the nice values of the process's threads by their IDs.
func niceValues(t *testing.T) map[string]int {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil || len(files) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	values := map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		// After the name, which ends with a bracket: the state is field 3, nice 19.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		nice, err := strconv.Atoi(fields[16])
		if err != nil {
			t.Fatal(err)
		}
		values[filepath.Base(filepath.Dir(file))] = nice
	}
	return values
}

// TestChecksThatWaitedYield: their threads have a lower priority than the others, and
// no other thread has it, then or afterwards. A check that comes alone has the
// priority of the process.
func TestChecksThatWaitedYield(t *testing.T) {
	own := niceValues(t)[strconv.Itoa(os.Getpid())]
	if own > 19-politeness {
		t.Fatalf("these tests run at nice %d: nothing is left to lower", own)
	}
	g := NewGate(time.Minute)
	runsAt := func(want int) func() {
		return func() {
			if got := niceValues(t)[strconv.Itoa(syscall.Gettid())]; got != want {
				t.Errorf("a check runs at nice %d, want %d; the process has %d", got, want, own)
			}
		}
	}
	for range cap(g.slots) { // the first ones hold all slots until the others wait
		if _, err := g.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var waiting sync.WaitGroup
	for range 50 {
		waiting.Go(func() {
			if err := g.do(t.Context(), runsAt(own+politeness)); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "50 logins wait", func() bool { return waitingIn("(*Gate).enter") == 50 })
	for range cap(g.slots) {
		<-g.slots
	}
	waiting.Wait()
	eventually(t, "every thread has the priority of the process", func() bool {
		for _, nice := range niceValues(t) {
			if nice != own {
				return false
			}
		}
		return true
	})
	if err := g.do(t.Context(), runsAt(own)); err != nil {
		t.Fatal(err)
	}
}

// waitingIn counts the goroutines that are blocked in a select of the function.
func waitingIn(function string) (n int) {
	stacks := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if header, _, _ := strings.Cut(stack, "\n"); strings.Contains(header, "[select") && strings.Contains(stack, function+"(") {
			n++
		}
	}
	return n
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
