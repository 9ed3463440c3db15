package console

import (
	"context"
	"sync"
	"time"

	"drawbridge/bridge/manage"
)

// tidiness remembers for a while what the audit log tells of the policy: finding it
// out reads months of events.
type tidiness struct {
	mu   sync.Mutex
	at   time.Time
	last manage.Hygiene
}

// tidyFor is how long it is good, for the same policy.
const tidyFor = time.Minute

// hygiene is what could be tidied up, for somebody who may read it.
func (v *visit) hygiene(ctx context.Context) (manage.Hygiene, error) {
	if err := v.actor.MayReadAudit(); err != nil {
		return manage.Hygiene{}, err
	}
	t := &v.tidy
	t.mu.Lock()
	defer t.mu.Unlock()
	now := v.Clock()
	if age := now.Sub(t.at); age >= 0 && age < tidyFor && t.last.Revision == v.Desk.InForce().ID {
		return t.last, nil
	}
	found, err := v.Desk.Hygiene(ctx, v.actor)
	if err == nil {
		t.at, t.last = now, found
	}
	return found, err
}
