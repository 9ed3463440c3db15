package testbed

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// portsPatience is how long a test waits for another that holds the fixed ports.
const portsPatience = 20 * time.Minute

// HoldPorts keeps the fixed ports of loopback for one test until it ends, and
// fails it when a program outside the tests holds one of them. [NewStack] and the
// like do that themselves.
func HoldPorts(t testing.TB, ports ...int) {
	t.Helper()
	lockPorts(t)
	requireFree(t, ports...)
}

// lockPorts makes the test the only one that uses the fixed ports of loopback,
// until it ends: the shipped docker-compose.yml names 5000 and 5001, and so do
// the classic set-ups that are tested with it. A lock in .tools makes tests of
// other packages and of other runs wait.
func lockPorts(t testing.TB) {
	t.Helper()
	lock, err := os.OpenFile(filepath.Join(Root(t), ".tools", "ports.lock"), os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- a file of the repository
	if err != nil {
		t.Fatal(err)
	}
	// Closing it gives the lock back.
	t.Cleanup(func() { _ = lock.Close() })
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	patience := time.After(portsPatience)
	for syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil { // #nosec G115 -- a file descriptor is small
		select {
		case <-poll.C:
		case <-patience:
			t.Fatalf("another test holds the fixed ports for more than %s", portsPatience)
		}
	}
}

// requireFree fails the test when somebody else's program holds one of the ports.
func requireFree(t testing.TB, ports ...int) {
	t.Helper()
	listen := net.ListenConfig{}
	for _, port := range ports {
		l, err := listen.Listen(t.Context(), "tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err != nil {
			t.Fatalf("port %d is taken by a program that is not part of the tests: %v", port, err)
		}
		_ = l.Close()
	}
}
