package manage

import (
	"context"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
)

// activityHours is how far back [Desk.Activity] looks.
const activityHours = 24

// Hour is what happened in one.
type Hour struct {
	At time.Time `json:"at"`
	// Logins are passwords, secrets and refresh tokens that were accepted, Refused
	// those that were not.
	Logins  int64 `json:"logins"`
	Refused int64 `json:"refused"`
	// Tokens are access tokens that were issued, Denials requests that were granted
	// nothing.
	Tokens  int64 `json:"tokens"`
	Denials int64 `json:"denials"`
}

// Activity counts logins and decisions of the last 24 hours on all replicas, an
// entry for each hour, the oldest first.
func (d *Desk) Activity(ctx context.Context, a Actor) ([]Hour, error) {
	if err := a.need(authz.ReadAudit); err != nil {
		return nil, err
	}
	if d.Events == nil {
		return nil, errNoEvents()
	}
	first := d.Clock().UTC().Truncate(time.Hour).Add(-(activityHours - 1) * time.Hour)
	counts, err := d.Events.AuditCounts(ctx, first, time.Hour, audit.Login, audit.Refresh, audit.TokenIssued, audit.TokenDenied)
	if err != nil {
		return nil, failure(err)
	}
	hours := make([]Hour, activityHours)
	for i := range hours {
		hours[i].At = first.Add(time.Duration(i) * time.Hour)
	}
	for _, c := range counts {
		if i := int(c.At.Sub(first) / time.Hour); i >= 0 && i < len(hours) { // a clock may be ahead
			hours[i].add(c)
		}
	}
	return hours, nil
}

func (h *Hour) add(c audit.Count) {
	switch {
	case c.Action == audit.TokenIssued:
		h.Tokens += c.N
	case c.Action == audit.TokenDenied:
		h.Denials += c.N
	case c.Outcome == audit.Success:
		h.Logins += c.N
	case c.Outcome == audit.Failure:
		h.Refused += c.N
	}
}
