package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"drawbridge/connectors/breakglass"
	"drawbridge/store/feed"
	"drawbridge/tokens/sessions"
)

// announceBreakGlass is how long an arming and its end are announced: longer than
// any of them can be in force.
const announceBreakGlass = 2 * breakglass.MaxFor

// BreakGlass returns the newest arming, in force or not, and false where there
// never was one.
func (s *Store) BreakGlass(ctx context.Context) (found breakglass.Arming, ok bool, err error) {
	err = s.view(ctx, "read break-glass", func(ctx context.Context, q querier) error {
		found, err = scanArming(q.QueryRowContext(ctx, newestArming))
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return breakglass.Arming{}, false, nil
	}
	return found, err == nil, err
}

const newestArming = `SELECT id, hash, armed_at, expires_at, armed_by, reason, ended_at, ended_by
	FROM break_glass ORDER BY number DESC LIMIT 1`

func scanArming(row *sql.Row) (a breakglass.Arming, err error) {
	var hash string
	var armedAt, expiresAt, endedAt int64
	if err := row.Scan(&a.ID, &hash, &armedAt, &expiresAt, &a.By, &a.Reason, &endedAt, &a.EndedBy); err != nil {
		return breakglass.Arming{}, err
	}
	a.ArmedAt, a.ExpiresAt, a.EndedAt = timeOf(armedAt), timeOf(expiresAt), timeOf(endedAt)
	if n, err := hex.Decode(a.Hash[:], []byte(hash)); len(hash) != 2*len(a.Hash) || n != len(a.Hash) || err != nil {
		return breakglass.Arming{}, fmt.Errorf("the arming %q has no hash: %w", a.ID, err)
	}
	return a, nil
}

// ArmBreakGlass puts an arming in force in place of any other one. It returns the
// announcement.
func (s *Store) ArmBreakGlass(ctx context.Context, a breakglass.Arming) (announced []feed.Change, err error) {
	err = s.update(ctx, "arm break-glass", func(ctx context.Context, tx *sql.Tx) error {
		// The announcement first: it takes the lock that gives the armings an order.
		announced, err = appendChanges(ctx, tx, breakGlassChange(a.ID, a.ArmedAt, a.By, a.Reason))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE break_glass SET ended_at = $1, ended_by = $2 WHERE ended_at = 0 AND expires_at > $1`,
			millis(a.ArmedAt), a.By)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO break_glass
			(number, id, hash, armed_at, expires_at, armed_by, reason, ended_at, ended_by) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '')`,
			announced[0].Seq, a.ID, hex.EncodeToString(a.Hash[:]), millis(a.ArmedAt), millis(a.ExpiresAt), a.By, a.Reason)
		return err
	})
	return announced, err
}

// EndBreakGlass ends the arming in force, if there is one, together with every
// token of the account. It returns the arming as it was and the announcement.
func (s *Store) EndBreakGlass(ctx context.Context, at time.Time, by string) (ended breakglass.Arming, announced []feed.Change, err error) {
	err = s.update(ctx, "end break-glass", func(ctx context.Context, tx *sql.Tx) error {
		ended, err = scanArming(tx.QueryRowContext(ctx, newestArming))
		if err != nil {
			return err
		}
		announced, err = appendChanges(ctx, tx, breakGlassChange(ended.ID, at, by, ended.Reason))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE break_glass SET ended_at = $1, ended_by = $2 WHERE ended_at = 0 AND expires_at > $1`, millis(at), by)
		if err != nil {
			return err
		}
		tokens, err := announce(ctx, tx, feed.RevokePerson, breakglass.Identity().String(),
			sessions.End{At: at, By: by, Reason: "break-glass was ended"}, announceBreakGlass)
		announced = append(announced, tokens...)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return breakglass.Arming{}, nil, nil
	}
	return ended, announced, err
}

func breakGlassChange(id string, at time.Time, by, reason string) feed.Change {
	return feed.Change{Kind: feed.BreakGlassChanged, Value: id, At: at, By: by, Reason: reason, ExpiresAt: at.Add(announceBreakGlass)}
}
