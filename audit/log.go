package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

// queueLength bounds the events that wait for the writer: a burst of denials
// fits, a disk that hangs for minutes does not.
const queueLength = 8192

// Log writes events as JSON lines. It is safe for concurrent use.
type Log struct {
	queue   chan Event
	out     io.Writer
	closer  io.Closer
	log     *slog.Logger
	dropped atomic.Uint64
	done    chan struct{}

	// mu guards closed, so that Record never sends on a closed queue.
	mu     sync.RWMutex
	closed bool
}

// Open returns a log that appends to the file, which it creates with mode 0600,
// or that writes to stdout when the file is "-" or empty.
func Open(file string, stdout io.Writer, log *slog.Logger) (*Log, error) {
	if file == "" || file == "-" {
		return start(stdout, io.NopCloser(nil), log), nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("open the audit file: %w", err)
	}
	return start(f, f, log), nil
}

func start(out io.Writer, closer io.Closer, log *slog.Logger) *Log {
	l := &Log{
		queue: make(chan Event, queueLength), out: out, closer: closer, log: log,
		done: make(chan struct{}),
	}
	go l.write()
	return l
}

// Record queues the event. It never blocks.
func (l *Log) Record(e Event) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		l.dropped.Add(1)
		return
	}
	select {
	case l.queue <- e:
	default:
		l.dropped.Add(1)
	}
}

// Dropped counts the events that were lost because the queue was full or the
// sink failed.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Close writes what is queued and closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errors.New("the audit log is closed already")
	}
	l.closed = true
	close(l.queue)
	l.mu.Unlock()
	<-l.done
	return l.closer.Close()
}

func (l *Log) write() {
	defer close(l.done)
	failing := false
	for e := range l.queue {
		line, err := json.Marshal(e)
		if err == nil {
			_, err = l.out.Write(append(line, '\n'))
		}
		if err != nil {
			l.dropped.Add(1)
		}
		// One line in the log when the sink breaks and one when it mends: a
		// full disk must not fill the other log as well.
		if failing != (err != nil) {
			failing = err != nil
			l.log.Error("audit log", "failing", failing, "error", err, "dropped", l.Dropped())
		}
	}
}
