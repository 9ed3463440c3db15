package manage

import (
	"sync"
	"time"

	"drawbridge/audit"
	"drawbridge/connectors"
)

// SignIn writes into the audit log who came to the door of the administration, and
// whether they were let in. repeated says that the caller shows the credential with
// each request, as HTTP Basic has it: then one event stands for an hour of them.
func (d *Desk) SignIn(a Actor, verdict connectors.Verdict, repeated bool) {
	a.Name = verdict.Whom()
	e := d.event(a, audit.Event{Action: audit.AdminSignIn, Outcome: audit.Failure, Reason: string(verdict.Reason())})
	e.Connector = verdict.Connector
	kind := verdict.Kind()
	switch {
	case kind == connectors.KindGranted && verdict.Stale:
		e.Outcome, e.Reason, e.Stale = audit.Unknown, "stale", true
	case kind == connectors.KindGranted:
		if repeated && !d.signedIn.first(a.Name+" "+a.Address, d.Clock()) {
			return
		}
		e.Outcome, e.Reason, e.Groups, e.SessionID = audit.Success, "", verdict.Identity().Groups, a.Session
	case kind == connectors.KindUnavailable, kind == connectors.KindMisconfigured:
		e.Outcome, e.Reason = audit.Unknown, kind.String()
	case e.Reason == "":
		e.Reason = kind.String()
	}
	d.Audit.Record(e)
}

// SignOut writes into the audit log that somebody left. reason is empty, or a word
// for why they had to, such as idle.
func (d *Desk) SignOut(a Actor, reason string) {
	d.record(a, audit.Event{Action: audit.AdminSignOut, Outcome: audit.Success, Reason: reason, SessionID: a.Session})
}

const (
	// repeatedFor is how long one event stands for the requests after it.
	repeatedFor = time.Hour
	// maxRemembered bounds who is remembered for that.
	maxRemembered = 10_000
)

// lately remembers who was there. The zero value is ready.
type lately struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// first reports whether who was not there for a while.
func (l *lately) first(who string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, found := l.seen[who]; found && now.Sub(at) < repeatedFor {
		return false
	}
	if l.seen == nil || len(l.seen) >= maxRemembered {
		l.seen = make(map[string]time.Time)
	}
	l.seen[who] = now
	return true
}
