package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"drawbridge/connectors/robot"
	"drawbridge/store/feed"
)

// Robots returns all robots by name, each with its secrets, the newest last.
func (s *Store) Robots(ctx context.Context) ([]robot.Robot, error) {
	var out []robot.Robot
	err := s.view(ctx, "read the robots", func(ctx context.Context, q querier) error {
		var err error
		out, err = readRobots(ctx, q, "")
		return err
	})
	return out, err
}

// CreateRobot adds a robot with its secrets, and the changes, which it returns with
// their numbers. A name that is taken is a [Conflict].
func (s *Store) CreateRobot(ctx context.Context, r robot.Robot, changes ...feed.Change) (stored []feed.Change, err error) {
	err = s.update(ctx, "create the robot "+r.Name, func(ctx context.Context, tx *sql.Tx) error {
		cidrs, err := json.Marshal(r.CIDRs)
		if err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `INSERT INTO robots
			(name, owner, description, cidrs, created_at, created_by, expires_at, disabled, revision)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (name) DO NOTHING`,
			r.Name, r.Owner, r.Description, string(cidrs), millis(r.CreatedAt), r.CreatedBy, millis(r.ExpiresAt), bit(r.Disabled), len(r.Secrets))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return &Conflict{Message: fmt.Sprintf("there is a robot called %s already; rotate it for another secret, or delete it first", r.Name)}
		}
		for i, secret := range r.Secrets {
			if err := insertSecret(ctx, tx, r.Name, secret, int64(i+1)); err != nil {
				return err
			}
		}
		stored, err = appendChanges(ctx, tx, changes...)
		return err
	})
	return stored, err
}

// UpdateRobot has edit change the robot, and writes what became of it; the name and
// how it was made stay. From before edit sees the robot until all is written, nobody
// else can change it, so that of two rotations at once one comes after the other. An
// error of edit comes back as it is, and nothing is written. The changes that edit
// asks for come back with their numbers.
func (s *Store) UpdateRobot(ctx context.Context, name string, edit func(*robot.Robot) ([]feed.Change, error)) (stored []feed.Change, err error) {
	var refused error
	err = s.update(ctx, "edit the robot "+name, func(ctx context.Context, tx *sql.Tx) error {
		r, revision, err := lockRobot(ctx, tx, name)
		if err != nil {
			return err
		}
		before := slices.Clone(r.Secrets)
		changes, err := edit(&r)
		if err != nil {
			refused = err
			return err
		}
		if err := writeRobot(ctx, tx, name, r, before, revision); err != nil {
			return err
		}
		stored, err = appendChanges(ctx, tx, changes...)
		return err
	})
	if refused != nil {
		err = refused
	}
	return stored, err
}

// DeleteRobot removes a robot with its secrets, unless check has something against
// it, whose error comes back as it is. It adds the changes, which it returns with
// their numbers. check may be nil.
func (s *Store) DeleteRobot(ctx context.Context, name string, check func(robot.Robot) error, changes ...feed.Change) (stored []feed.Change, err error) {
	var refused error
	err = s.update(ctx, "delete the robot "+name, func(ctx context.Context, tx *sql.Tx) error {
		r, _, err := lockRobot(ctx, tx, name)
		if err != nil {
			return err
		}
		if check != nil {
			if refused = check(r); refused != nil {
				return refused
			}
		}
		for _, secret := range byID(r.Secrets) {
			if _, err := tx.ExecContext(ctx, `DELETE FROM robot_secrets WHERE id = $1`, secret.ID); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM robots WHERE name = $1`, name); err != nil {
			return err
		}
		stored, err = appendChanges(ctx, tx, changes...)
		return err
	})
	if refused != nil {
		err = refused
	}
	return stored, err
}

// RecordRobotUses writes when secrets were used last, unless a later use is known.
// A secret that is gone is passed over.
func (s *Store) RecordRobotUses(ctx context.Context, uses []robot.Use) error {
	// All replicas write, and robots are edited meanwhile. Whoever writes several
	// secrets does so by their IDs, so that none waits for another that waits for it.
	uses = slices.SortedFunc(slices.Values(uses), func(a, b robot.Use) int { return cmp.Compare(a.SecretID, b.SecretID) })
	return s.update(ctx, "record the use of robots", func(ctx context.Context, tx *sql.Tx) error {
		for _, use := range uses {
			if _, err := tx.ExecContext(ctx, `UPDATE robot_secrets SET last_used_at = $1, last_address = $2
				WHERE id = $3 AND last_used_at < $1`, millis(use.At), use.Address, use.SecretID); err != nil {
				return err
			}
		}
		return nil
	})
}
