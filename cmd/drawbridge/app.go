package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"drawbridge/audit"
	"drawbridge/bridge"
	"drawbridge/cache"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/server"
	"drawbridge/tokens"

	"github.com/prometheus/client_golang/prometheus"
)

// dataDirMode lets registries on the same host read keys/signing-ca.pem. What is
// private below it has mode 0600 of its own.
const dataDirMode = 0o755

// localTTL is how long an answer of Redis is good without asking it again: long
// enough for a job that starts on many machines at once, short beside lookup_ttl.
const localTTL = 5 * time.Second

// app is a configured server, not yet listening.
type app struct {
	cfg     *configs.Config
	log     *slog.Logger
	metrics *prometheus.Registry
	keys    *tokens.Keys
	bridge  *bridge.Bridge
	reloads *reloads
	closers []func() error // in the order they were opened
}

// open builds the server from its configuration. What fails here is a fault of
// the configuration or of the files it names: no network backend is needed.
func open(cfg *configs.Config, stdout io.Writer, log *slog.Logger) (_ *app, err error) {
	a := &app{cfg: cfg, log: log, metrics: server.NewMetricsRegistry(version)}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if err := os.MkdirAll(cfg.DataDir, dataDirMode); err != nil {
		return nil, fmt.Errorf("data_dir: make %s: %w", cfg.DataDir, err)
	}
	events, err := audit.Open(cfg.Audit.File, stdout, log)
	if err != nil {
		return nil, fmt.Errorf("audit.file: %w", err)
	}
	a.closers = append(a.closers, events.Close)
	if a.keys, err = tokens.Open(keyOptions(cfg, log)); err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	a.reloads = newReloads(a.metrics, events, log)
	people, err := a.openConnectors()
	if err != nil {
		return nil, err
	}
	policy := &policySource{file: policyFile(cfg), opts: compileOptions(cfg)}
	revision, err := policy.load()
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	a.bridge = bridge.New(bridge.Options{
		Registries: bridgeRegistries(cfg), Connectors: people, Tokens: a.keys, Audit: events,
		Policy: revision, AccessTTL: cfg.Tokens.AccessTTL, Clock: time.Now, NewID: newTokenID,
		Metrics: bridge.NewMetrics(a.metrics), Log: log,
	})
	a.reloads.policy(policy, a.bridge)
	return a, nil
}

// close releases everything, the last opened first.
func (a *app) close() {
	for _, closeOne := range slices.Backward(a.closers) {
		if err := closeOne(); err != nil {
			a.log.Warn("close", "error", err)
		}
	}
}

// ready says why the server cannot answer token requests; a directory that is
// down is no reason.
func (a *app) ready() error {
	now := time.Now()
	for _, key := range a.keys.KeyExpiry() {
		if !now.Before(key.NotAfter) {
			return fmt.Errorf("the %s key expired on %s: no registry accepts our tokens", key.Role, key.NotAfter.UTC().Format(time.DateOnly))
		}
	}
	return nil
}

func keyOptions(cfg *configs.Config, log *slog.Logger) tokens.Options {
	opts := tokens.Options{
		Dir: filepath.Join(cfg.DataDir, "keys"), Algorithm: tokens.Algorithm(cfg.Tokens.Algorithm),
		CACertFile: cfg.Tokens.CACertFile, CAKeyFile: cfg.Tokens.CAKeyFile,
		RotateEvery: cfg.Tokens.RotateEvery, LongestTTL: cfg.Tokens.AccessTTL, Log: log,
	}
	for _, r := range cfg.Registries {
		opts.Registries = append(opts.Registries, tokens.Registry{Service: r.Service, Form: r.TokenForm})
	}
	return opts
}

func bridgeRegistries(cfg *configs.Config) []bridge.Registry {
	out := make([]bridge.Registry, 0, len(cfg.Registries))
	for _, r := range cfg.Registries {
		out = append(out, bridge.Registry{
			Service: r.Service, Issuer: r.Issuer, Explain: r.DenyResponse == configs.DenyExplain,
		})
	}
	return out
}

// newTokenID makes token IDs. crypto/rand does not fail: it ends the program.
func newTokenID() string {
	id, err := tokens.NewID(rand.Reader)
	if err != nil {
		panic(err)
	}
	return id
}

// openConnectors returns the chain, with looked-up people and verified
// credentials cached.
func (a *app) openConnectors() (*connectors.CachedChain, error) {
	backend, err := cache.Open(a.cfg.Cache.RedisURL, a.cfg.Cache.RedisCAFile, a.log)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, backend.Close)
	secret, err := persistentSecret(filepath.Join(a.cfg.DataDir, "cache.key"))
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	people := cache.Cache(backend)
	if !a.cfg.Cache.RedisURL.Empty() { // others can read and write it
		sealed, err := cache.Sealed(backend, secret, time.Now)
		if err != nil {
			return nil, err
		}
		local := cache.NewMemory(0, nil)
		a.closers = append(a.closers, local.Close)
		people = cache.Tiered(local, sealed, localTTL)
	}
	links := make([]connectors.Link, 0, len(a.cfg.Connectors))
	for _, cfg := range a.cfg.Connectors {
		link, err := a.openConnector(cfg, people)
		if err != nil {
			return nil, fmt.Errorf("connector %s: %w", cfg.Name, err)
		}
		links = append(links, link)
	}
	return connectors.Cached(connectors.NewChain(links...), connectors.CachedOptions{
		Cache: people, TTL: a.cfg.Cache.CredTTL, Grace: grace(a.cfg.Connectors),
		FailuresPerMinute: a.cfg.Limits.LoginFailuresPerMinute,
		Secret:            secret, Generation: generation(a.cfg.Connectors), Clock: time.Now, Log: a.log,
	}), nil
}

// persistentSecret returns the 32 bytes kept in the file, which it makes once.
func persistentSecret(file string) ([]byte, error) {
	const size = 32
	secret, err := os.ReadFile(file) //nolint:gosec // in data_dir
	switch {
	case err == nil && len(secret) == size:
		return secret, nil
	case err == nil:
		return nil, fmt.Errorf("%s has %d bytes and needs %d; delete it to have a new one made", file, len(secret), size)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	secret = make([]byte, size)
	_, _ = rand.Read(secret)
	// A link either makes the whole file or finds another process's.
	temp := file + "." + rand.Text()
	if err := os.WriteFile(temp, secret, 0o600); err != nil {
		return nil, err
	}
	defer os.Remove(temp) //nolint:errcheck // nothing to be done about it
	if err := os.Link(temp, file); errors.Is(err, fs.ErrExist) {
		return persistentSecret(file)
	} else if err != nil {
		return nil, err
	}
	return secret, nil
}
