package exec

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"drawbridge/connectors"
)

// The wait before a process that died is started again: none, then doubled from
// the first to the last.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
	farewell     = time.Second // how long a process has to end once its input is closed
)

// pooled keeps long-running processes, each with one request at a time.
type pooled struct {
	program program
	log     *slog.Logger
	jobs    chan job
	closed  context.Context
	close   context.CancelFunc
	running sync.WaitGroup
	failure atomic.Pointer[error] // why a process ended last; nil after a good answer

	started, inUse, waiting atomic.Int32 // processes; processes; requests
	restarts                atomic.Uint64
}

// job is a request on its way to a process.
type job struct {
	question question
	deadline time.Time
	reply    chan<- reply // with room for one
	again    bool         // a process before ended without having read it
}

func newPooled(p program, size int, log *slog.Logger) *pooled {
	r := &pooled{program: p, log: log, jobs: make(chan job)}
	r.closed, r.close = context.WithCancel(context.Background())
	for range size {
		r.running.Go(r.keep)
	}
	return r
}

// ask waits for a free process for at most wait, and for the answer as long as
// ctx lives. A caller who goes away leaves the process its time to answer: it is
// in step again after that.
func (r *pooled) ask(ctx context.Context, wait time.Duration, q question) (connectors.Outcome, error) {
	deadline, _ := ctx.Deadline()
	result := make(chan reply, 1)
	if err := r.hand(ctx, wait, job{question: q, deadline: deadline, reply: result}); err != nil {
		return connectors.Outcome{}, err
	}
	select {
	case got := <-result:
		return got.outcome, got.err
	case <-ctx.Done():
		return connectors.Outcome{}, ctx.Err()
	}
}

// hand gives the job to a process, which takes it when it is free.
func (r *pooled) hand(ctx context.Context, wait time.Duration, j job) error {
	r.waiting.Add(1)
	defer r.waiting.Add(-1)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case r.jobs <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.closed.Done():
		return errClosed
	case <-timer.C:
		if cause := r.failure.Load(); cause != nil {
			return fmt.Errorf("no process of the program is ready: %w", *cause)
		}
		return errBusy
	}
}

func (r *pooled) stats() Stats {
	inUse := int(r.inUse.Load())
	return Stats{
		InUse: inUse, Idle: max(0, int(r.started.Load())-inUse),
		Waiting: int(r.waiting.Load()), Restarts: r.restarts.Load(),
	}
}

// keep keeps one process running until Close.
func (r *pooled) keep() {
	failures := 0
	var pending *job
	defer func() {
		if pending != nil {
			pending.reply <- reply{err: errClosed}
		}
	}()
	for r.closed.Err() == nil {
		var good bool
		var err error
		good, pending, err = r.life(pending)
		if err == nil || r.closed.Err() != nil {
			return
		}
		r.failure.Store(&err)
		if good || errors.Is(err, os.ErrDeadlineExceeded) {
			failures = 0 // it works, or it is slow: a wait helps neither
		}
		pause := backoff(failures)
		failures++
		r.restarts.Add(1)
		r.log.Warn("a process of the program ended and is started again", "error", err, "in", pause.String())
		select {
		case <-time.After(pause):
		case <-r.closed.Done():
		}
	}
}

func backoff(failures int) time.Duration {
	if failures == 0 {
		return 0
	}
	return min(firstBackoff<<min(failures-1, 10), lastBackoff)
}

// life is one process from its start to its end. good says that it gave an
// answer at all; err is why it ended, nil for Close. The first request is one
// that the process before could not be given, and unsent is such a one for the
// next: nobody has read it, so to send it again tries no password twice.
func (r *pooled) life(first *job) (good bool, unsent *job, err error) {
	p, err := r.program.start()
	if err != nil {
		if first != nil {
			first.reply <- reply{err: err}
		}
		return false, nil, err
	}
	r.started.Add(1)
	defer r.started.Add(-1)
	defer p.end()
	for id := uint64(1); ; id++ {
		next := first
		if first = nil; next == nil {
			select {
			case <-r.closed.Done():
				p.leave()
				return good, nil, nil
			case <-p.done:
				return good, nil, fmt.Errorf("the program ended with %s", p.cmd.ProcessState)
			case j := <-r.jobs:
				next = &j
			}
		}
		outcome, err := r.serve(p, *next, id)
		if errors.Is(err, syscall.EPIPE) && !next.again {
			next.again = true
			return good, next, err
		}
		next.reply <- reply{outcome, err}
		if err != nil {
			return good, nil, err
		}
		good = true
		r.failure.Store(nil)
	}
}

// serve asks the process. After an error it is out of step and must go.
func (r *pooled) serve(p *process, j job, id uint64) (connectors.Outcome, error) {
	r.inUse.Add(1)
	defer r.inUse.Add(-1)
	defer context.AfterFunc(r.closed, p.kill)()
	line, err := j.question.line(id)
	if err != nil {
		return connectors.Outcome{}, err
	}
	if err := p.send(line, j.question.cred, j.deadline); err != nil {
		return connectors.Outcome{}, err
	}
	text, err := p.readLine(j.deadline)
	if err != nil {
		return connectors.Outcome{}, err
	}
	if p.answer.Buffered() > 0 {
		return connectors.Outcome{}, answerError("there is more than one line for one request")
	}
	return j.question.outcome(text, id)
}

// leave lets the program end by itself: the end of its input tells it to.
func (p *process) leave() {
	_ = p.stdin.Close()
	select {
	case <-p.done:
	case <-time.After(farewell):
	}
}

// Close ends the processes. A request under way is cut off.
func (r *pooled) Close() error {
	r.close()
	return waitFor(&r.running)
}
