package htpasswd

import (
	"context"
	"errors"
	"runtime"
	"time"
)

// defaultQueueTimeout leaves a login that waited time to be answered before
// Docker's client gives up at 15 s.
const defaultQueueTimeout = 5 * time.Second

var errBusy = errors.New("too many logins are waiting for a password check; raise the number of processors or look for a login flood")

// Gate bounds how many password checks run at once and how long others wait. All
// connectors of a process share one: together they must leave a processor free.
type Gate struct {
	slots chan struct{}
	wait  time.Duration
}

// NewGate makes a gate with a slot for each processor but one, and at least one. A
// login waits for the time at most; 0 is 5 s.
func NewGate(wait time.Duration) *Gate {
	if wait <= 0 {
		wait = defaultQueueTimeout
	}
	return &Gate{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)), wait: wait}
}

// do runs the check when there is a slot. One that had to wait for it is one of many,
// and runs at a lower priority than the rest of the process; one that comes alone
// does not, since on a busy machine it might not be done in time. An error says that
// the check did not run.
func (g *Gate) do(ctx context.Context, check func()) error {
	waited, err := g.enter(ctx)
	if err != nil {
		return err
	}
	defer func() { <-g.slots }()
	if !waited {
		check()
		return nil
	}
	done := make(chan struct{})
	go politely(check, done)
	<-done
	return nil
}

// enter waits for a slot, and reports whether it had to.
func (g *Gate) enter(ctx context.Context) (waited bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	select {
	case g.slots <- struct{}{}:
		return false, nil
	default:
	}
	timer := time.NewTimer(g.wait)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
		return true, nil
	case <-ctx.Done():
		return true, ctx.Err()
	case <-timer.C:
		return true, errBusy
	}
}

// politely runs the check on a thread of a lower priority, which ends with it, since
// the priority could not be raised again: Go ends the thread of a goroutine that is
// locked to it at its end. A thread costs a thousandth of a check.
func politely(check func(), done chan<- struct{}) {
	defer close(done)
	runtime.LockOSThread()
	if isMainThread() { // which cannot end; while it is held here, the next one is another
		next := make(chan struct{})
		go politely(check, next)
		<-next
		runtime.UnlockOSThread()
		return
	}
	lowerPriority()
	check()
}
