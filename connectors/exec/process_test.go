package exec

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
)

func newProcessReader(stdout *os.File) *process {
	return &process{stdout: stdout, answer: bufio.NewReader(stdout)}
}

// children are the living processes that this one started, as /proc has them.
func children(t *testing.T) []int {
	t.Helper()
	var found []int
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has just ended
		}
		// pid (name) state ppid ...
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if fields[1] == strconv.Itoa(os.Getpid()) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
			found = append(found, pid)
		}
	}
	return found
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func gone(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	// A zombie that nobody has waited for yet is dead.
	return strings.HasPrefix(string(text[strings.LastIndexByte(string(text), ')')+1:]), " Z")
}

func writtenPid(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestWhatAProgramLeavesBehindIsKilled(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		file := filepath.Join(t.TempDir(), "pid")
		c, _ := open(t, mode, 5*time.Second, "grandchildren", file)
		start := time.Now()
		expect(t, c.Authenticate(t.Context(), login("alice", "x")), connectors.KindGranted, "alice")
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
		pid := writtenPid(t, file)
		eventually(t, "the grandchild is gone", func() bool { return gone(pid) })
	})
}

// What leaves the process group cannot be killed with it. It may not delay a
// login for long, and what it might still print is not waited for.
func TestADescendantThatEscapesHoldsNothingUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	c, _ := open(t, configs.ExecPerLogin, 5*time.Second, "escape", file)
	start := time.Now()
	expect(t, c.Authenticate(t.Context(), login("alice", "x")), connectors.KindUnavailable, "left its process group")
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := syscall.Kill(writtenPid(t, file), syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestAPooledProcessIsReplaced(t *testing.T) {
	c, log := open(t, configs.ExecPooled, 5*time.Second, "die-after-two")
	for range 12 {
		// One that is written just before the end may have been read, and is not
		// tried again.
		if got := c.Authenticate(t.Context(), login("alice", "x")); got.Kind() != connectors.KindGranted {
			expect(t, got, connectors.KindUnavailable, "ended without an answer")
		}
	}
	eventually(t, "it works again", func() bool {
		return c.Authenticate(t.Context(), login("alice", "x")).Kind() == connectors.KindGranted
	})
	if n := strings.Count(log.String(), "started again"); n < 3 {
		t.Errorf("started %d times:\n%s", n, log)
	}
}

func TestAPooledProcessThatHangsIsReplaced(t *testing.T) {
	c, _ := open(t, configs.ExecPooled, time.Second, "by-name")
	var group sync.WaitGroup
	for range 2 { // both processes
		group.Go(func() {
			expect(t, c.Authenticate(t.Context(), login("hang", "x")), connectors.KindUnavailable, "no answer within")
		})
	}
	group.Wait()
	expect(t, c.Authenticate(t.Context(), login("gina", "x")), connectors.KindGranted, "gina")
}

// A program that always dies is not started in a tight loop.
func TestBackoff(t *testing.T) {
	var got []time.Duration
	for failures := range 9 {
		got = append(got, backoff(failures))
	}
	if got[0] != 0 || got[1] != firstBackoff || got[2] != 2*firstBackoff || got[8] != lastBackoff || backoff(1000) != lastBackoff {
		t.Errorf("%v", got)
	}
	c, log := open(t, configs.ExecPooled, time.Second, "by-name")
	for range 8 {
		expect(t, c.Authenticate(t.Context(), login("crash", "x")), connectors.KindUnavailable, "")
	}
	if n := strings.Count(log.String(), "started again"); n > 12 {
		t.Errorf("started %d times", n)
	}
	eventually(t, "it works again", func() bool {
		return c.Authenticate(t.Context(), login("gina", "x")).Kind() == connectors.KindGranted
	})
}

// More logins than places: they wait, for a bounded time, and no more processes
// than places exist.
func TestConcurrencyAndWaitAreBounded(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		c, _ := open(t, mode, time.Second, "by-name")
		eventually(t, "the pool is up", func() bool { return mode == configs.ExecPerLogin || len(children(t)) == 2 })
		start := time.Now()
		var group sync.WaitGroup
		for range 12 {
			group.Go(func() {
				got := c.Authenticate(t.Context(), login("hang", "x"))
				if got.Kind() != connectors.KindUnavailable {
					t.Errorf("got %s", got)
				}
			})
		}
		var most int
		done := make(chan struct{})
		go func() { group.Wait(); close(done) }()
		for running := true; running; {
			select {
			case <-done:
				running = false
			case <-time.After(20 * time.Millisecond):
				most = max(most, len(children(t)))
			}
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
		if most < 1 || most > 2 {
			t.Errorf("%d processes at once", most)
		}
	})
}

// Programs are killed from outside while logins come: an answer is right or
// Unavailable, and never somebody else's.
func TestKilledUnderLoad(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		c, _ := open(t, mode, 5*time.Second, "by-name")
		stop := make(chan struct{})
		var killer sync.WaitGroup
		kills := 0
		killer.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(30 * time.Millisecond):
					for _, pid := range children(t) {
						if syscall.Kill(pid, syscall.SIGKILL) == nil {
							kills++
						}
					}
				}
			}
		})
		counts := loadOf(t, c, 8, 12)
		close(stop)
		killer.Wait()
		t.Logf("%d kills: %v", kills, counts)
		eventually(t, "it works again", func() bool {
			return c.Authenticate(t.Context(), login("gina", "x")).Kind() == connectors.KindGranted
		})
	})
}

// loadOf asks from several goroutines and checks each answer against its
// username.
func loadOf(t *testing.T, c *Connector, callers, each int) map[connectors.Kind]int {
	t.Helper()
	var mu sync.Mutex
	counts := map[connectors.Kind]int{}
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for i := range each {
				name := fmt.Sprintf("%c-%d-%d", "gndxc"[(caller+i)%5], caller, i)
				got := c.Authenticate(t.Context(), login(name, "x"))
				want := map[byte]connectors.Kind{
					'g': connectors.KindGranted, 'n': connectors.KindNotMine, 'd': connectors.KindDenied,
				}[name[0]]
				if got.Kind() != want && got.Kind() != connectors.KindUnavailable {
					t.Errorf("%s: got %s", name, got)
				}
				if got.Kind() == connectors.KindGranted && got.Identity().Name != name {
					t.Errorf("%s logged in as %s", name, got.Identity().Name)
				}
				mu.Lock()
				counts[got.Kind()]++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return counts
}

// 500 logins, a fifth of which crash the program and a fifth get garbage, leave
// nothing behind.
func TestNothingLeaks(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		goroutines, files := runtime.NumGoroutine(), openFiles(t)
		c, _ := open(t, mode, 8*time.Second, "by-name")
		counts := loadOf(t, c, 4, 125)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%v", counts)
		eventually(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= goroutines })
		if now := openFiles(t); now > files {
			t.Errorf("%d open files, %d before", now, files)
		}
		if left := children(t); len(left) > 0 {
			t.Errorf("processes left: %v", left)
		}
	})
}

// The parent's copies of the pipes are closed also when there is no program.
func TestAFailedStartLeaksNoFiles(t *testing.T) {
	files := openFiles(t)
	for range 50 {
		if _, err := (program{path: "/nonexistent"}).start(); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("got %v", err)
		}
	}
	if now := openFiles(t); now > files {
		t.Errorf("%d open files, %d before", now, files)
	}
}
