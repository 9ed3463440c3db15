package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"drawbridge/store/feed"
	"drawbridge/tokens/sessions"
)

const (
	// announceSession is how long the end of a session stays in the feed: longer than
	// any access token (an hour and the leeway) and any remembered session (15
	// minutes) lives. The session itself says for ever that it has ended.
	announceSession = 2 * time.Hour
	// announcePerson is longer than any session lives (a year), since one may be
	// stored just after its person's sessions were ended, and have begun before.
	announcePerson = 366 * 24 * time.Hour
)

// forgetAtOnce bounds the sessions that one statement deletes, so that others get
// their turn in between.
const forgetAtOnce = 1000

const sessionColumns = `id, token_hash, current_hash, previous_hash, rotated_at, rotating, person, service, client_id, method,
	created_at, last_used_at, expires_at, address, user_agent, last_address, last_client_id, credential_version,
	revoked_at, revoked_reason, revoked_by`

// CreateSession stores a new session. Of a person who then has more than most live
// ones for the service, those that were not used for the longest time are
// forgotten, and their IDs returned.
func (s *Store) CreateSession(ctx context.Context, session sessions.Session, most int) (forgotten []string, err error) {
	err = s.update(ctx, "store a session", func(ctx context.Context, tx *sql.Tx) error {
		if err := insertSession(ctx, tx, session); err != nil {
			return err
		}
		var err error
		forgotten, err = texts(tx.QueryContext(ctx, `DELETE FROM sessions WHERE id IN (
			SELECT id FROM sessions WHERE subject = $1 AND service = $2 AND revoked_at = 0 AND expires_at > $3
			ORDER BY last_used_at DESC, created_at DESC, id LIMIT $4 OFFSET $5) RETURNING id`,
			subjectOf(session.Person.String()), session.Service, millis(session.CreatedAt), forgetAtOnce, most))
		return err
	})
	return forgotten, err
}

func insertSession(ctx context.Context, tx *sql.Tx, session sessions.Session) error {
	person, err := json.Marshal(session.Person)
	if err != nil {
		return err
	}
	t := session.Token
	_, err = tx.ExecContext(ctx, `INSERT INTO sessions (`+sessionColumns+`, subject)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`,
		session.ID, string(t.Session), string(t.Current), string(t.Previous), millis(t.RotatedAt), number(session.Rotating),
		string(person), session.Service, session.ClientID, string(session.Method),
		millis(session.CreatedAt), millis(session.LastUsedAt), millis(session.ExpiresAt), session.Address, session.UserAgent,
		session.LastAddress, session.LastClientID, session.CredentialVersion,
		millis(session.RevokedAt), session.RevokedReason, session.RevokedBy, subjectOf(session.Person.String()))
	return err
}

// SessionByToken returns the session whose refresh token has the hash, and false
// where there is none. It may be over or revoked.
func (s *Store) SessionByToken(ctx context.Context, hash sessions.Hash) (found sessions.Session, ok bool, err error) {
	err = s.view(ctx, "find a session", func(ctx context.Context, q querier) error {
		row := q.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM sessions WHERE token_hash = $1`, string(hash))
		found, err = scanSession(row.Scan)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return sessions.Session{}, false, nil
	}
	return found, err == nil, err
}

// RotateSession replaces the state of the refresh token, provided that the
// generation is still the one expected and the session has not ended. It returns
// false where another call came first.
func (s *Store) RotateSession(ctx context.Context, id string, expected sessions.Hash, to sessions.TokenState) (bool, error) {
	n, err := s.exec(ctx, "rotate a refresh token", `UPDATE sessions SET current_hash = $1, previous_hash = $2, rotated_at = $3
		WHERE id = $4 AND current_hash = $5 AND revoked_at = 0`,
		string(to.Current), string(to.Previous), millis(to.RotatedAt), id, string(expected))
	return n == 1, err
}

// RecordUses stores when, from where and as whom sessions were used last. A use
// that is older than what is stored, and one of a session that is not there any
// more, change nothing.
func (s *Store) RecordUses(ctx context.Context, uses ...sessions.Use) error {
	return s.update(ctx, "record the use of sessions", func(ctx context.Context, tx *sql.Tx) error {
		for _, use := range uses {
			person, err := json.Marshal(use.Person)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `UPDATE sessions SET last_used_at = $1, last_address = $2, last_client_id = $3, person = $4, subject = $5
				WHERE id = $6 AND last_used_at < $1`,
				millis(use.At), use.Address, use.ClientID, string(person), subjectOf(use.Person.String()), use.ID)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// EndSession marks the session as ended and announces it, so that its access
// tokens are refused as well. It returns the announcement, none where the session
// had ended before, and [ErrNotFound] where there is no such session.
func (s *Store) EndSession(ctx context.Context, id string, end sessions.End) (announced []feed.Change, err error) {
	err = s.update(ctx, "end a session", func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE sessions SET revoked_at = $1, revoked_reason = $2, revoked_by = $3
			WHERE id = $4 AND revoked_at = 0`, millis(end.At), end.Reason, end.By, id)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			return tx.QueryRowContext(ctx, `SELECT id FROM sessions WHERE id = $1`, id).Scan(&id)
		}
		announced, err = announce(ctx, tx, feed.RevokeSession, id, end, announceSession)
		return err
	})
	return announced, err
}

// EndSessionsOf ends every session of a person that began at or before the end, and
// announces that all tokens of the person from before it are refused, also where
// there was no session. It returns the IDs of those that it ended and the
// announcement. The case of the name does not count, since somebody types it.
func (s *Store) EndSessionsOf(ctx context.Context, subject string, end sessions.End) (ended []string, announced []feed.Change, err error) {
	err = s.update(ctx, "end the sessions of a person", func(ctx context.Context, tx *sql.Tx) error {
		ended, err = texts(tx.QueryContext(ctx, `UPDATE sessions SET revoked_at = $1, revoked_reason = $2, revoked_by = $3
			WHERE subject = $4 AND revoked_at = 0 AND created_at <= $1 AND expires_at > $1 RETURNING id`,
			millis(end.At), end.Reason, end.By, subjectOf(subject)))
		if err != nil {
			return err
		}
		announced, err = announce(ctx, tx, feed.RevokePerson, subject, end, announcePerson)
		return err
	})
	return ended, announced, err
}

func announce(ctx context.Context, tx *sql.Tx, kind feed.Kind, value string, end sessions.End, life time.Duration) ([]feed.Change, error) {
	return appendChanges(ctx, tx, feed.Change{
		Kind: kind, Value: value, At: end.At, By: end.By, Reason: end.Reason, ExpiresAt: end.At.Add(life),
	})
}

// subjectOf is the form in which people are searched, as revocations compare them.
func subjectOf(name string) string { return strings.ToLower(name) }

// ListSessions returns the sessions that the filter chooses, those of one person
// together and the newest first.
func (s *Store) ListSessions(ctx context.Context, filter sessions.Filter) (list []sessions.Session, err error) {
	query, args := s.sessionQuery(filter)
	err = s.view(ctx, "list the sessions", func(ctx context.Context, q querier) error {
		rows, err := q.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err has it
		for rows.Next() {
			one, err := scanSession(rows.Scan)
			if err != nil {
				return err
			}
			list = append(list, one)
		}
		return rows.Err()
	})
	return list, err
}

// sessionQuery chooses and orders.
func (s *Store) sessionQuery(filter sessions.Filter) (query string, args []any) {
	query = `SELECT ` + sessionColumns + ` FROM sessions WHERE id <> ''`
	and := func(condition string, more ...any) {
		places := make([]any, len(more))
		for i := range more {
			places[i] = len(args) + i + 1
		}
		args = append(args, more...)
		query += fmt.Sprintf(condition, places...)
	}
	if filter.Subject != "" {
		and(" AND subject = $%d", subjectOf(filter.Subject))
	}
	if filter.Service != "" {
		and(" AND service = $%d", filter.Service)
	}
	if !filter.Ended {
		and(" AND revoked_at = 0 AND expires_at > $%d", millis(s.opts.Clock()))
	}
	if at := filter.After; at != nil {
		and(" AND (subject > $%[1]d OR subject = $%[1]d AND (created_at < $%[2]d OR created_at = $%[2]d AND id > $%[3]d))",
			subjectOf(at.Subject), millis(at.CreatedAt), at.ID)
	}
	query += " ORDER BY subject, created_at DESC, id"
	if filter.Limit > 0 {
		and(" LIMIT $%d", filter.Limit)
	}
	return query, args
}

// Session returns a session by its ID, also one that has ended, and [ErrNotFound]
// where there is none.
func (s *Store) Session(ctx context.Context, id string) (found sessions.Session, err error) {
	err = s.view(ctx, "find a session", func(ctx context.Context, q querier) error {
		row := q.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM sessions WHERE id = $1`, id)
		found, err = scanSession(row.Scan)
		return err
	})
	return found, err
}

// CountSessions returns how many sessions are live.
func (s *Store) CountSessions(ctx context.Context, now time.Time) (n int64, err error) {
	err = s.view(ctx, "count the sessions", func(ctx context.Context, q querier) error {
		return q.QueryRowContext(ctx, `SELECT COUNT(*) FROM sessions WHERE expires_at > $1 AND revoked_at = 0`, millis(now)).Scan(&n)
	})
	return n, err
}

// PruneSessions forgets some of the sessions that were over before now, revoked or
// not, and returns how many; none is when no more are left.
func (s *Store) PruneSessions(ctx context.Context, now time.Time) (int64, error) {
	return s.exec(ctx, "forget expired sessions", `DELETE FROM sessions WHERE id IN (
		SELECT id FROM sessions WHERE expires_at <= $1 LIMIT $2)`, millis(now), forgetAtOnce)
}

// scanSession reads the sessionColumns.
func scanSession(scan func(...any) error) (sessions.Session, error) {
	var s sessions.Session
	var person string
	var rotatedAt, rotating, createdAt, lastUsedAt, expiresAt, revokedAt int64
	err := scan(&s.ID, &s.Token.Session, &s.Token.Current, &s.Token.Previous, &rotatedAt, &rotating, &person, &s.Service, &s.ClientID,
		&s.Method, &createdAt, &lastUsedAt, &expiresAt, &s.Address, &s.UserAgent, &s.LastAddress, &s.LastClientID,
		&s.CredentialVersion, &revokedAt, &s.RevokedReason, &s.RevokedBy)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(person), &s.Person); err != nil {
		return s, fmt.Errorf("read the person of session %s: %w", s.ID, err)
	}
	s.Token.RotatedAt, s.Rotating = timeOf(rotatedAt), rotating != 0
	s.CreatedAt, s.LastUsedAt, s.ExpiresAt, s.RevokedAt = timeOf(createdAt), timeOf(lastUsedAt), timeOf(expiresAt), timeOf(revokedAt)
	return s, nil
}

// texts reads the one column of a result.
func texts(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	var list []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

// number is the form of a yes or no in the tables.
func number(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
