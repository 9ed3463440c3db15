package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"drawbridge/audit"
)

// AuditCounts counts the events of the actions from since on, by outcome and in
// stretches of time that begin at multiples of step. Stretches without any are left
// out; the order is that of time.
func (s *Store) AuditCounts(ctx context.Context, since time.Time, step time.Duration, actions ...audit.Action) ([]audit.Count, error) {
	list := []audit.Count{}
	if len(actions) == 0 || step < time.Millisecond {
		return list, nil
	}
	args := []any{millis(since), step.Milliseconds()}
	places := make([]string, len(actions))
	for i, action := range actions {
		args = append(args, string(action))
		places[i] = fmt.Sprintf("$%d", len(args))
	}
	query := `SELECT at / $2, action, outcome, COUNT(*) FROM audit_events WHERE at >= $1 AND action IN (` + strings.Join(places, ", ") +
		`) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`
	err := s.viewFor(ctx, searchTimeout, "count the audit events", func(ctx context.Context, q querier) error {
		rows, err := q.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var n int64
			var c audit.Count
			if err := rows.Scan(&n, &c.Action, &c.Outcome, &c.N); err != nil {
				return err
			}
			c.At = time.UnixMilli(n * step.Milliseconds()).UTC()
			list = append(list, c)
		}
		return rows.Err()
	})
	return list, err
}
