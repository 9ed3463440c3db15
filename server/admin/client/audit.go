package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"drawbridge/audit"
)

// Audit returns at most limit events that match, after the place and the newest
// first.
func (c *Client) Audit(ctx context.Context, filter audit.Filter, after audit.Cursor, limit int) ([]audit.Event, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if after.ID != "" {
		query.Set("cursor", after.String())
	}
	actions := make([]string, len(filter.Actions))
	for i, action := range filter.Actions {
		actions[i] = string(action)
	}
	for name, value := range map[string]string{
		"since": timeOf(filter.Since), "until": timeOf(filter.Until), "action": strings.Join(actions, ","),
		"outcome": string(filter.Outcome), "reason": filter.Reason, "user": filter.User, "target": filter.Target,
		"repository": filter.Repository, "decision": filter.Decision, "session": filter.Session, "address": filter.Address,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var page struct {
		Events []audit.Event `json:"events"`
	}
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/audit", query: query}, &page)
	return page.Events, err
}

func timeOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
