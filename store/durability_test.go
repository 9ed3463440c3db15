package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drawbridge/store"
	"drawbridge/store/conformance"
)

// The environment of the test binary when it is a writer: see runWriter.
const (
	writerDir  = "STORE_TEST_WRITER_DIR"
	writerName = "STORE_TEST_WRITER_NAME"
	writerEach = "STORE_TEST_WRITER_EACH"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		if err := runWriter(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runWriter writes to the store and prints each acknowledged value on a line of
// standard output.
func runWriter(dir string) error {
	var each int
	if _, err := fmt.Sscan(os.Getenv(writerEach), &each); err != nil {
		return err
	}
	s, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		return err
	}
	refused, err := conformance.Write(context.Background(), s, os.Getenv(writerName), each, func(value string) {
		// One write each: a kill leaves whole lines, and the last of them cut at most.
		_, _ = os.Stdout.WriteString(value + "\n")
	})
	if err != nil {
		return err
	}
	if refused > 0 {
		return fmt.Errorf("%d writes were refused", refused)
	}
	return s.Close()
}

// writer is another process that writes to a store.
type writer struct {
	cmd   *exec.Cmd
	lines chan string // what it has printed, closed at its end
}

func startWriter(t *testing.T, dir, name string, each int) *writer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{cmd: exec.CommandContext(context.Background(), self), lines: make(chan string, 1<<16)}
	w.cmd.Env = append(os.Environ(), writerDir+"="+dir, writerName+"="+name, fmt.Sprintf("%s=%d", writerEach, each))
	w.cmd.Stderr = os.Stderr
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.cmd.Process.Kill() })
	go func() {
		defer close(w.lines)
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return // a line that was cut is no acknowledgement
			}
			w.lines <- strings.TrimSuffix(line, "\n")
		}
	}()
	return w
}

// rest returns the lines up to the writer's end.
func (w *writer) rest() (lines []string) {
	for line := range w.lines {
		lines = append(lines, line)
	}
	return lines
}

// What a call acknowledged survives kill -9 at any moment: of a process that
// writes, 20 times in a row on one file.
func TestSQLiteKilledWhileWriting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var acknowledged []string
	for run := range 20 {
		w := startWriter(t, dir, fmt.Sprint("run", run), 0)
		for range 1 + rand.IntN(60) { //nolint:gosec // any moment will do
			line, ok := <-w.lines
			if !ok {
				t.Fatal("the writer ended by itself")
			}
			acknowledged = append(acknowledged, line)
		}
		time.Sleep(rand.N(5 * time.Millisecond)) // not at the end of a write
		if err := w.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		acknowledged = append(acknowledged, w.rest()...)
		_ = w.cmd.Wait() // it was killed
	}
	conformance.CheckKept(t, openSQLite(t, dir), acknowledged)
}

// A server and commands write to one file at the same time. Some of the commands
// are killed, and neither the server nor the other commands notice.
func TestSQLiteWrittenByTwoProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := openSQLite(t, dir)
	var mu sync.Mutex
	var acknowledged []string
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		refused, err := conformance.Write(ctx, server, "server", 0, func(value string) {
			mu.Lock()
			defer mu.Unlock()
			acknowledged = append(acknowledged, value)
		})
		if refused > 0 {
			err = errors.Join(err, fmt.Errorf("%d writes were refused", refused))
		}
		served <- err
	}()
	const each = 10
	for run := range 6 {
		command := startWriter(t, dir, fmt.Sprint("command", run), each)
		first := <-command.lines
		killed := run%2 == 1
		if killed {
			_ = command.cmd.Process.Kill() // it may be done already
		}
		lines := append(command.rest(), first)
		if err := command.cmd.Wait(); err != nil && !killed {
			t.Errorf("the command failed: %v", err)
		}
		if !killed && len(lines) != conformance.Writers*each {
			t.Errorf("the command has written %d changes, want %d", len(lines), conformance.Writers*each)
		}
		mu.Lock()
		acknowledged = append(acknowledged, lines...)
		mu.Unlock()
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("the server: %v", err)
	}
	conformance.CheckKept(t, openSQLite(t, dir), acknowledged)
}
