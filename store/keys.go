package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"drawbridge/store/feed"
	"drawbridge/tokens"
)

const keyColumns = `kid, service, algorithm, public, replica, state, not_before, not_after, until, revoked_at, seals`

// Keys implements tokens.Store.
func (s *Store) Keys(ctx context.Context) ([]tokens.Record, error) {
	var records []tokens.Record
	err := s.view(ctx, "read the signing keys", func(ctx context.Context, q querier) error {
		rows, err := q.QueryContext(ctx, `SELECT `+keyColumns+`, version FROM keys ORDER BY not_before, kid`)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err has it
		for rows.Next() {
			r, err := scanKey(rows)
			if err != nil {
				return err
			}
			records = append(records, r)
		}
		return rows.Err()
	})
	return records, err
}

func scanKey(rows *sql.Rows) (tokens.Record, error) {
	var r tokens.Record
	var notBefore, notAfter, until, revoked int64
	var seals []byte
	err := rows.Scan(&r.KeyID, &r.Service, &r.Algorithm, &r.Public, &r.Replica, &r.State,
		&notBefore, &notAfter, &until, &revoked, &seals, &r.Version)
	if err != nil {
		return r, err
	}
	r.NotBefore, r.NotAfter, r.Until, r.RevokedAt = timeOf(notBefore), timeOf(notAfter), timeOf(until), timeOf(revoked)
	// Seals that cannot be read vouch for nothing; the record stays, because it
	// may say that the key is revoked.
	if json.Unmarshal(seals, &r.Seals) != nil {
		r.Seals = nil
	}
	return r, nil
}

// SaveKeys implements tokens.Store.
func (s *Store) SaveKeys(ctx context.Context, records []tokens.Record, changes ...feed.Change) (stored []feed.Change, err error) {
	conflict := false
	err = s.update(ctx, "save the signing keys", func(ctx context.Context, tx *sql.Tx) error {
		// In an order in which no service has two keys of one state on the way: a
		// key that signs no more goes first.
		for _, retired := range []bool{true, false} {
			for i := range records {
				if (records[i].State == tokens.StateRetired) != retired {
					continue
				}
				done, err := saveKey(ctx, tx, &records[i])
				if err != nil {
					return err
				}
				if !done {
					conflict = true
					return &Conflict{Message: fmt.Sprintf("signing key %s was changed in the meantime", records[i].KeyID)}
				}
			}
		}
		var err error
		stored, err = appendChanges(ctx, tx, changes...)
		return err
	})
	if conflict {
		return nil, fmt.Errorf("%w: %w", tokens.ErrConflict, err)
	}
	return stored, err
}

// saveKey reports whether the record could be written: it is new and there was
// none, or there was the version that it replaces. A revocation is never undone.
func saveKey(ctx context.Context, tx *sql.Tx, r *tokens.Record) (bool, error) {
	seals, err := json.Marshal(r.Seals)
	if err != nil {
		return false, err
	}
	args := []any{
		r.KeyID, r.Service, string(r.Algorithm), r.Public, r.Replica, string(r.State),
		millis(r.NotBefore), millis(r.NotAfter), millis(r.Until), millis(r.RevokedAt), string(seals),
	}
	query := `INSERT INTO keys (` + keyColumns + `, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1) ON CONFLICT DO NOTHING`
	if r.Version != 0 {
		query = `UPDATE keys SET service = $2, algorithm = $3, public = $4, replica = $5, state = $6,
			not_before = $7, not_after = $8, until = $9,
			revoked_at = CASE WHEN revoked_at <> 0 THEN revoked_at ELSE $10 END,
			seals = $11, version = version + 1 WHERE kid = $1 AND version = $12`
		args = append(args, r.Version)
	}
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// PruneKeys implements tokens.Store.
func (s *Store) PruneKeys(ctx context.Context, now time.Time) (int64, error) {
	return s.exec(ctx, "remove old signing keys", `DELETE FROM keys WHERE service = '' AND not_after < $1 AND until < $1`, millis(now))
}
