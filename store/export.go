package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Snapshot is the state of the whole database at one moment. Others go on reading
// and writing meanwhile, in this process and elsewhere.
type Snapshot struct {
	tx     *sql.Tx
	schema int64
}

// Snapshot begins one, which the caller has to close. What is written after it
// returned is not in it: SQLite keeps the old pages in its write-ahead log, and
// PostgreSQL the old rows.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	if err := s.migrate(ctx); err != nil {
		return nil, err
	}
	schema, _, err := s.Schema(ctx)
	if err != nil {
		return nil, err
	}
	// SQLite has no level below this one, and its driver refuses to name any.
	opts := &sql.TxOptions{ReadOnly: true}
	if s.dialect.remote {
		opts.Isolation = sql.LevelRepeatableRead
	}
	tx, err := s.read.BeginTx(ctx, opts)
	if err != nil {
		return nil, unavailable("begin a snapshot of the store", err)
	}
	// Both databases fix the moment with the first statement that reads.
	var n int64
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM counters`).Scan(&n); err != nil {
		_ = tx.Rollback()
		return nil, unavailable("begin a snapshot of the store", err)
	}
	return &Snapshot{tx: tx, schema: schema}, nil
}

// Schema is the number of the schema that the rows have.
func (x *Snapshot) Schema() int64 { return x.schema }

// Close ends the snapshot.
func (x *Snapshot) Close() error { return x.tx.Rollback() }

// Each calls row for every row of a table, whose values are strings and int64s in
// the order of the columns. The slice is good until row returns.
func (x *Snapshot) Each(ctx context.Context, t Table, row func(columns []string, values []any) error) error {
	what := "read the table " + t.Name
	rows, err := x.tx.QueryContext(ctx, "SELECT * FROM "+t.Name+" ORDER BY "+t.order) //nolint:gosec // names of our own
	if err != nil {
		return unavailable(what, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	columns, err := rows.Columns()
	if err != nil {
		return unavailable(what, err)
	}
	values, targets := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return unavailable(what, err)
		}
		for i, v := range values {
			switch v := v.(type) {
			case string, int64:
			case []byte:
				values[i] = string(v)
			default:
				return fmt.Errorf("%s: column %s holds a %T, which no column of ours does", what, columns[i], v)
			}
		}
		if err := row(columns, values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return unavailable(what, err)
	}
	return nil
}
