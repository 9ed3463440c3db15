package audit

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// The names of the sinks.
const (
	fileSink  = "file"
	storeSink = "store"
)

const (
	// queueLength bounds the events that wait for a sink: a burst of denials fits, a
	// disk that hangs for minutes does not.
	queueLength = 8192
	// maxBatch bounds the events that are written at once.
	maxBatch = 1024
)

// sink writes events from a queue of its own, so that one that hangs holds up
// neither the callers nor the other sink.
type sink struct {
	name string
	// write writes a batch and returns how many of it are written, from the first on.
	write func(ctx context.Context, batch []Event) (int, error)
	// most is the greatest batch, linger how long the first event of one that is not
	// full waits for others. Meanwhile the sink sleeps: to wake it for each event costs
	// the caller as much as all else that an event does.
	most   int
	linger time.Duration
	// hurry ends that sleep.
	hurry chan struct{}
	// again is how long to wait before a batch that failed is tried again, and
	// giveUp how long that goes on; zero: it is not.
	again, giveUp time.Duration
	log           *slog.Logger

	queue   chan item
	dropped atomic.Uint64
	done    chan struct{}
	ctx     context.Context // the life of the goroutine
	cancel  context.CancelFunc

	// failing and reported are what the log was told last.
	failing  bool
	reported uint64
}

func (s *sink) start() {
	s.queue, s.done, s.hurry = make(chan item, queueLength), make(chan struct{}), make(chan struct{}, 1)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.run()
}

// put queues an item, if there is room. It never blocks.
func (s *sink) put(i item) bool {
	select {
	case s.queue <- i:
	default:
		return false
	}
	if i.done != nil || len(s.queue) >= s.most-1 {
		s.wake()
	}
	return true
}

// wake ends a sleep of the sink, or keeps it from the next one.
func (s *sink) wake() {
	select {
	case s.hurry <- struct{}{}:
	default:
	}
}

// finish ends the queue, and every sleep from now on. Nothing is put after it.
func (s *sink) finish() {
	close(s.queue)
	close(s.hurry)
}

// stop waits until the queue, which is closed, is written. When end comes it gives
// up what is left.
func (s *sink) stop(end <-chan time.Time) error {
	defer s.cancel()
	select {
	case <-s.done:
		return nil
	case <-end:
	}
	s.cancel()
	select {
	case <-s.done:
		return nil
	case <-time.After(time.Second):
		return fmt.Errorf("audit sink %s: a write hangs; %d events or more are lost", s.name, s.dropped.Load()+uint64(len(s.queue)))
	}
}

func (s *sink) run() {
	defer close(s.done)
	var batch []Event
	for first := range s.queue {
		var waiting []chan<- error
		take := func(i item) bool {
			batch = append(batch, *i.event)
			if i.done != nil {
				waiting = append(waiting, i.done)
			}
			return i.done == nil && len(batch) < s.most
		}
		batch = batch[:0]
		if take(first) {
			s.collect(take)
		}
		err := s.deliver(batch)
		for _, done := range waiting {
			done <- err
		}
	}
}

// collect takes what is queued, after a while for others to come, until take wants no
// more.
func (s *sink) collect(take func(item) bool) {
	if len(s.queue) < s.most-1 {
		timer := time.NewTimer(s.linger)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.hurry:
		}
	}
	for {
		select {
		case i, open := <-s.queue:
			if !open || !take(i) {
				return
			}
		default:
			return
		}
	}
}

// deliver writes a batch, again and again where that may help, and counts what is
// lost.
func (s *sink) deliver(batch []Event) error {
	began := time.Now()
	for {
		n, err := s.write(s.ctx, batch)
		s.report(err)
		batch = batch[n:]
		if err == nil {
			return nil
		}
		if time.Since(began) >= s.giveUp || s.ctx.Err() != nil {
			s.dropped.Add(uint64(len(batch)))
			return err
		}
		select {
		case <-time.After(s.again):
		case <-s.ctx.Done():
		}
	}
}

// report writes one line into the log when the sink breaks, or loses what it is too
// slow for, and one when it mends: a full disk must not fill the other log as well.
func (s *sink) report(err error) {
	lost := s.dropped.Load()
	failing := err != nil || lost > s.reported
	s.reported = lost
	if failing == s.failing {
		return
	}
	s.failing = failing
	if failing {
		s.log.Error("the audit log does not take every event", "sink", s.name, "dropped", lost, "error", err)
		return
	}
	s.log.Warn("the audit log takes every event again", "sink", s.name, "dropped", lost)
}
