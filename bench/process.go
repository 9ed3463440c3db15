package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a server that is being measured.
type Process struct {
	// URL is the server's, without a path.
	URL string
	// Ready is the time from the start of the process until it said that it is
	// ready and, where it has a readiness page, that page did as well.
	Ready time.Duration

	cmd  *exec.Cmd
	done chan error
}

// Start runs the command until ready, a regular expression for a line on its
// standard error, has matched. The first group of the match is the address of
// the server, the second one, if there is one, that of its readiness page.
func Start(ctx context.Context, cmd *exec.Cmd, scheme string, ready *regexp.Regexp) (*Process, error) {
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan error, 1)}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	match, err := awaitLine(stderr, ready)
	// Draining goes on until the process closes its end.
	go func() {
		_, _ = io.Copy(io.Discard, stderr)
		p.done <- cmd.Wait()
	}()
	if err == nil && len(match) > 2 {
		err = awaitReady(ctx, "http://"+match[2]+"/readyz")
	}
	if err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	p.Ready = time.Since(start)
	p.URL = scheme + "://" + match[1]
	return p, nil
}

// awaitLine reads lines until one matches.
func awaitLine(r io.Reader, ready *regexp.Regexp) ([]string, error) {
	var seen strings.Builder
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if match := ready.FindStringSubmatch(lines.Text()); match != nil {
			return match, nil
		}
		seen.WriteString(lines.Text() + "\n")
	}
	return nil, fmt.Errorf("the server ended before it was ready:\n%s", seen.String())
}

// awaitReady polls the page until it is 200.
func awaitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", url, errors.Join(ctx.Err(), err))
		case <-time.After(time.Millisecond):
		}
	}
}

// Stop asks the process to end and waits until it has.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-p.done:
		return err
	case <-time.After(requestTimeout):
		return errors.Join(errors.New("the server does not end"), p.cmd.Process.Kill(), <-p.done)
	}
}

// Kill ends the process at once. It may have ended already.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() }

// CPU returns the processor time that the process has used, of all its threads.
func (p *Process) CPU() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name in parentheses, which may hold spaces; utime
	// and stime are the fields 14 and 15, in ticks of 10 ms: see proc(5).
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return 0, errors.New("/proc/PID/stat is not as proc(5) says")
	}
	var ticks int64
	for _, i := range []int{utime, stime} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// Memory returns the resident set, now and at its largest, in bytes.
func (p *Process) Memory() (now, peak int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for name, value := range map[string]*int64{"VmRSS": &now, "VmHWM": &peak} {
		_, rest, _ := strings.Cut(string(status), name+":")
		kilobytes, _, _ := strings.Cut(strings.TrimSpace(rest), " kB")
		n, err := strconv.ParseInt(kilobytes, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", name, err)
		}
		*value = n << 10
	}
	return now, peak, nil
}
