package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// actPatience bounds how long [Log.Act] waits for each sink.
	actPatience = 5 * time.Second
	// closePatience bounds how long [Log.Close] waits for what is queued.
	closePatience = 3 * time.Second
)

// Options says where events go.
type Options struct {
	// File is appended to, and made with mode 0600; "-" or empty is Stdout, which
	// is then required.
	File   string
	Stdout io.Writer
	// NoFile leaves out file and Stdout.
	NoFile bool
	// Store keeps events for queries; nil: none does.
	Store Store
	Clock func() time.Time // nil: time.Now
	Log   *slog.Logger
}

// Log hands events to its sinks. It is safe for concurrent use.
type Log struct {
	sinks   []*sink
	closers []io.Closer
	clock   func() time.Time
	log     *slog.Logger
	entries map[Action]Entry
	// prefix and serial make event IDs: one random prefix for each process.
	prefix string
	serial atomic.Uint64

	// mu guards closed, so that nothing is sent on a closed queue.
	mu     sync.RWMutex
	closed bool
}

// New returns a log that writes what [Options] name.
func New(opts Options) (*Log, error) {
	l := &Log{clock: opts.Clock, log: opts.Log, prefix: rand.Text()[:16], entries: make(map[Action]Entry)}
	if l.clock == nil {
		l.clock = time.Now
	}
	for _, entry := range Catalogue() {
		l.entries[entry.Action] = entry
	}
	if !opts.NoFile {
		out, closer, err := openFile(opts.File, opts.Stdout)
		if err != nil {
			return nil, err
		}
		l.closers = append(l.closers, closer)
		l.add(&sink{name: fileSink, write: (&lines{out: out}).write, most: maxBatch, linger: fileLinger})
	}
	if opts.Store != nil {
		l.add(&sink{name: storeSink, write: stored(opts.Store), most: maxBatch, linger: storeLinger, again: storeAgain, giveUp: storeGiveUp})
	}
	return l, nil
}

func (l *Log) add(s *sink) {
	s.log = l.log
	s.start()
	l.sinks = append(l.sinks, s)
}

// item is an event on its way to a sink. All sinks share the event, which does not
// change any more.
type item struct {
	event *Event
	// done is told what became of it; nil: nobody waits.
	done chan<- error
}

// Record queues the event for each sink. It never blocks.
func (l *Log) Record(e Event) {
	l.stamp(&e)
	for _, s := range l.sinks {
		if !l.hand(s, item{event: &e}) {
			s.dropped.Add(1)
		}
	}
}

// hand puts an event into a sink's queue, if there is room and the log is open.
func (l *Log) hand(s *sink, i item) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return false
	}
	return s.put(i)
}

// Act writes what somebody has done in the administration, and returns when every
// sink has it, or after some seconds. What was done is done: that a sink does not
// take it is counted and reported, and changes nothing about it.
func (l *Log) Act(ctx context.Context, e Event) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actPatience)
	defer cancel()
	l.stamp(&e)
	results := make([]chan error, len(l.sinks))
	for i, s := range l.sinks {
		results[i] = make(chan error, 1)
		if !l.hand(s, item{event: &e, done: results[i]}) {
			s.dropped.Add(1)
			results[i] <- errors.New("its queue is full, or closed")
		}
	}
	for i, s := range l.sinks {
		var err error
		select {
		case err = <-results[i]:
		case <-ctx.Done():
			err = fmt.Errorf("it is not written yet: %w", ctx.Err())
		}
		if err != nil {
			l.log.ErrorContext(ctx, "it is done, but not in the audit log", "sink", s.name, "action", e.Action, "target", e.Target, "error", err)
		}
	}
}

// stamp gives an event what follows from its action and its place in the log.
func (l *Log) stamp(e *Event) {
	entry := l.entries[e.Action]
	e.Category, e.Type = entry.Category, entry.Type
	if e.Repositories == nil {
		e.Repositories = repositories(e.Requested)
	}
	if e.ID == "" {
		e.ID = l.nextID()
	}
	if e.Time.IsZero() {
		e.Time = l.clock().UTC()
	}
}

// nextID is one that no other event has, of this process or another.
func (l *Log) nextID() string {
	const digits = 8
	number := strconv.FormatUint(l.serial.Add(1), 16)
	return l.prefix + "-00000000"[:1+max(0, digits-len(number))] + number
}

// Dropped counts the events that a sink has lost, by its name: those that found its
// queue full, and those that could not be written.
func (l *Log) Dropped() map[string]uint64 {
	lost := make(map[string]uint64, len(l.sinks))
	for _, s := range l.sinks {
		lost[s.name] = s.dropped.Load()
	}
	return lost
}

// Close writes what is queued, for a few seconds at most, and closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errors.New("the audit log is closed already")
	}
	l.closed = true
	for _, s := range l.sinks {
		s.finish()
	}
	l.mu.Unlock()
	var errs []error
	end := time.NewTimer(closePatience)
	defer end.Stop()
	for _, s := range l.sinks {
		errs = append(errs, s.stop(end.C))
	}
	for _, c := range l.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
