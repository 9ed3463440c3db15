package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/bridge"
	"drawbridge/configs"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// policySource is the file the policy document is read from.
type policySource struct {
	file string
	opts authz.Options
}

// policyFile returns the configured policy file, or the one in the data
// directory.
func policyFile(cfg *configs.Config) string {
	if cfg.Policy.File != "" {
		return cfg.Policy.File
	}
	return filepath.Join(cfg.DataDir, "policy.yaml")
}

func compileOptions(cfg *configs.Config) authz.Options {
	return authz.Options{HomeConnector: configs.HomeConnector(cfg)}
}

// strictOptions also refuse subjects and registries that are not configured.
// They are for checks: a server accepts such a document, since one document may
// serve several installations and what is not configured grants nothing.
func strictOptions(cfg *configs.Config) authz.Options {
	opts := compileOptions(cfg)
	for _, c := range cfg.Connectors {
		opts.Connectors = append(opts.Connectors, c.Name)
	}
	for _, r := range cfg.Registries {
		opts.Registries = append(opts.Registries, r.Service)
	}
	return opts
}

// load reads, checks and compiles the document; its tests have to pass.
func (s *policySource) load() (bridge.Revision, error) {
	data, err := os.ReadFile(s.file)
	if err != nil {
		return bridge.Revision{}, err
	}
	doc, err := authz.Parse(s.file, data)
	if err != nil {
		return bridge.Revision{}, err
	}
	policy, err := doc.Compile(s.opts)
	if err != nil {
		return bridge.Revision{}, err
	}
	sum := sha256.Sum256(data)
	return bridge.Revision{ID: "sha256:" + hex.EncodeToString(sum[:6]), Policy: policy}, nil
}

// loadPolicy compiles the document in the file.
func loadPolicy(file string, opts authz.Options) (*authz.Policy, error) {
	revision, err := (&policySource{file: file, opts: opts}).load()
	return revision.Policy, err
}

// reloads are the files that are read again when they change.
type reloads struct {
	log      *slog.Logger
	events   bridge.Recorder
	failures prometheus.Counter
	loaded   prometheus.Gauge

	mu    sync.Mutex // one reload at a time
	files []reloadable
}

type reloadable struct {
	what   string
	reload func() error
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
	}
}

// add registers what is read again; reload keeps what is in force when it fails.
func (r *reloads) add(what string, reload func() error) {
	r.files = append(r.files, reloadable{what, reload})
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
	loaded()
	r.add("policy", func() error {
		revision, err := source.load()
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
}

// watchedFiles are the files whose change calls for a reload.
func watchedFiles(cfg *configs.Config) []string {
	files := []string{policyFile(cfg)}
	for _, c := range cfg.Connectors {
		for _, file := range []string{c.HTPasswd.File, c.HTPasswd.GroupsFile} {
			if file != "" {
				files = append(files, file)
			}
		}
	}
	return files
}

// all reads every file again. A file that is refused leaves what is in force.
func (r *reloads) all() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.files {
		if err := f.reload(); err != nil {
			r.log.Error("reload refused: what was in force stays", "what", f.what, "error", err)
			continue
		}
		r.log.Info("reloaded", "what", f.what)
	}
}
