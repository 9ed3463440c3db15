package audit

import (
	"context"
	"time"
)

// Store keeps events. It keeps one with the same time and ID once, however often
// it is given it.
type Store interface {
	// AppendAudit keeps all of them or none.
	AppendAudit(ctx context.Context, events []Event) error
}

const (
	// storeLinger is how long the first event of a batch waits for others.
	storeLinger = 200 * time.Millisecond
	// A batch that the store does not take is tried again each second for half a
	// minute, in which a database is restarted; the queue holds what comes meanwhile.
	storeAgain  = time.Second
	storeGiveUp = 30 * time.Second
)

// stored writes batches to the store.
func stored(s Store) func(context.Context, []Event) (int, error) {
	return func(ctx context.Context, batch []Event) (int, error) {
		if err := s.AppendAudit(ctx, batch); err != nil {
			return 0, err
		}
		return len(batch), nil
	}
}
