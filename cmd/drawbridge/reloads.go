package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"drawbridge/audit"
	"drawbridge/bridge"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// reloads are the files that are read again when they change.
type reloads struct {
	log      *slog.Logger
	events   bridge.Recorder
	failures prometheus.Counter
	loaded   prometheus.Gauge
	good     *prometheus.GaugeVec

	mu    sync.Mutex // one reload at a time
	files []*reloadable
	// policyFile is the policy's, which is also one of files.
	policyFile *reloadable
}

type reloadable struct {
	what   string
	reload func() error
	failed bool // the last time
}

func newReloads(reg prometheus.Registerer, events bridge.Recorder, log *slog.Logger) *reloads {
	return &reloads{
		log: log, events: events,
		failures: promauto.With(reg).NewCounter(prometheus.CounterOpts{
			Name: "drawbridge_policy_reload_failures_total",
			Help: "Policy documents that were refused while the one before stayed in force.",
		}),
		loaded: promauto.With(reg).NewGauge(prometheus.GaugeOpts{
			Name: "drawbridge_policy_last_reload_timestamp_seconds",
			Help: "When the policy in force was loaded, in Unix seconds.",
		}),
		good: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "drawbridge_last_reload_successful",
			Help: "Whether what was read last is in force (1), or was refused and what came before stays (0).",
		}, []string{"what"}),
	}
}

// add registers what is read again; reload keeps what is in force when it fails.
func (r *reloads) add(what string, reload func() error) {
	r.files = append(r.files, &reloadable{what: what, reload: reload})
	if r.good != nil { // a command that opens connectors measures nothing
		r.good.WithLabelValues(what).Set(1) // else it would have kept the server from starting
	}
}

// try reads one file again and shows how that went. Several files may be of one kind;
// it is good when all of them are.
func (r *reloads) try(f *reloadable) error {
	err := f.reload()
	f.failed = err != nil
	good := 1.0
	for _, other := range r.files {
		if other.what == f.what && other.failed {
			good = 0
		}
	}
	r.good.WithLabelValues(f.what).Set(good)
	return err
}

// policy registers the policy document, which is in force already.
func (r *reloads) policy(source *policySource, b *bridge.Bridge) {
	inForce := func(action audit.Action, outcome audit.Outcome) {
		r.events.Record(audit.Event{
			Time: time.Now().UTC(), Action: action, Outcome: outcome, PolicyRevision: b.Policy().ID,
		})
	}
	loaded := func() {
		r.loaded.SetToCurrentTime()
		inForce(audit.PolicyLoaded, audit.Success)
	}
	if b.Policy().Policy != nil {
		loaded()
	}
	r.add("policy", func() error {
		revision, err := source.load(context.Background())
		if err != nil {
			r.failures.Inc()
			inForce(audit.PolicyRejected, audit.Failure)
			return fmt.Errorf("the policy in force stays %s: %w", b.Policy().ID, err)
		}
		if revision.ID != b.Policy().ID {
			b.SetPolicy(revision)
			loaded()
		}
		return nil
	})
	r.policyFile = r.files[len(r.files)-1]
}

// policyAgain reads the policy alone again.
func (r *reloads) policyAgain() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.try(r.policyFile)
}

// all reads every file again. A file that is refused leaves what is in force.
func (r *reloads) all() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.files {
		if err := r.try(f); err != nil {
			r.log.Error("reload refused: what was in force stays", "what", f.what, "error", err)
			continue
		}
		r.log.Info("reloaded", "what", f.what)
	}
}
