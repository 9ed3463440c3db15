package testbed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startPatience = 30 * time.Second
	stopPatience  = 5 * time.Second
	pollEvery     = 10 * time.Millisecond
)

// output collects what a program prints while it runs.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// String returns everything printed so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// process is a program that runs until its test ends.
type process struct {
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when the program has ended
	stop sync.Once
	// quit is the signal that asks the program to end; zero is SIGTERM.
	quit syscall.Signal
}

// startProcess starts the program, and stops it when the test ends. What it
// printed is shown if the test failed.
func startProcess(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	// A test binary that is killed takes its programs with it.
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // the status of a program that was told to stop says nothing
		close(p.done)
	}()
	t.Cleanup(func() {
		p.terminate()
		if t.Failed() {
			t.Logf("%s printed:\n%s", cmd.Path, tail(p.out.String()))
		}
	})
	return p
}

// terminate asks the program to end, and then insists.
func (p *process) terminate() {
	p.stop.Do(func() {
		quit := p.quit
		if quit == 0 {
			quit = syscall.SIGTERM
		}
		_ = p.cmd.Process.Signal(quit)
		select {
		case <-p.done:
		case <-time.After(stopPatience):
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	})
}

// signal sends a signal; one to a program that has ended is none. After SIGSTOP it waits
// until every thread has stopped: until then some still answer.
func (p *process) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		if !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("signal %s: %v", p.cmd.Path, err)
		}
		return
	}
	if sig != syscall.SIGSTOP {
		return
	}
	if err := p.await("it stops", p.stopped); err != nil {
		t.Error(err)
	}
}

// stopped reports whether every thread is in state T (proc_pid_stat(5)).
func (p *process) stopped() bool {
	states, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	for _, name := range states {
		stat, readErr := os.ReadFile(name) // #nosec G304 -- of our own process
		_, after, _ := strings.Cut(string(stat), ") ")
		if readErr != nil || !strings.HasPrefix(after, "T") {
			return false
		}
	}
	return err == nil && len(states) > 0
}

// await polls until ready reports true. The error says that the program ended
// before, or did not get there in time, and what it printed.
func (p *process) await(what string, ready func() bool) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	patience := time.After(startPatience)
	for !ready() {
		select {
		case <-poll.C:
		case <-p.done:
			return fmt.Errorf("%s ended before %s:\n%s", p.cmd.Path, what, tail(p.out.String()))
		case <-patience:
			return fmt.Errorf("%s: no %s within %s:\n%s", p.cmd.Path, what, startPatience, tail(p.out.String()))
		}
	}
	return nil
}

// tail keeps the end of a long log.
func tail(log string) string {
	const most = 8 << 10
	if len(log) > most {
		return "...\n" + log[len(log)-most:]
	}
	return log
}
