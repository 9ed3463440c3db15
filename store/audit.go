package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/audit"
	"drawbridge/tracing"
)

const (
	auditColumns = `at, id, action, outcome, reason, actor, target, address, decision_id, session_id, repositories, event`
	auditWidth   = 12
	// searchTimeout bounds a search through all audit events, which readers of the
	// database do not disturb others with.
	searchTimeout = 30 * time.Second
)

// AppendAudit implements [audit.Store].
func (s *Store) AppendAudit(ctx context.Context, events []audit.Event) error {
	rows := make([][]any, len(events))
	var encoded []byte
	for i := range events {
		encoded = events[i].AppendJSON(encoded[:0])
		row, err := auditRow(&events[i], string(encoded))
		if err != nil {
			return err
		}
		rows[i] = row
	}
	// A server far away is asked once. SQLite is not far, and slow with a statement of
	// thousands of parameters.
	most := 1
	if s.dialect.remote {
		most = max(1, len(rows))
	}
	return s.update(ctx, "write audit events", func(ctx context.Context, tx *sql.Tx) error {
		var insert *sql.Stmt
		width := 0
		for chunk := range slices.Chunk(rows, most) {
			if len(chunk) != width {
				var err error
				if insert, err = tx.PrepareContext(ctx, s.insertAudit(len(chunk))); err != nil {
					return err
				}
				defer insert.Close() //nolint:errcheck // the transaction's end closes it, too
				width = len(chunk)
			}
			if _, err := insert.ExecContext(ctx, slices.Concat(chunk...)...); err != nil {
				return err
			}
		}
		return nil
	})
}

// insertAudit is the statement that inserts so many rows. SQLite's driver looks for
// the argument of a numbered parameter among all of them, by its name.
func (s *Store) insertAudit(rows int) string {
	places := make([]string, rows)
	for i := range places {
		row := make([]string, auditWidth)
		for j := range row {
			row[j] = "?"
			if s.dialect.remote {
				row[j] = "$" + strconv.Itoa(i*auditWidth+j+1)
			}
		}
		places[i] = "(" + strings.Join(row, ", ") + ")"
	}
	return `INSERT INTO audit_events (` + auditColumns + `) VALUES ` + strings.Join(places, ", ") + ` ON CONFLICT (at, id) DO NOTHING`
}

func auditRow(e *audit.Event, encoded string) ([]any, error) {
	if e.Time.IsZero() || e.ID == "" {
		return nil, errors.New("an audit event needs a time and an ID")
	}
	repositories := ""
	if len(e.Repositories) > 0 {
		repositories = "\n" + strings.Join(e.Repositories, "\n") + "\n"
	}
	row := append(make([]any, 0, auditWidth), millis(e.Time), e.ID)
	for _, text := range []string{
		string(e.Action), string(e.Outcome), e.Reason, subjectOf(plain(e.User)), subjectOf(plain(e.Target)), e.SourceIP,
		e.DecisionID, e.SessionID, repositories, encoded,
	} {
		row = append(row, plain(text))
	}
	return row, nil
}

// plain is a text as PostgreSQL takes it: without a NUL, and valid UTF-8.
func plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "?")
}

// Audit returns at most limit events that the filter chooses, the newest first, all
// after the cursor in that order.
func (s *Store) Audit(ctx context.Context, filter audit.Filter, after audit.Cursor, limit int) ([]audit.Event, error) {
	query, args := auditQuery(filter, after, limit)
	list := []audit.Event{}
	err := s.viewFor(ctx, searchTimeout, "search the audit events", func(ctx context.Context, q querier) error {
		rows, err := q.QueryContext(ctx, query, args...)
		bodies, err := texts(rows, err)
		if err != nil {
			return err
		}
		for _, body := range bodies {
			var e audit.Event
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				return fmt.Errorf("read an audit event: %w", err)
			}
			list = append(list, e)
		}
		return nil
	})
	return list, err
}

func auditQuery(filter audit.Filter, after audit.Cursor, limit int) (string, []any) {
	query, args := `SELECT event FROM audit_events WHERE at >= $1`, []any{millis(filter.Since)}
	and := func(used bool, condition string, values ...any) {
		if !used {
			return
		}
		places := make([]any, len(values))
		for i := range values {
			places[i] = len(args) + i + 1
		}
		args = append(args, values...)
		query += " AND " + fmt.Sprintf(condition, places...)
	}
	and(!filter.Until.IsZero(), "at < $%d", millis(filter.Until))
	and(after.ID != "", "(at, id) < ($%d, $%d)", millis(after.At), after.ID)
	and(filter.Outcome != "", "outcome = $%d", string(filter.Outcome))
	and(filter.Reason != "", "reason = $%d", plain(filter.Reason))
	and(filter.User != "", "actor = $%d", subjectOf(plain(filter.User)))
	and(filter.Target != "", "target = $%d", subjectOf(plain(filter.Target)))
	and(filter.Address != "", "address = $%d", plain(filter.Address))
	// The second condition is that of the index, which a parameter cannot imply.
	and(filter.Decision != "", "decision_id = $%d AND decision_id <> ''", plain(filter.Decision))
	and(filter.Session != "", "session_id = $%d AND session_id <> ''", plain(filter.Session))
	if filter.Repository != "" {
		name := "\n" + plain(filter.Repository)
		if !strings.HasSuffix(name, "/") {
			name += "\n"
		}
		// Unlike LIKE it has no characters of its own, and both databases agree on it.
		and(true, "replace(repositories, $%d, '') <> repositories", name)
	}
	if len(filter.Actions) > 0 {
		actions := make([]any, len(filter.Actions))
		for i, a := range filter.Actions {
			actions[i] = string(a)
		}
		and(true, "action IN ($%d"+strings.Repeat(", $%d", len(actions)-1)+")", actions...)
	}
	args = append(args, limit)
	return query + fmt.Sprintf(" ORDER BY at DESC, id DESC LIMIT $%d", len(args)), args
}

// pruneAudit bounds one statement, so that it does not keep logins waiting.
const pruneAudit = 1000

// PruneAudit removes the events from before then, and the oldest of those that are
// more than most (0: any number), in small batches. It returns how many.
func (s *Store) PruneAudit(ctx context.Context, before time.Time, most int64) (int64, error) {
	total, err := s.pruneAuditUntil(ctx, millis(before)-1, "")
	if err != nil || most <= 0 {
		return total, err
	}
	var at int64
	var id string
	err = s.viewFor(ctx, searchTimeout, "count the audit events", func(ctx context.Context, q querier) error {
		return q.QueryRowContext(ctx, `SELECT at, id FROM audit_events ORDER BY at DESC, id DESC LIMIT 1 OFFSET $1`, most).Scan(&at, &id)
	})
	if errors.Is(err, ErrNotFound) {
		return total, nil // there are fewer
	}
	if err != nil {
		return total, err
	}
	n, err := s.pruneAuditUntil(ctx, at, id)
	return total + n, err
}

// pruneAuditUntil removes the events up to that time and ID; without an ID, all of
// that time.
func (s *Store) pruneAuditUntil(ctx context.Context, at int64, id string) (int64, error) {
	for total := int64(0); ; {
		n, err := s.exec(ctx, "remove old audit events", `DELETE FROM audit_events WHERE (at, id) IN (SELECT at, id FROM audit_events
			WHERE at < $1 OR (at = $1 AND ($2 = '' OR id <= $2)) ORDER BY at, id LIMIT $3)`, at, id, pruneAudit)
		total += n
		if err != nil || n < pruneAudit {
			return total, err
		}
	}
}

// viewFor is view with a time of its own.
func (s *Store) viewFor(ctx context.Context, most time.Duration, what string, f func(ctx context.Context, q querier) error) (err error) {
	span := tracing.Ask(ctx, s.dialect.name, what, "")
	defer func() { end(span, err) }()
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if err := s.migrate(ctx); err != nil {
		return err
	}
	return classify(what, f(ctx, s.read))
}
