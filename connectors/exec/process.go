package exec

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"drawbridge/identity"
)

// drain is how long what a program leaves in its pipes is still read after its
// end. Only something that left its process group can hold them open then.
const drain = 250 * time.Millisecond

var (
	errTooLong  = answerError("it is over %d bytes", maxAnswer)
	errHeldOpen = errors.New("something that the program started left its process group and holds its output open")
)

// startError is a program that could not be started.
type startError struct{ err error }

func (e *startError) Error() string { return "start the program: " + e.err.Error() }
func (e *startError) Unwrap() error { return e.err }

// program is how processes are started.
type program struct {
	path string
	args []string
	env  []string
	log  *slog.Logger
}

// process is one running program, the leader of a process group of its own.
type process struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr *os.File
	answer *bufio.Reader // of stdout
	words  *stderrLog

	done   chan struct{} // closed when the program has ended and been waited for
	logged chan struct{} // closed when its standard error has been read

	mu     sync.Mutex
	reaped bool
}

// start runs the program. The password is in no argument and no variable: both
// can be read in /proc by others, a pipe cannot.
func (p program) start() (*process, error) {
	var ours, theirs [3]*os.File
	closeAll := func(files [3]*os.File) {
		for _, f := range files {
			if f != nil {
				_ = f.Close()
			}
		}
	}
	for i := range ours {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(ours)
			closeAll(theirs)
			return nil, &startError{err}
		}
		ours[i], theirs[i] = r, w
		if i == 0 {
			ours[i], theirs[i] = w, r
		}
	}
	cmd := exec.CommandContext(context.Background(), p.path, p.args...) //nolint:gosec // the operator names the program
	cmd.Env = p.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err := cmd.Start()
	closeAll(theirs)
	if err != nil {
		closeAll(ours)
		return nil, &startError{err}
	}
	proc := &process{
		cmd: cmd, stdin: ours[0], stdout: ours[1], stderr: ours[2], answer: bufio.NewReader(ours[1]),
		words: &stderrLog{log: p.log.With("pid", cmd.Process.Pid), left: maxLines},
		done:  make(chan struct{}), logged: make(chan struct{}),
	}
	go proc.reap()
	go func() {
		defer close(proc.logged)
		proc.words.copy(proc.stderr)
	}()
	return proc, nil
}

// reap waits for the end and kills what the program leaves behind.
func (p *process) reap() {
	waitable(p.cmd.Process.Pid)
	p.kill()
	p.mu.Lock()
	_ = p.cmd.Wait() // ProcessState has it
	p.reaped = true
	p.mu.Unlock()
	close(p.done)
}

// kill ends the program and everything in its process group, at once: SIGTERM
// may be ignored, and who waits for the login does not wait for a farewell.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped { // else the ID may be another's by now
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // gone already is fine
	}
}

// end kills what still runs and frees everything. It returns when the program is
// gone and its standard error is in the log.
func (p *process) end() {
	p.kill()
	<-p.done
	_ = p.stderr.SetReadDeadline(time.Now().Add(drain))
	<-p.logged
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
		_ = f.Close()
	}
}

// send writes one request by the deadline.
func (p *process) send(line []byte, cred identity.Credential, deadline time.Time) error {
	p.words.begin(cred)
	if err := p.stdin.SetWriteDeadline(deadline); err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	if _, err := p.stdin.Write(line); err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	return nil
}

// readLine reads one answer with its newline, by the deadline.
func (p *process) readLine(deadline time.Time) ([]byte, error) {
	if err := p.stdout.SetReadDeadline(deadline); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	var line []byte
	for {
		part, err := p.answer.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxAnswer:
			return nil, errTooLong
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, answerError("it ends in the middle of a line")
		case errors.Is(err, io.EOF):
			return nil, errors.New("the program ended without an answer")
		default:
			return nil, fmt.Errorf("read the answer: %w", err)
		}
	}
}

// readAll reads everything until the program's end, by the deadline.
func (p *process) readAll(deadline time.Time) ([]byte, error) {
	if err := p.stdout.SetReadDeadline(deadline); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	ended := make(chan struct{})
	go func() { // what the program wrote before its end is in the pipe by now
		defer close(ended)
		<-p.done
		_ = p.stdout.SetReadDeadline(earlier(deadline, time.Now().Add(drain)))
	}()
	text, err := io.ReadAll(io.LimitReader(p.answer, maxAnswer+1))
	if len(text) > maxAnswer {
		err = errTooLong
	}
	if err != nil {
		p.kill()
	}
	<-ended
	if errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(deadline) {
		return nil, errHeldOpen
	}
	if err != nil && !errors.Is(err, errTooLong) {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return text, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
