package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"drawbridge/authz/revisions"
	"drawbridge/store/feed"
)

// policyChangeLife is how long a saved policy is announced. A process that was cut
// off for longer reads the newest revision when it starts again.
const policyChangeLife = 24 * time.Hour

const policyColumns = `number, text, author, reason, at, rollback_of`

// NewestPolicy implements [revisions.Store].
func (s *Store) NewestPolicy(ctx context.Context) (revisions.Revision, error) {
	r, err := s.policy(ctx, "read the policy in force",
		`SELECT `+policyColumns+` FROM policies ORDER BY number DESC LIMIT 1`)
	if errors.Is(err, ErrNotFound) {
		return revisions.Revision{}, nil
	}
	return r, err
}

// PolicyRevision implements [revisions.Store].
func (s *Store) PolicyRevision(ctx context.Context, number int64) (revisions.Revision, error) {
	return s.policy(ctx, "read the policy's revision "+revisions.Revision{Number: number}.ID(),
		`SELECT `+policyColumns+` FROM policies WHERE number = $1`, number)
}

func (s *Store) policy(ctx context.Context, what, query string, args ...any) (r revisions.Revision, err error) {
	err = s.view(ctx, what, func(ctx context.Context, q querier) error {
		var at int64
		err := q.QueryRowContext(ctx, query, args...).Scan(&r.Number, &r.Text, &r.Author, &r.Reason, &at, &r.RollbackOf)
		r.At = timeOf(at)
		return err
	})
	return r, err
}

// PolicyHistory returns at most limit revisions without their texts, the newest
// first, all with numbers below before; 0 is from the newest on.
func (s *Store) PolicyHistory(ctx context.Context, before int64, limit int) ([]revisions.Revision, error) {
	list := []revisions.Revision{}
	err := s.view(ctx, "read the policy's history", func(ctx context.Context, q querier) error {
		rows, err := q.QueryContext(ctx, `SELECT number, author, reason, at, rollback_of FROM policies
			WHERE $1 = 0 OR number < $1 ORDER BY number DESC LIMIT $2`, before, limit)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err has it
		for rows.Next() {
			var r revisions.Revision
			var at int64
			if err := rows.Scan(&r.Number, &r.Author, &r.Reason, &at, &r.RollbackOf); err != nil {
				return err
			}
			r.At = timeOf(at)
			list = append(list, r)
		}
		return rows.Err()
	})
	return list, err
}

// AppendPolicy implements [revisions.Store].
func (s *Store) AppendPolicy(ctx context.Context, r revisions.Revision) error {
	stale := &revisions.Stale{Seen: r.Number - 1}
	err := s.update(ctx, "save the policy", func(ctx context.Context, tx *sql.Tx) error {
		// First the announcement: it takes the lock that makes the next line's
		// answer hold until the commit.
		_, err := appendChanges(ctx, tx, feed.Change{
			Kind: feed.PolicyChanged, Value: r.ID(), At: r.At, By: r.Author, Reason: r.Reason,
			ExpiresAt: r.At.Add(policyChangeLife),
		})
		if err != nil {
			return err
		}
		row := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(number), 0) FROM policies`)
		if err := row.Scan(&stale.Newest); err != nil {
			return err
		}
		if stale.Newest != stale.Seen {
			return stale
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO policies (`+policyColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
			r.Number, r.Text, r.Author, r.Reason, millis(r.At), r.RollbackOf)
		return err
	})
	if found := (*revisions.Stale)(nil); errors.As(err, &found) {
		return found
	}
	return err
}
