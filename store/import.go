package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrNotEmpty refuses an import into a database that has been used.
var ErrNotEmpty = errors.New("the database is not empty")

// importRows are inserted with one statement: 22 columns of them stay far below
// what either database takes as parameters.
const importRows = 200

// Import fills an empty database, all or nothing: what is inserted is there when
// Commit has returned, and not before.
type Import struct {
	store   *Store
	tx      *sql.Tx
	columns map[string][]string
}

// BeginImport opens the database, which must be empty, with a schema that may be
// older than ours, and empties what its migrations have put there.
func BeginImport(ctx context.Context, opts Options, schema int64) (_ *Import, err error) {
	s, err := connect(opts)
	if err != nil {
		return nil, err
	}
	i := &Import{store: s, columns: map[string][]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.Close())
		}
	}()
	provider, err := s.provider()
	if err != nil {
		return nil, err
	}
	current, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return nil, unavailable("read the schema of the database", err)
	}
	switch {
	case schema > newest:
		return nil, fmt.Errorf("the schema %d is newer than this program's, which is %d", schema, newest)
	case current > schema:
		return nil, fmt.Errorf("%w: a server has made its tables already", ErrNotEmpty)
	}
	if _, err := provider.UpTo(ctx, schema); err != nil {
		return nil, unavailable("make the tables", err)
	}
	if i.tx, err = s.begin(ctx); err != nil {
		return nil, unavailable("begin the import", err)
	}
	return i, i.claim(ctx)
}

// claim makes sure that nothing is there, and removes what migrations put there.
func (i *Import) claim(ctx context.Context) error {
	for _, t := range slices.Backward(Tables()) {
		columns, err := i.columnsOf(ctx, t)
		if err != nil {
			return err
		}
		if columns == nil {
			continue // a table of a later schema
		}
		where := ""
		if t.Name == "counters" {
			where = " WHERE value <> 0"
		}
		var used int64
		//nolint:gosec // names of our own
		if err := i.tx.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+t.Name+where+" LIMIT 1) AS used").Scan(&used); err != nil {
			return unavailable("look whether the database is empty", err)
		}
		if used > 0 {
			return fmt.Errorf("%w: there are rows in its table %s", ErrNotEmpty, t.Name)
		}
		if _, err := i.tx.ExecContext(ctx, "DELETE FROM "+t.Name); err != nil { //nolint:gosec // a name of our own
			return unavailable("empty the table "+t.Name, err)
		}
	}
	return nil
}

// columnsOf returns the columns of a table, nil where the schema has none.
func (i *Import) columnsOf(ctx context.Context, t Table) ([]string, error) {
	var there int64
	if err := i.tx.QueryRowContext(ctx, i.store.dialect.hasTable, t.Name).Scan(&there); err != nil {
		return nil, unavailable("look for the table "+t.Name, err)
	}
	if there == 0 {
		return nil, nil
	}
	rows, err := i.tx.QueryContext(ctx, "SELECT * FROM "+t.Name+" LIMIT 0") //nolint:gosec // a name of our own
	if err != nil {
		return nil, unavailable("read the table "+t.Name, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	if i.columns[t.Name], err = rows.Columns(); err == nil {
		err = rows.Err()
	}
	if err != nil {
		return nil, unavailable("read the table "+t.Name, err)
	}
	return i.columns[t.Name], nil
}

// Insert adds rows to a table. The columns must be those of the table, in any order.
func (i *Import) Insert(ctx context.Context, table string, columns []string, rows [][]any) error {
	want, known := i.columns[table]
	if !known || !slices.Equal(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(columns))) {
		return fmt.Errorf("the schema has no table %q with the columns %q", table, columns)
	}
	for chunk := range slices.Chunk(rows, importRows) {
		args := make([]any, 0, len(chunk)*len(columns))
		for _, row := range chunk {
			if len(row) != len(columns) {
				return fmt.Errorf("a row of %s has %d values and not %d", table, len(row), len(columns))
			}
			args = append(args, row...)
		}
		if _, err := i.tx.ExecContext(ctx, insertStatement(table, columns, len(chunk)), args...); err != nil {
			return unavailable("write the table "+table, err)
		}
	}
	return nil
}

// insertStatement inserts so many rows. The names were compared with the schema's.
func insertStatement(table string, columns []string, rows int) string {
	var out strings.Builder
	out.WriteString("INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES ")
	for n := range rows * len(columns) {
		switch {
		case n == 0:
			out.WriteString("(")
		case n%len(columns) == 0:
			out.WriteString("), (")
		default:
			out.WriteString(", ")
		}
		out.WriteString("$" + strconv.Itoa(n+1))
	}
	return out.String() + ")"
}

// Commit makes it last, and brings an older schema up to date.
func (i *Import) Commit(ctx context.Context) error {
	if err := i.tx.Commit(); err != nil {
		return unavailable("finish the import", err)
	}
	return i.store.migrateFully(ctx)
}

// Close closes the database, and forgets what was not committed.
func (i *Import) Close() error {
	if i.tx != nil {
		_ = i.tx.Rollback() // after a commit it does nothing
	}
	return i.store.Close()
}
