package exec

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/connectors"
)

var (
	errBusy   = errors.New("all processes of the program are busy; raise pool_size or look for a login flood")
	errClosed = errors.New("the connector is closed")
)

// perLogin starts a process for each request.
type perLogin struct {
	program program
	slots   chan struct{}
	waiting atomic.Int32

	mu      sync.Mutex
	closed  context.Context
	close   context.CancelFunc
	running sync.WaitGroup
}

func newPerLogin(p program, size int) *perLogin {
	r := &perLogin{program: p, slots: make(chan struct{}, size)}
	r.closed, r.close = context.WithCancel(context.Background())
	return r
}

// ask waits for a free place for at most wait, and for the answer as long as ctx
// lives. The place is given back when the process is gone and not before, so that
// no flood of logins makes more processes than there are places.
func (r *perLogin) ask(ctx context.Context, wait time.Duration, q question) (connectors.Outcome, error) {
	if err := r.acquire(ctx, wait); err != nil {
		return connectors.Outcome{}, err
	}
	result := make(chan reply, 1)
	if !r.run(func() { defer func() { <-r.slots }(); result <- r.once(ctx, q) }) {
		<-r.slots
		return connectors.Outcome{}, errClosed
	}
	select {
	case got := <-result:
		return got.outcome, got.err
	case <-ctx.Done():
		return connectors.Outcome{}, ctx.Err()
	}
}

// acquire waits for a free place.
func (r *perLogin) acquire(ctx context.Context, wait time.Duration) error {
	r.waiting.Add(1)
	defer r.waiting.Add(-1)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.closed.Done():
		return errClosed
	case <-timer.C:
		return errBusy
	}
}

// stats: no process waits for a request in this mode.
func (r *perLogin) stats() Stats {
	return Stats{InUse: len(r.slots), Waiting: int(r.waiting.Load())}
}

// reply is what a process said, or what went wrong.
type reply struct {
	outcome connectors.Outcome
	err     error
}

// run runs f in the background unless the connector is closed.
func (r *perLogin) run(f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Err() != nil {
		return false
	}
	r.running.Go(f)
	return true
}

// once runs the program for one request.
func (r *perLogin) once(ctx context.Context, q question) reply {
	const id = 1 // the only request of this process
	line, err := q.line(id)
	if err != nil {
		return reply{err: err}
	}
	p, err := r.program.start()
	if err != nil {
		return reply{err: err}
	}
	defer p.end()
	defer context.AfterFunc(ctx, p.kill)()
	defer context.AfterFunc(r.closed, p.kill)()

	deadline, _ := ctx.Deadline()
	// A program may answer without reading; what counts is its answer.
	_ = p.send(line, q.cred, deadline)
	_ = p.stdin.Close()
	text, err := p.readAll(deadline)
	if err != nil {
		return reply{err: err}
	}
	if state := p.cmd.ProcessState; !state.Success() {
		return reply{err: fmt.Errorf("the program ended with %s", state)}
	}
	outcome, err := q.outcome(text, id)
	return reply{outcome, err}
}

// Close kills what runs and waits for its end.
func (r *perLogin) Close() error {
	r.mu.Lock()
	r.close()
	r.mu.Unlock()
	return waitFor(&r.running)
}

// closePatience bounds the wait for processes that were killed. One that hangs
// inside the kernel cannot be waited for.
const closePatience = 3 * time.Second

func waitFor(group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-time.After(closePatience):
		return fmt.Errorf("a process of the program is still there %s after it was killed", closePatience)
	}
}
