package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/bridge"
	"drawbridge/configs"
	"drawbridge/store"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// policySource is where the policy document comes from: a file, or the newest
// revision in the store.
type policySource struct {
	file  string
	store *store.Store // nil: the file
	opts  authz.Options
}

// configuredPolicy returns the policy that the configuration means. close closes
// the store, if one was opened.
func configuredPolicy(ctx context.Context, cfg *configs.Config, opts authz.Options, log *slog.Logger) (_ *policySource, closeStore func(), err error) {
	if cfg.Policy.File != "" {
		return &policySource{file: cfg.Policy.File, opts: opts}, func() {}, nil
	}
	m, err := openManagedStore(ctx, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	return &policySource{store: m, opts: opts}, func() { _ = m.Close() }, nil
}

// name is what problems call the document.
func (s *policySource) name() string {
	if s.store != nil {
		return "policy"
	}
	return s.file
}

// read returns the document and what audit events call it.
func (s *policySource) read(ctx context.Context) (id string, text []byte, err error) {
	if s.store == nil {
		if text, err = os.ReadFile(s.file); err != nil {
			return "", nil, err
		}
		sum := sha256.Sum256(text)
		return "sha256:" + hex.EncodeToString(sum[:6]), text, nil
	}
	newest, err := s.store.NewestPolicy(ctx)
	if err == nil && newest.Number == 0 {
		err = errors.New("the store holds no policy yet: start the server once, or save one with `drawbridge policy apply FILE`")
	}
	return newest.ID(), []byte(newest.Text), err
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
func (s *policySource) load(ctx context.Context) (bridge.Revision, error) {
	id, text, err := s.read(ctx)
	if err != nil {
		return bridge.Revision{}, err
	}
	policy, err := s.compile(s.name(), text)
	if err != nil {
		return bridge.Revision{}, err
	}
	return bridge.Revision{ID: id, Policy: policy, Text: string(text)}, nil
}

func (s *policySource) compile(name string, text []byte) (*authz.Policy, error) {
	doc, err := authz.Parse(name, text)
	if err != nil {
		return nil, err
	}
	return doc.Compile(s.opts)
}

// reloads are the files that are read again when they change.
type reloads struct {
	log      *slog.Logger
	events   bridge.Recorder
	failures prometheus.Counter
	loaded   prometheus.Gauge

	mu    sync.Mutex // one reload at a time
	files []reloadable
	// policyReload is the policy's, which is also one of files.
	policyReload func() error
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
	if b.Policy().Policy != nil {
		loaded()
	}
	r.policyReload = func() error {
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
	}
	r.add("policy", r.policyReload)
}

// watchedFiles are the files whose change calls for a reload.
func watchedFiles(cfg *configs.Config) []string {
	var files []string
	if cfg.Policy.File != "" {
		files = append(files, cfg.Policy.File)
	}
	if cfg.Server.TLS.Mode == configs.TLSFiles {
		files = append(files, cfg.Server.TLS.CertFile, cfg.Server.TLS.KeyFile)
	}
	for _, c := range cfg.Connectors {
		for _, file := range []string{c.HTPasswd.File, c.HTPasswd.GroupsFile} {
			if file != "" {
				files = append(files, file)
			}
		}
	}
	return files
}

// policyAgain reads the policy alone again.
func (r *reloads) policyAgain() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.policyReload()
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
