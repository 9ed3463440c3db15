package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"time"

	"drawbridge/backup"
	"drawbridge/configs"
	"drawbridge/store"
	"drawbridge/store/feed"

	"github.com/spf13/cobra"
)

// managed is what a command stands on that manages what the servers share: the
// store that the configuration names. Running servers learn of a change through
// the store's feed, within a second.
type managed struct {
	cfg   *configs.Config
	store *store.Store
	// changes is how the servers are told of a change.
	changes *feed.Writer
	// actor is who does it, as audit events name one: cli:<user of the machine>.
	actor string
	clock func() time.Time
	// audit writes down what was done.
	audit *commandLog
	// closers are called in this order.
	closers []func() error
}

// openManaged opens the store that --config names. A store that does not answer is
// an error here, since nothing could be done and nothing told: exit code 2.
func openManaged(cmd *cobra.Command) (*managed, error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return nil, err
	}
	log := errorLog(cmd.ErrOrStderr())
	s, err := openManagedStore(cmd.Context(), cfg, log)
	if err != nil {
		return nil, err
	}
	m := &managed{cfg: cfg, store: s, actor: "cli:" + osUser(), clock: time.Now, closers: []func() error{s.Close}}
	m.audit = &commandLog{managed: m, stderr: cmd.ErrOrStderr()}
	m.changes = feed.NewWriter(feed.WriterOptions{Store: s, Relay: m.relay(log), Log: log})
	return m, nil
}

// openManagedStore opens a store that servers use, and that has to answer.
func openManagedStore(ctx context.Context, cfg *configs.Config, log *slog.Logger) (*store.Store, error) {
	if cfg.Store.URL.Empty() {
		// Made here, it would be one that no server ever opens.
		if _, err := os.Stat(cfg.DataDir); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("data_dir %s does not exist: name the server's configuration with --config, and run this "+
				"where the server runs, since a relative data_dir begins at the working directory", cfg.DataDir)
		}
	}
	if err := backup.Interrupted(cfg.DataDir); err != nil {
		return nil, err
	}
	s, err := openStore(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	if err := s.Ready(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("store: %w", err), s.Close())
	}
	return s, nil
}

// relay returns the feed's relay where the servers have one. Where it cannot be
// opened, as on a machine that has no data_dir, it is one that does not answer: the
// servers learn of a change from the store.
func (m *managed) relay(log *slog.Logger) *feed.Relay {
	if m.cfg.Store.URL.Empty() || m.cfg.Cache.RedisURL.Empty() {
		return nil
	}
	keys, err := m.openKeys(log)
	if err != nil {
		return feed.NewRelay(noCache{err})
	}
	caches, err := openCaches(m.cfg, keys.Derive("cache"), log)
	if err != nil {
		return feed.NewRelay(noCache{err})
	}
	m.closers = append([]func() error{caches.close}, m.closers...)
	return caches.relay(m.cfg)
}

// noCache is a cache that does not answer.
type noCache struct{ err error }

// Get implements feed.Cache.
func (c noCache) Get(context.Context, string) ([]byte, bool, error) { return nil, false, c.err }

// Set implements feed.Cache.
func (c noCache) Set(context.Context, string, []byte, time.Duration) error { return c.err }

// Delete implements feed.Cache.
func (c noCache) Delete(context.Context, ...string) error { return c.err }

// close closes the store. What was acknowledged is durable already, so that an
// error changes nothing for the caller.
func (m *managed) close() {
	for _, closeOne := range m.closers {
		_ = closeOne()
	}
}

// osUser is the user of the machine that runs the command: the name, or the
// number where it has none, as in a container image without accounts.
func osUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}
