package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"drawbridge/store/feed"
)

// AppendChanges adds changes to the feed, all or none, and returns them with
// their numbers.
func (s *Store) AppendChanges(ctx context.Context, changes ...feed.Change) ([]feed.Change, error) {
	var out []feed.Change
	err := s.update(ctx, "announce a change", func(ctx context.Context, tx *sql.Tx) error {
		var err error
		out, err = appendChanges(ctx, tx, changes...)
		return err
	})
	return out, err
}

// appendChanges adds to the feed within a transaction. The counter's row stays
// locked until the commit, so numbers become visible in their order.
func appendChanges(ctx context.Context, tx *sql.Tx, changes ...feed.Change) ([]feed.Change, error) {
	out := make([]feed.Change, 0, len(changes))
	for _, c := range changes {
		if c.Kind == "" || c.Value == "" || c.At.IsZero() || c.ExpiresAt.IsZero() {
			return nil, errors.New("a change needs a kind, a value, a time and an end")
		}
		row := tx.QueryRowContext(ctx, `UPDATE counters SET value = value + 1 WHERE name = 'changes' RETURNING value`)
		if err := row.Scan(&c.Seq); err != nil {
			return nil, err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO changes (seq, kind, value, at, actor, reason, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			c.Seq, string(c.Kind), c.Value, millis(c.At), c.By, c.Reason, millis(c.ExpiresAt))
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// ChangesSince returns at most limit changes with numbers above seq, in order,
// expired ones left out, and the number of the newest change there ever was.
// A result shorter than limit is all there is up to that number.
func (s *Store) ChangesSince(ctx context.Context, seq int64, limit int) (changes []feed.Change, newest int64, err error) {
	err = s.view(ctx, "read the changes", func(ctx context.Context, q querier) error {
		// First the number: a change that is committed in between is then seen
		// again by the next call, and not passed over.
		if err := q.QueryRowContext(ctx, `SELECT value FROM counters WHERE name = 'changes'`).Scan(&newest); err != nil {
			return err
		}
		if newest <= seq {
			return nil
		}
		rows, err := q.QueryContext(ctx, `SELECT seq, kind, value, at, actor, reason, expires_at FROM changes
			WHERE seq > $1 AND seq <= $2 AND expires_at > $3 ORDER BY seq LIMIT $4`,
			seq, newest, millis(s.opts.Clock()), limit)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err has it
		for rows.Next() {
			var c feed.Change
			var at, expires int64
			if err := rows.Scan(&c.Seq, &c.Kind, &c.Value, &at, &c.By, &c.Reason, &expires); err != nil {
				return err
			}
			c.At, c.ExpiresAt = timeOf(at), timeOf(expires)
			changes = append(changes, c)
		}
		return rows.Err()
	})
	return changes, newest, err
}

// pruneBatch bounds one statement, so that it does not keep writers waiting.
const pruneBatch = 5000

// PruneChanges removes the changes that expired before now and returns how many.
func (s *Store) PruneChanges(ctx context.Context, now time.Time) (int64, error) {
	for total := int64(0); ; {
		n, err := s.exec(ctx, "remove expired changes", `DELETE FROM changes WHERE seq IN
			(SELECT seq FROM changes WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, millis(now), pruneBatch)
		total += n
		if err != nil || n < pruneBatch {
			return total, err
		}
	}
}

// exec runs one statement and returns how many rows it touched.
func (s *Store) exec(ctx context.Context, what, query string, args ...any) (int64, error) {
	var n int64
	err := s.update(ctx, what, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}
