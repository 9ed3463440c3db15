package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/audit"

	"github.com/spf13/cobra"
)

// auditFlags choose events and how they are printed.
type auditFlags struct {
	since, until, outcome, format string
	actions                       []string
	filter                        audit.Filter
}

func (f *auditFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "from then on: a time such as 2026-11-21T08:00:00Z, or 24h or 7d ago")
	flags.StringVar(&f.until, "until", "", "before then: as --since")
	flags.StringSliceVar(&f.actions, "action", nil, "any of these actions, such as login,token_denied")
	flags.StringVar(&f.outcome, "outcome", "", "success, failure or unknown")
	flags.StringVar(&f.filter.Reason, "reason", "", "event.reason, such as wrong_password")
	flags.StringVar(&f.filter.User, "user", "", "who did it: corp/alice, robot:ci, cli:root")
	flags.StringVar(&f.filter.Target, "target", "", "to whom it was done")
	flags.StringVar(&f.filter.Repository, "repository", "", "a repository, or with a slash at the end all below it")
	flags.StringVar(&f.filter.Decision, "decision", "", "decision ID, the jti of a token")
	flags.StringVar(&f.filter.Session, "session", "", "session ID")
	flags.StringVar(&f.filter.Address, "address", "", "address that it came from")
	flags.StringVarP(&f.format, "output", "o", "table", "output format: table, json or csv")
}

// open reads the flags and opens the store, or a client of the server.
func (f *auditFlags) open(cmd *cobra.Command) (auditOffice, audit.Filter, func(), error) {
	filter, err := f.read(time.Now())
	if err != nil {
		return nil, filter, nil, &exitError{code: 1, err: err}
	}
	remote, err := openRemote(cmd)
	if err != nil || remote != nil {
		return remote, filter, func() {}, err
	}
	m, err := openManaged(cmd)
	if err != nil {
		return nil, filter, nil, err
	}
	if !m.cfg.Audit.Store {
		m.close()
		return nil, filter, nil, errors.New("the store keeps no audit events: audit.store is false, so look into audit.file (" + m.cfg.Audit.File + ")")
	}
	return m.store, filter, m.close, nil
}

func (f *auditFlags) read(now time.Time) (audit.Filter, error) {
	filter := f.filter
	var errs [4]error
	filter.Since, errs[0] = ago("since", f.since, now)
	filter.Until, errs[1] = ago("until", f.until, now)
	filter.Outcome, errs[2] = audit.ParseOutcome(f.outcome)
	for _, text := range f.actions {
		action, err := audit.ParseAction(text)
		if err != nil {
			errs[3] = err
		}
		filter.Actions = append(filter.Actions, action)
	}
	if !slices.Contains([]string{"table", "json", "csv"}, f.format) {
		return filter, fmt.Errorf("the format is one of table, json, csv, and not %.20q", f.format)
	}
	return filter, errors.Join(errs[:]...)
}

// ago reads a time, or how long ago it was.
func ago(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if strings.Contains(text, "T") {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return at, fmt.Errorf("--%s: write a time such as 2026-11-21T08:00:00Z", flag)
		}
		return at, nil
	}
	d, err := parseDuration(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--%s: %w, or a time such as 2026-11-21T08:00:00Z", flag, err)
	}
	return now.Add(-d), nil
}
