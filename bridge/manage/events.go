package manage

import (
	"context"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/identity"
)

// Events are the audit events that are kept; the store has them.
type Events interface {
	// Audit returns at most limit events that the filter chooses, the newest first,
	// all after the cursor.
	Audit(ctx context.Context, filter audit.Filter, after audit.Cursor, limit int) ([]audit.Event, error)
	// AuditCounts counts the events of the actions, by outcome and in stretches of
	// time.
	AuditCounts(ctx context.Context, since time.Time, step time.Duration, actions ...audit.Action) ([]audit.Count, error)
}

// EventPage is a part of the audit log, the newest event first.
type EventPage struct {
	Events []audit.Event
	// Next is where the next page begins; the zero value after the last.
	Next audit.Cursor
}

// AuditEvents searches the audit log, and says of decisions by the policy in force
// which of its rules they came of.
func (d *Desk) AuditEvents(ctx context.Context, a Actor, filter audit.Filter, after audit.Cursor, limit int) (EventPage, error) {
	if err := a.need(authz.ReadAudit); err != nil {
		return EventPage{}, err
	}
	if d.Events == nil {
		return EventPage{}, errNoEvents()
	}
	inForce := d.InForce()
	// One more than asked for tells whether there is another page.
	list, err := d.Events.Audit(ctx, filter, after, limit+1)
	if err != nil {
		return EventPage{}, failure(err)
	}
	page := EventPage{Events: list}
	if len(list) > limit {
		page.Events = list[:limit]
		page.Next = audit.CursorAt(list[limit-1])
	}
	nameRules(inForce, page.Events)
	return page, nil
}

func errNoEvents() error {
	return &identity.Error{
		Kind: identity.Conflict, Message: "The store keeps no audit events here: audit.store is false, so look into audit.file.",
	}
}
