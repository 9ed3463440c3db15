package console

import (
	"encoding/csv"
	"strings"
	"time"
)

// csv answers with a table for a spreadsheet, which must not take a cell for a
// formula: what begins like one is quoted with an apostrophe (OWASP, "CSV
// injection"). Names and reasons are other people's words.
func (v *visit) csv(name string, rows [][]string) error {
	v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="drawbridge-`+name+`.csv"`)
	out := csv.NewWriter(v.w)
	for _, row := range rows {
		for i, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				row[i] = "'" + cell
			}
		}
		_ = out.Write(row) // a browser that hung up is nobody's error
	}
	out.Flush()
	return nil
}

// with returns the request's URL with one parameter more.
func (v *visit) with(name, value string) string {
	query := v.r.URL.Query()
	query.Set(name, value)
	return v.r.URL.Path + "?" + query.Encode()
}

// stampOf writes a time for programs, and the empty string for none.
func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
