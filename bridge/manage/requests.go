package manage

import (
	"context"
	"strings"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/identity"
)

const (
	// recentDays is how far back a plan looks for requests to try.
	recentDays = 30 * 24 * time.Hour
	// maxRequests bounds the different requests that are looked at, and maxRead the
	// events that are read for them.
	maxRequests = 10_000
	maxRead     = 100_000
	// readAtOnce is one page of them.
	readAtOnce = 1000
)

// request is what somebody asked for, once or many times.
type request struct {
	authz.Asked
	last time.Time
}

// history is what the audit log tells of requests for tokens.
type history struct {
	// since is the time from which on it is complete.
	since    time.Time
	requests []request
	// groups are those that somebody had, each with its connector.
	groups map[string]bool
	read   int
}

// requests reads the requests for tokens since then, the latest first, each
// different one once.
func (d *Desk) requests(ctx context.Context, since time.Time) (history, error) {
	h := history{since: since, groups: make(map[string]bool)}
	seen := make(map[string]bool)
	filter := audit.Filter{Since: since, Actions: []audit.Action{audit.TokenIssued, audit.TokenDenied, audit.AdminSignIn}}
	oldest := d.Clock()
	for at := (audit.Cursor{}); ; {
		page, err := d.Events.Audit(ctx, filter, at, readAtOnce)
		if err != nil {
			return h, failure(err)
		}
		for i := range page {
			h.add(&page[i], seen)
			oldest = page[i].Time
		}
		h.read += len(page)
		if len(page) < readAtOnce {
			break
		}
		at = audit.CursorAt(page[len(page)-1])
		if h.read >= maxRead || len(h.requests) >= maxRequests {
			h.since = oldest
			return h, nil
		}
	}
	// A log that is younger than that tells nothing of the time before it.
	first, err := d.beganAfter(ctx, since)
	if err == nil && first {
		h.since = oldest
	}
	return h, err
}

// beganAfter reports whether the log has nothing from before then.
func (d *Desk) beganAfter(ctx context.Context, then time.Time) (bool, error) {
	before, err := d.Events.Audit(ctx, audit.Filter{Until: then}, audit.Cursor{}, 1)
	return len(before) == 0, failure(err)
}

// add takes what an event tells.
func (h *history) add(e *audit.Event, seen map[string]bool) {
	who, err := whoOf(e)
	if err != nil {
		return // an emergency account, or a name of another time
	}
	for _, group := range e.Groups {
		h.groups[who.Connector+"/"+group] = true
	}
	if len(h.requests) >= maxRequests {
		return
	}
	person := e.User + "\x00" + strings.Join(e.Groups, "\x00") + "\x01" + e.Service + "\x01"
	for _, text := range e.Requested {
		if seen[person+text] {
			continue
		}
		seen[person+text] = true
		for _, scope := range authz.ParseScopes([]string{text}) {
			h.requests = append(h.requests, request{authz.Asked{Who: who, Registry: e.Service, Scope: scope}, e.Time})
		}
	}
}

// whoOf returns who made a request.
func whoOf(e *audit.Event) (identity.Identity, error) {
	if e.User == "" {
		return identity.Identity{}, nil
	}
	who, err := ParseWho(e.User)
	who.Groups = e.Groups
	return who, err
}

// recent returns what people asked for lately, for trying a draft.
func (d *Desk) recent(ctx context.Context) ([]authz.Asked, error) {
	if d.Recent != nil {
		return d.Recent(ctx)
	}
	if d.Events == nil {
		return nil, nil
	}
	h, err := d.requests(ctx, d.Clock().Add(-recentDays))
	if err != nil {
		return nil, err
	}
	asked := make([]authz.Asked, len(h.requests))
	for i, r := range h.requests {
		asked[i] = r.Asked
	}
	return asked, nil
}
