package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"drawbridge/connectors/robot"
)

// lockRobot reads a robot that nobody else can change until the transaction ends.
func lockRobot(ctx context.Context, tx *sql.Tx, name string) (r robot.Robot, revision int64, err error) {
	// On either database it is a write that locks the row.
	row := tx.QueryRowContext(ctx, `UPDATE robots SET revision = revision + 1 WHERE name = $1 RETURNING revision`, name)
	if err := row.Scan(&revision); err != nil {
		return r, 0, err
	}
	found, err := readRobots(ctx, tx, name)
	if err != nil {
		return r, 0, err
	}
	if len(found) != 1 {
		return r, 0, ErrNotFound
	}
	return found[0], revision, nil
}

// writeRobot writes what an edit may change. When the secrets were used last it
// leaves alone, since that is written by others at any time.
func writeRobot(ctx context.Context, tx *sql.Tx, name string, r robot.Robot, before []robot.Secret, revision int64) error {
	cidrs, err := json.Marshal(r.CIDRs)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE robots SET owner = $1, description = $2, cidrs = $3, expires_at = $4, disabled = $5
		WHERE name = $6`, r.Owner, r.Description, string(cidrs), millis(r.ExpiresAt), bit(r.Disabled), name); err != nil {
		return err
	}
	for _, old := range byID(before) {
		if i := indexOf(r.Secrets, old.ID); i < 0 {
			_, err = tx.ExecContext(ctx, `DELETE FROM robot_secrets WHERE id = $1`, old.ID)
		} else {
			_, err = tx.ExecContext(ctx, `UPDATE robot_secrets SET expires_at = $1 WHERE id = $2`, millis(r.Secrets[i].ExpiresAt), old.ID)
		}
		if err != nil {
			return err
		}
	}
	for _, secret := range r.Secrets {
		if indexOf(before, secret.ID) >= 0 {
			continue
		}
		if err := insertSecret(ctx, tx, name, secret, revision); err != nil {
			return err
		}
	}
	return nil
}

func indexOf(secrets []robot.Secret, id string) int {
	return slices.IndexFunc(secrets, func(s robot.Secret) bool { return s.ID == id })
}

// byID is the order in which the secrets are written, see [Store.RecordRobotUses].
func byID(secrets []robot.Secret) []robot.Secret {
	return slices.SortedFunc(slices.Values(secrets), func(a, b robot.Secret) int { return cmp.Compare(a.ID, b.ID) })
}

// insertSecret adds a secret. The revision of its robot is its place in their order,
// since two can be made in one millisecond; so that an edit adds one at most.
func insertSecret(ctx context.Context, tx *sql.Tx, name string, secret robot.Secret, revision int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO robot_secrets
		(id, robot, hash, revision, created_at, expires_at, last_used_at, last_address)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		secret.ID, name, hex.EncodeToString(secret.Hash[:]), revision, millis(secret.CreatedAt), millis(secret.ExpiresAt),
		millis(secret.LastUsedAt), secret.LastAddress)
	return err
}

// readRobots reads the robot of that name, or all of them for an empty one. One
// query, so that no robot is seen without its secrets.
func readRobots(ctx context.Context, q querier, name string) ([]robot.Robot, error) {
	rows, err := q.QueryContext(ctx, `SELECT r.name, r.owner, r.description, r.cidrs, r.created_at, r.created_by, r.expires_at, r.disabled,
			s.id, s.hash, s.created_at, s.expires_at, s.last_used_at, s.last_address
		FROM robots r LEFT JOIN robot_secrets s ON s.robot = r.name
		WHERE $1 = '' OR r.name = $1 ORDER BY r.name, s.revision`, name)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	var out []robot.Robot
	for rows.Next() {
		r, secret, err := scanRobot(rows)
		if err != nil {
			return nil, err
		}
		if n := len(out); n == 0 || out[n-1].Name != r.Name {
			out = append(out, r)
		}
		if last := &out[len(out)-1]; secret != nil {
			last.Secrets = append(last.Secrets, *secret)
		}
	}
	// The databases may have another idea of the alphabet.
	slices.SortFunc(out, func(a, b robot.Robot) int { return cmp.Compare(a.Name, b.Name) })
	return out, rows.Err()
}

// scanRobot reads one row: a robot, and one of its secrets if it has any.
func scanRobot(rows *sql.Rows) (robot.Robot, *robot.Secret, error) {
	var r robot.Robot
	var cidrs string
	var created, expires, disabled int64
	var id, hash, address sql.NullString
	var secretCreated, secretExpires, used sql.NullInt64
	if err := rows.Scan(&r.Name, &r.Owner, &r.Description, &cidrs, &created, &r.CreatedBy, &expires, &disabled,
		&id, &hash, &secretCreated, &secretExpires, &used, &address); err != nil {
		return r, nil, err
	}
	r.CreatedAt, r.ExpiresAt, r.Disabled = timeOf(created), timeOf(expires), disabled != 0
	if err := json.Unmarshal([]byte(cidrs), &r.CIDRs); err != nil {
		return r, nil, fmt.Errorf("the networks of robot %s: %w", r.Name, err)
	}
	if !id.Valid {
		return r, nil, nil
	}
	secret := robot.Secret{
		ID: id.String, CreatedAt: timeOf(secretCreated.Int64), ExpiresAt: timeOf(secretExpires.Int64),
		LastUsedAt: timeOf(used.Int64), LastAddress: address.String,
	}
	sum, err := hex.DecodeString(hash.String)
	if err != nil || len(sum) != len(secret.Hash) {
		return r, nil, fmt.Errorf("the hash of secret %s of robot %s is none", secret.ID, r.Name)
	}
	secret.Hash = robot.Hash(sum)
	return r, &secret, nil
}

// bit is the form of booleans in the tables.
func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
