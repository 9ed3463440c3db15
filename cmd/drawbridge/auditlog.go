package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"drawbridge/audit"
	"drawbridge/configs"
	"drawbridge/store"
)

// auditOptions says where the configuration wants audit events.
func auditOptions(cfg *configs.Config, s *store.Store, log *slog.Logger) audit.Options {
	opts := audit.Options{File: cfg.Audit.File, Log: log}
	if cfg.Audit.Store {
		opts.Store = s
	}
	return opts
}

// commandLog is the audit log of a command that works on the store: audit.file, if
// that is a file, since the servers' standard output is not ours, and the store.
// Where the configuration has neither, events go to standard error. What was done is
// done: a log that cannot be written is reported and changes nothing about it.
type commandLog struct {
	*managed
	stderr io.Writer
	log    *audit.Log
}

// Act implements [manage.Recorder]. It says who, when and how it ended, where the
// event does not.
func (c *commandLog) Act(ctx context.Context, e audit.Event) {
	if e.Outcome == "" {
		e.Outcome = audit.Success
	}
	if e.User == "" {
		e.User = c.actor
	}
	if c.log == nil {
		c.open()
	}
	c.log.Act(ctx, e)
}

// Record implements [manage.Recorder]. It is Act: a command waits.
func (c *commandLog) Record(e audit.Event) { c.Act(context.Background(), e) }

// open opens the log with the first event, so that a command that only reads makes
// no file.
func (c *commandLog) open() {
	log := errorLog(c.stderr)
	opts := auditOptions(c.cfg, c.store, log)
	opts.Clock, opts.Stdout = c.clock, c.stderr
	opts.NoFile = opts.Store != nil && (opts.File == "" || opts.File == "-")
	events, err := audit.New(opts)
	if err != nil {
		log.Error("it is done, but not in the audit file", "error", err)
		opts.NoFile = true
		events, _ = audit.New(opts) // only files fail
	}
	c.log = events
	// Before the store, which comes after it in the list.
	c.closers = append([]func() error{events.Close}, c.closers...)
}

// pruneAudit removes what the store keeps too long, until ctx ends.
func (a *app) pruneAudit(ctx context.Context) {
	if a.cfg.Audit.Store {
		audit.Retention{
			Store: a.store, Keep: a.cfg.Audit.Retention, Most: int64(a.cfg.Audit.MaxEvents), Clock: time.Now, Log: a.log,
		}.Run(ctx)
	}
}
