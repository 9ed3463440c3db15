package connectors

import (
	"context"
	"errors"
	"sync"
)

var errClosed = errors.New("the server ends")

// Close ends the questions that have outlived who asked them, and returns when they
// are over: what they ask may be closed then. Who comes later is told that nobody
// can be asked.
func (c *CachedChain) Close() error {
	c.asking.end()
	return nil
}

// questions are those that are under way.
type questions struct {
	life  context.Context
	close context.CancelFunc

	mu     sync.Mutex // else one could begin while the last one is waited for
	closed bool
	open   sync.WaitGroup
}

func newQuestions() *questions {
	q := &questions{}
	q.life, q.close = context.WithCancel(context.Background())
	return q
}

// begin counts a question, which cancel ends early. over is called when it is over.
func (q *questions) begin(cancel context.CancelFunc) (over func(), ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, false
	}
	q.open.Add(1)
	stop := context.AfterFunc(q.life, cancel)
	return func() { stop(); q.open.Done() }, true
}

func (q *questions) end() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.close()
	q.open.Wait()
}
