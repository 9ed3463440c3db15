package breakglass

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/audit"
)

// Source is where armings are kept; the store is one.
type Source interface {
	// BreakGlass returns the newest arming, in force or not, and false where there
	// never was one.
	BreakGlass(ctx context.Context) (Arming, bool, error)
}

// Recorder takes audit events and never blocks; audit.Log is one.
type Recorder interface {
	Record(audit.Event)
}

const (
	// resync is how often the store is asked without a reason, in case one was
	// missed.
	resync = 30 * time.Second
	// retryEvery is how often it is asked while it does not answer.
	retryEvery = time.Second
)

// Watch knows the newest arming, and says in the log and the audit log when one
// begins and when it is over. It is safe for concurrent use.
type Watch struct {
	source Source
	clock  func() time.Time
	audit  Recorder
	log    *slog.Logger

	changed chan struct{} // holds one
	known   atomic.Pointer[Arming]
	mu      sync.Mutex
	said    Arming // the one whose beginning was said and whose end was not
}

// NewWatch returns a watch that knows nothing until [Watch.Load] or [Watch.Run].
func NewWatch(source Source, clock func() time.Time, events Recorder, log *slog.Logger) *Watch {
	return &Watch{source: source, clock: clock, audit: events, log: log, changed: make(chan struct{}, 1)}
}

// Changed has the store asked, soon. It never blocks.
func (w *Watch) Changed() {
	select {
	case w.changed <- struct{}{}:
	default: // it is on its way, and begins after this
	}
}

// Armed returns the arming in force, and false where there is none.
func (w *Watch) Armed() (Arming, bool) {
	if a := w.known.Load(); a != nil && a.InForce(w.clock()) {
		return *a, true
	}
	return Arming{}, false
}

// Load asks the store. When that fails, what was known stays, and [Connector] lets
// nobody in.
func (w *Watch) Load(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, _, err := w.source.BreakGlass(ctx)
	if err == nil {
		w.known.Store(&a)
	}
	w.say(ctx)
	return err
}

// say reports what has begun and what is over. The caller holds the lock.
func (w *Watch) say(ctx context.Context) {
	armed, ok := w.Armed()
	if w.said.ID != "" && (!ok || armed.ID != w.said.ID) {
		by, why := w.said.By, "expired"
		if now := w.known.Load(); now.ID != w.said.ID {
			why = "replaced"
		} else if !now.EndedAt.IsZero() {
			by, why = now.EndedBy, "disarmed"
		}
		w.log.WarnContext(ctx, "break-glass is over: the account breakglass administers no more", "why", why, "by", by)
		w.record(audit.BreakglassEnded, by, why, w.said)
		w.said = Arming{}
	}
	if ok && w.said.ID == "" {
		w.said = armed
		w.log.WarnContext(ctx, "break-glass is armed: the account breakglass administers, whatever the directory says",
			"until", armed.ExpiresAt, "by", armed.By, "reason", armed.Reason)
		w.record(audit.BreakglassArmed, armed.By, "", armed)
	}
}

func (w *Watch) record(action audit.Action, by, why string, a Arming) {
	w.audit.Record(audit.Event{
		Time: w.clock().UTC(), Action: action, Outcome: audit.Success, Reason: why,
		Personal: audit.Personal{User: by, Target: Identity().String()}, Note: a.Reason, Connector: ConnectorName,
	})
}

// Run asks the store whenever something changed and when an arming is over, until
// ctx ends.
func (w *Watch) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.changed:
		case <-timer.C:
		}
		next := resync
		if w.Load(ctx) != nil {
			next = retryEvery // the feed of changes says that the store is away
		}
		if a, ok := w.Armed(); ok {
			next = min(next, a.ExpiresAt.Sub(w.clock()))
		}
		timer.Reset(max(next, 0))
	}
}
