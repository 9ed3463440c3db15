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

// gate bounds how many password checks run at once and how long others wait.
type gate struct {
	slots chan struct{}
	wait  time.Duration
}

func newGate(wait time.Duration) *gate {
	if wait <= 0 {
		wait = defaultQueueTimeout
	}
	return &gate{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)), wait: wait}
}

// enter waits for a slot. Who gets one calls leave.
func (g *gate) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(g.wait)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errBusy
	}
}

func (g *gate) leave() { <-g.slots }
