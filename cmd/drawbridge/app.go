package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"drawbridge/audit"
	"drawbridge/bridge"
	"drawbridge/bridge/manage"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/breakglass"
	"drawbridge/connectors/htpasswd"
	"drawbridge/connectors/robot"
	"drawbridge/server"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
	"drawbridge/tokens/sessions"
	"drawbridge/tracing"

	"github.com/prometheus/client_golang/prometheus"
)

// dataDirMode lets registries on the same host read keys/signing-ca.pem. What is
// private below it has mode 0600 of its own.
const dataDirMode = 0o755

// app is a configured server, not yet listening.
type app struct {
	cfg     *configs.Config
	log     *slog.Logger
	metrics *prometheus.Registry
	tracer  *tracing.Tracer // nil: off
	keys    *tokens.Keys
	store   *store.Store
	feed    *feed.Follower
	revoked *revocation.List
	forgets *connectors.Forgets
	// changes is how this process tells the others, and itself, of a change.
	changes  *feed.Writer
	sessions *sessions.Manager
	bridge   *bridge.Bridge
	policy   *policySource
	people   *connectors.CachedChain
	lookers  lookers
	links    []connectors.Link // of the chain, in their order
	desk     *manage.Desk
	reloads  *reloads
	robots   *robot.Roster
	glass    *breakglass.Watch
	// robotUses are the robots' logins that are yet to be written.
	robotUses *robot.Uses
	gate      *htpasswd.Gate // of the password checks of all connectors
	closers   []func() error // in the order they were opened
	audit     *audit.Log
	// policySaved wakes who loads a saved policy.
	policySaved chan struct{}
	limits      *limits
	// verifier checks tokens of ours that come with every request of a push.
	verifier *tokens.Verifier
}

// open builds the server from its configuration. What fails here is a fault of
// the configuration or of the files it names: no network backend is needed.
func open(cfg *configs.Config, stdout io.Writer, log *slog.Logger) (_ *app, err error) {
	a := &app{
		cfg: cfg, log: log, metrics: server.NewMetricsRegistry(version), lookers: lookers{}, gate: htpasswd.NewGate(0),
	}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if err := a.openGround(); err != nil {
		return nil, err
	}
	if err := a.openAudit(stdout); err != nil {
		return nil, err
	}
	if a.keys, err = tokens.Open(keyOptions(cfg, a.store, log)); err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	a.verifier = tokens.NewVerifier(a.keys)
	a.closers = append(a.closers, a.verifier.Close)
	caches, err := openCaches(cfg, a.keys.Derive("cache"), log)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, caches.close)
	a.metrics.MustRegister(newCacheMetrics(caches))
	a.limits = newLimits(cfg.Limits, caches.redis, a.metrics, log)
	a.openFeed(caches.relay(cfg))
	a.reloads = newReloads(a.metrics, a.audit, log)
	if a.people, err = a.openConnectors(caches); err != nil {
		return nil, err
	}
	a.closers = append(a.closers, a.people.Close)
	policy, revision, err := a.openPolicy(context.Background())
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	a.policy = policy
	a.sessions = sessions.New(sessions.Options{
		Store: a.store, People: a.people, TTL: cfg.Tokens.RefreshTTL, Clock: time.Now, Rand: rand.Reader, Log: log,
		Cache: caches.people, Revocations: a.revoked, Changes: a.changes, Metrics: sessions.NewMetrics(a.metrics),
	})
	a.bridge = bridge.New(bridge.Options{
		Registries: bridgeRegistries(cfg), Connectors: a.people, Tokens: a.keys, Sessions: a.sessions, Audit: a.audit,
		Policy: revision, AccessTTL: cfg.Tokens.AccessTTL, Clock: time.Now, NewID: newTokenID,
		Accounts: a.limits.accounts, Metrics: bridge.NewMetrics(a.metrics), Log: log,
	})
	a.reloads.policy(policy, a.bridge)
	registerPolicyRevision(a.metrics, a.bridge)
	a.announcePolicies()
	a.desk = newDesk(cfg, a.store, a.bridge.Policy, a.lookers, a.audit)
	a.desk.BreakGlass = a.glass.Armed
	a.desk.Changes, a.desk.Keys, a.desk.Health = a.changes, a.keys, a.connectorHealth
	a.desk.Tracer = connectors.NewChain(a.links...)
	a.desk.Mounted = func(k tokens.KeyInfo) string { return mountedFile(cfg, a.keys, k) }
	return a, nil
}

// openGround opens what all the rest stands on.
func (a *app) openGround() (err error) {
	if err := os.MkdirAll(a.cfg.DataDir, dataDirMode); err != nil {
		return fmt.Errorf("data_dir: make %s: %w", a.cfg.DataDir, err)
	}
	if err := a.openTracing(); err != nil {
		return err
	}
	if a.store, err = openStore(context.Background(), a.cfg, a.log); err != nil {
		return err
	}
	a.closers = append(a.closers, a.store.Close)
	return nil
}

// openTracing prepares traces, if there are to be any. It is closed last, so that what
// the end does is sent as well.
func (a *app) openTracing() (err error) {
	cfg := a.cfg.Tracing
	if cfg.Endpoint == "" {
		return nil
	}
	a.tracer, err = tracing.New(tracing.Options{
		Endpoint: cfg.Endpoint, SampleRatio: cfg.SampleRatio, Headers: cfg.Headers, CAFile: cfg.CAFile,
		Version: version, Metrics: a.metrics, Log: a.log, Clock: time.Now,
	})
	if err != nil {
		return fmt.Errorf("tracing: %w", err)
	}
	a.closers = append(a.closers, a.tracer.Close)
	return nil
}

// openAudit opens the audit log, which is closed before the store.
func (a *app) openAudit(stdout io.Writer) error {
	opts := auditOptions(a.cfg, a.store, a.log)
	opts.Stdout = stdout
	events, err := audit.New(opts)
	if err != nil {
		return fmt.Errorf("audit.file: %w", err)
	}
	events.Register(a.metrics)
	a.audit = events
	a.closers = append(a.closers, events.Close)
	return nil
}

// openFeed prepares to follow the changes. Who wants to know of some says so before
// the first look.
func (a *app) openFeed(relay *feed.Relay) {
	a.feed = feed.NewFollower(feed.Options{Source: a.store, Relay: relay, Log: a.log, Metrics: a.metrics})
	a.changes = feed.NewWriter(feed.WriterOptions{Store: a.store, Relay: relay, Look: a.feed.Look, Log: a.log})
	a.revoked = revocation.NewList(a.feed, time.Now)
	a.revoked.Register(a.metrics)
	a.forgets = connectors.NewForgets(a.feed, time.Now)
	a.feed.On(feed.KeysChanged, a.keys.Apply)
	a.feed.On(feed.RevokeKey, a.keys.Apply)
}

// close releases everything, the last opened first.
func (a *app) close() {
	for _, closeOne := range slices.Backward(a.closers) {
		if err := closeOne(); err != nil {
			a.log.Warn("close", "error", err)
		}
	}
}

// ready says why the server should get no requests. A directory that is down is no
// reason, and neither is a store that has answered before: logins go on without it,
// and if all replicas were taken out of service they would not.
func (a *app) ready() error {
	if err := a.feed.Loaded(); err != nil {
		if storeErr := a.store.Ready(context.Background()); storeErr != nil {
			return storeErr // why
		}
		return err
	}
	now := time.Now()
	for _, key := range a.keys.KeyExpiry() {
		if !now.Before(key.NotAfter) {
			return fmt.Errorf("the %s key expired on %s: no registry accepts our tokens", key.Role, key.NotAfter.UTC().Format(time.DateOnly))
		}
	}
	return nil
}

// openStore opens the durable state that the configuration names.
func openStore(ctx context.Context, cfg *configs.Config, log *slog.Logger) (*store.Store, error) {
	s, err := store.Open(ctx, store.Options{URL: cfg.Store.URL, Dir: cfg.DataDir, Log: log})
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return s, nil
}

func keyOptions(cfg *configs.Config, keys tokens.Store, log *slog.Logger) tokens.Options {
	replica, _ := os.Hostname() // only for people
	opts := tokens.Options{
		Store: keys, Replica: replica,
		Dir: filepath.Join(cfg.DataDir, "keys"), Algorithm: tokens.Algorithm(cfg.Tokens.Algorithm),
		CACertFile: cfg.Tokens.CACertFile, CAKeyFile: cfg.Tokens.CAKeyFile,
		RotateEvery: cfg.Tokens.RotateEvery, LongestTTL: cfg.Tokens.AccessTTL, Log: log,
	}
	for _, r := range cfg.Registries {
		opts.Registries = append(opts.Registries, tokens.Registry{Service: r.Service, Form: r.TokenForm})
	}
	// The API's own tokens, which no registry accepts.
	opts.Registries = append(opts.Registries, tokens.Registry{Service: cfg.APIAudience(), Form: configs.FormX5C})
	return opts
}

func bridgeRegistries(cfg *configs.Config) []bridge.Registry {
	out := make([]bridge.Registry, 0, len(cfg.Registries))
	for _, r := range cfg.Registries {
		out = append(out, bridge.Registry{
			Service: r.Service, Issuer: r.Issuer, Explain: r.DenyResponse == configs.DenyExplain, RefreshTokens: r.RefreshTokens,
		})
	}
	return out
}

// newTokenID makes token IDs. crypto/rand does not fail: it ends the program.
func newTokenID() string {
	id, err := tokens.NewID(rand.Reader, time.Now())
	if err != nil {
		panic(err)
	}
	return id
}

// openConnectors returns the chain, with looked-up people and verified
// credentials cached.
func (a *app) openConnectors(c caches) (*connectors.CachedChain, error) {
	robots, err := a.openRobots()
	if err != nil {
		return nil, err
	}
	links := []connectors.Link{robots, a.openBreakGlass()}
	for _, cfg := range a.cfg.Connectors {
		link, err := a.openConnector(cfg, c.people)
		if err != nil {
			return nil, fmt.Errorf("connector %s: %w", cfg.Name, err)
		}
		a.lookers[cfg.Name], _ = link.Connector.(connectors.Looker)
		links = append(links, link)
	}
	a.links = links
	return connectors.Cached(connectors.NewChain(links...), connectors.CachedOptions{
		Cache: c.people, TTL: a.cfg.Cache.CredTTL, Grace: grace(a.cfg.Connectors),
		FailuresPerMinute: a.cfg.Limits.LoginFailuresPerMinute, SharedFailures: c.failures,
		Secret: c.secret, Generation: generation(a.cfg.Connectors), Forgets: a.forgets, Clock: time.Now, Log: a.log,
	}), nil
}
