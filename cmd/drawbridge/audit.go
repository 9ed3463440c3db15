package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"drawbridge/audit"

	"github.com/spf13/cobra"
)

func newAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use: "audit", Short: "Search and follow the audit log",
		Long: `The audit events that the store keeps (audit.store, audit.retention), of all replicas.
docs/audit.md lists the actions and the fields.`,
	}
	cmd.AddCommand(newAuditQuery(), newAuditTail())
	return addServer(cmd)
}

// auditOffice is what these commands need: a store, or a client of the server that
// --server names.
type auditOffice interface {
	// Audit returns at most limit events that match, after the place and the newest
	// first.
	Audit(ctx context.Context, filter audit.Filter, after audit.Cursor, limit int) ([]audit.Event, error)
}

// auditPage is how many events are read at once.
const auditPage = 500

func newAuditQuery() *cobra.Command {
	var flags auditFlags
	limit := 100
	cmd := &cobra.Command{
		Use: "query", Short: "Print the events that match, the newest first",
		Long: `Prints what the store has, the newest first.

  drawbridge audit query --since 24h --outcome failure
  drawbridge audit query --since 7d --user corp/alice --action token_denied
  drawbridge audit query --since 90d --repository payments/ --limit 0 -o csv > payments.csv
  drawbridge audit query --decision 3q2-7wAAAAAAAAAAAAAAAA -o json

JSON is one event on a line, as in audit.file. Exit code 0: there are some; 1: none
matches; 2: could not tell.`,
		Args: cobra.NoArgs,
	}
	flags.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", limit, "print this many at most; 0: all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		office, filter, closeOffice, err := flags.open(cmd)
		if err != nil {
			return answered(err)
		}
		defer closeOffice()
		printer := newAuditPrinter(cmd.OutOrStdout(), flags.format)
		printed, err := printAudit(cmd.Context(), office, filter, limit, printer.print)
		if err == nil {
			err = printer.flush()
		}
		if err == nil && printed == 0 {
			return &exitError{code: 1, err: fmt.Errorf("no event matches")}
		}
		return answered(err)
	}
	return cmd
}

// printAudit hands on what matches, a page at a time, up to limit; 0 is all.
func printAudit(ctx context.Context, office auditOffice, filter audit.Filter, limit int, do func([]audit.Event) error) (int, error) {
	done, at := 0, audit.Cursor{}
	for {
		want := auditPage
		if limit > 0 {
			want = min(want, limit-done)
		}
		page, err := office.Audit(ctx, filter, at, want)
		if err != nil {
			return done, err
		}
		if err := do(page); err != nil {
			return done, err
		}
		done += len(page)
		if len(page) < want || done == limit {
			return done, nil
		}
		at = audit.CursorAt(page[len(page)-1])
	}
}

const (
	// tailPoll is how often `audit tail --follow` looks.
	tailPoll = time.Second
	// tailOverlap is how late an event may come after one with a later time: the
	// servers hold some back while the store does not answer.
	tailOverlap = time.Minute
)

func newAuditTail() *cobra.Command {
	var flags auditFlags
	number, follow := 20, false
	cmd := &cobra.Command{
		Use: "tail", Short: "Print the newest events, the newest last",
		Long: `Prints the newest events in the order of time. With --follow it goes on and prints what
comes, until it is interrupted.

  drawbridge audit tail --follow --action login,token_denied --outcome failure`,
		Args: cobra.NoArgs,
	}
	flags.add(cmd)
	cmd.Flags().IntVarP(&number, "number", "n", number, "how many to begin with")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		office, filter, closeOffice, err := flags.open(cmd)
		if err != nil {
			return answered(err)
		}
		defer closeOffice()
		t := tail{
			office: office, clock: time.Now, filter: filter, printer: newAuditPrinter(cmd.OutOrStdout(), flags.format),
			seen: make(map[string]time.Time), log: errorLog(cmd.ErrOrStderr()),
		}
		if err := t.first(cmd.Context(), number); err != nil || !follow {
			return answered(err)
		}
		return t.follow(cmd.Context())
	}
	return cmd
}

// tail prints events in the order of time.
type tail struct {
	office  auditOffice
	clock   func() time.Time
	log     *slog.Logger
	filter  audit.Filter
	printer *auditPrinter
	// seen are the events of the last while that are printed.
	seen map[string]time.Time
}

// first prints the newest ones. What else there is of the last while counts as
// printed; it is read before, so that what comes meanwhile does not.
func (t *tail) first(ctx context.Context, number int) error {
	before, err := t.latest(ctx)
	if err != nil {
		return err
	}
	newest := []audit.Event{}
	if number > 0 { // else it would be all
		_, err = printAudit(ctx, t.office, t.filter, number, func(page []audit.Event) error {
			newest = append(newest, page...)
			return nil
		})
	}
	if err != nil {
		return err
	}
	if err := t.print(newest); err != nil {
		return err
	}
	for _, e := range before {
		t.seen[e.ID] = e.Time
	}
	return nil
}

// latest returns the events of the last while, the newest first.
func (t *tail) latest(ctx context.Context) (found []audit.Event, err error) {
	filter := t.filter
	if since := t.clock().Add(-tailOverlap); since.After(filter.Since) {
		filter.Since = since
	}
	_, err = printAudit(ctx, t.office, filter, 0, func(page []audit.Event) error {
		found = append(found, page...)
		return nil
	})
	return found, err
}

// follow prints what comes, until ctx ends. A store that does not answer is asked
// again.
func (t *tail) follow(ctx context.Context) error {
	poll := time.NewTicker(tailPoll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
		}
		found, err := t.latest(ctx)
		if err != nil {
			if ctx.Err() == nil {
				t.log.Error("the audit log cannot be read; it is asked again", "error", err)
			}
			continue
		}
		if err := t.print(found); err != nil {
			return err
		}
	}
}

// print prints events that were not printed yet.
func (t *tail) print(newestFirst []audit.Event) error {
	slices.Reverse(newestFirst)
	fresh := slices.DeleteFunc(newestFirst, func(e audit.Event) bool { _, printed := t.seen[e.ID]; return printed })
	for _, e := range fresh {
		t.seen[e.ID] = e.Time
	}
	for id, at := range t.seen {
		if t.clock().Sub(at) > 2*tailOverlap {
			delete(t.seen, id)
		}
	}
	if err := t.printer.print(fresh); err != nil {
		return err
	}
	return t.printer.flush()
}

// auditPrinter prints events as a table, as CSV or as JSON lines.
type auditPrinter struct {
	out    io.Writer
	table  *tabwriter.Writer
	format string
	begun  bool
}

func newAuditPrinter(out io.Writer, format string) *auditPrinter {
	return &auditPrinter{out: out, table: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), format: format}
}

func (p *auditPrinter) print(events []audit.Event) error {
	first := !p.begun
	p.begun = p.begun || len(events) > 0
	switch {
	case len(events) == 0:
		return nil
	case p.format == "csv":
		return audit.WriteCSV(p.out, events, first)
	case p.format == "json":
		enc := json.NewEncoder(p.out)
		enc.SetEscapeHTML(false)
		for i := range events {
			if err := enc.Encode(&events[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if first {
		_, _ = fmt.Fprintln(p.table, strings.ToUpper(strings.Join(audit.SummaryColumns(), "\t")))
	}
	for _, e := range events {
		cells := e.Summary()
		for i := range cells {
			if cells[i] == "" {
				cells[i] = "-"
			}
		}
		_, _ = fmt.Fprintln(p.table, strings.Join(cells, "\t"))
	}
	return nil
}

func (p *auditPrinter) flush() error { return p.table.Flush() }
