package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"drawbridge/store"
)

// chunkSize is about how much of a table is in one entry, and so in memory.
const chunkSize = 4 << 20

// addTable writes the rows of a table in chunks.
func (a *archive) addTable(ctx context.Context, rows Rows, t store.Table) error {
	var chunk bytes.Buffer
	lines := json.NewEncoder(&chunk)
	lines.SetEscapeHTML(false)
	number := 0
	flush := func() error {
		number++
		err := a.add(File{Name: fmt.Sprintf("%s%s/%06d.jsonl", storePrefix, t.Name, number), Mode: 0o600, Content: chunk.Bytes()})
		chunk.Reset()
		return err
	}
	err := rows.Each(ctx, t, func(columns []string, values []any) error {
		if chunk.Len() == 0 {
			if err := lines.Encode(columns); err != nil {
				return err
			}
		}
		a.contents.Rows[t.Name]++
		if err := lines.Encode(values); err != nil || chunk.Len() < chunkSize {
			return err
		}
		return flush()
	})
	if err == nil && chunk.Len() > 0 {
		err = flush()
	}
	return err
}

// tableOf returns the table that an entry holds rows of.
func tableOf(name string) (string, bool) {
	table, _, found := strings.Cut(strings.TrimPrefix(name, storePrefix), "/")
	return table, found && strings.HasPrefix(name, storePrefix)
}

// parseRows reads a chunk.
func parseRows(content []byte) (columns []string, rows [][]any, err error) {
	lines := json.NewDecoder(bytes.NewReader(content))
	lines.UseNumber()
	if err := lines.Decode(&columns); err != nil {
		return nil, nil, err
	}
	for {
		var row []any
		switch err := lines.Decode(&row); {
		case errors.Is(err, io.EOF):
			return columns, rows, nil
		case err != nil:
			return nil, nil, err
		case len(row) != len(columns):
			return nil, nil, fmt.Errorf("row %d has %d values for %d columns", len(rows)+1, len(row), len(columns))
		}
		for i, v := range row {
			switch v := v.(type) {
			case string:
			case json.Number:
				if row[i], err = v.Int64(); err != nil {
					return nil, nil, err
				}
			default:
				return nil, nil, fmt.Errorf("row %d holds what no column of ours does", len(rows)+1)
			}
		}
		rows = append(rows, row)
	}
}
