package exec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/measure"
	"drawbridge/identity"
)

// What holds where the configuration says nothing.
const (
	defaultTimeout = 5 * time.Second
	defaultSize    = 4
)

// searchPath is the program's PATH. Ours may have folders that only we should
// look into.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Deps is what a connector needs beside its settings.
type Deps struct {
	// Log takes what an operator should know, and the program's standard error.
	// It is required.
	Log *slog.Logger
	// Getenv is os.LookupEnv, or a test's.
	Getenv func(name string) (string, bool)
	// Metrics takes what is measured; nil is nowhere.
	Metrics Metrics
}

// runner gives questions to processes: [perLogin] or [pooled].
type runner interface {
	ask(ctx context.Context, wait time.Duration, q question) (connectors.Outcome, error)
	stats() Stats
	Close() error
}

// Connector asks a program. It is safe for concurrent use; Close ends its
// processes.
type Connector struct {
	name    string
	timeout time.Duration
	runner  runner
	metrics Metrics // may be nil
}

// Looker is a [Connector] whose program also finds people without a password.
type Looker struct{ *Connector }

var (
	_ connectors.Connector = (*Connector)(nil)
	_ connectors.Looker    = Looker{}
	_ connectors.Rechecker = Looker{}
)

// New makes the connector. In pooled mode it starts the processes, and a program
// that cannot be started does not make it fail: it is tried again.
func New(cfg configs.Connector, deps Deps) (*Connector, error) {
	e := cfg.Exec
	if len(e.Command) == 0 {
		return nil, fmt.Errorf("connector %s: command is required", cfg.Name)
	}
	path, err := exec.LookPath(e.Command[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("connector %s: command: %w", cfg.Name, err)
	}
	getenv := deps.Getenv
	if getenv == nil {
		getenv = os.LookupEnv
	}
	log := deps.Log.With("connector", cfg.Name)
	p := program{path: path, args: e.Command[1:], env: environment(e.Env, getenv), log: log}
	c := &Connector{name: cfg.Name, timeout: cfg.Timeout, metrics: deps.Metrics}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	size := e.PoolSize
	if size <= 0 {
		size = defaultSize
	}
	switch e.Mode {
	case configs.ExecPooled:
		c.runner = newPooled(p, size, log)
	case configs.ExecPerLogin, "":
		c.runner = newPerLogin(p, size)
	default:
		return nil, fmt.Errorf("connector %s: unknown mode %q", cfg.Name, e.Mode)
	}
	if c.metrics != nil {
		c.metrics.Watch(c.Stats)
	}
	return c, nil
}

// environment returns the program's variables: a PATH, and those of ours that
// the operator named.
func environment(names []string, getenv func(string) (string, bool)) []string {
	env := []string{searchPath}
	for _, name := range names {
		if value, ok := getenv(name); ok && !strings.HasPrefix(name, configs.EnvPrefix) {
			env = append(env, name+"="+value) // the last of two equal names holds
		}
	}
	return env
}

// Name returns the connector's name from the configuration.
func (c *Connector) Name() string { return c.name }

// Close ends the program's processes. Logins after it are Unavailable.
func (c *Connector) Close() error { return c.runner.Close() }

// Authenticate lets the program verify a password.
func (c *Connector) Authenticate(ctx context.Context, cred identity.Credential) connectors.Outcome {
	return c.ask(ctx, question{kind: kindAuthenticate, connector: c.name, cred: cred})
}

// Lookup lets the program find a person without a password.
func (l Looker) Lookup(ctx context.Context, username string) connectors.Outcome {
	return l.ask(ctx, question{kindLookup, l.name, identity.Credential{Username: username}, true})
}

// Authenticate lets the program verify a password. Somebody to whom it gives a
// stable ID can be re-checked later.
func (l Looker) Authenticate(ctx context.Context, cred identity.Credential) connectors.Outcome {
	return l.ask(ctx, question{kindAuthenticate, l.name, cred, true})
}

// Recheck implements [connectors.Rechecker] by a lookup of the name. Another stable
// ID is another person; another credential_version is another password.
func (l Looker) Recheck(ctx context.Context, id identity.Identity, version string) connectors.Outcome {
	outcome := l.Lookup(ctx, id.Name)
	if outcome.Kind() != connectors.KindGranted {
		return outcome
	}
	if outcome.Identity().StableID != id.StableID {
		return connectors.NotMine()
	}
	if now, _ := outcome.Version(); now != version {
		return connectors.Denied(connectors.PasswordChanged)
	}
	return outcome
}

func (c *Connector) ask(ctx context.Context, q question) connectors.Outcome {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	// Who gets a process has at least half of the time left for the answer, so
	// that a queue does not turn into processes that are killed half-way.
	question := measure.Ask(ctx, backend, string(q.kind), "")
	outcome, err := c.runner.ask(ctx, c.timeout/2, q)
	question.End(c.metrics, requestOutcome(outcome, err))
	if err == nil {
		return outcome
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("no answer within %s: %w", c.timeout, err)
	}
	err = fmt.Errorf("ask the program of connector %s: %w", c.name, err)
	if start, ok := errors.AsType[*startError](err); ok && (errors.Is(start, fs.ErrNotExist) || errors.Is(start, fs.ErrPermission)) {
		return connectors.Misconfigured(err)
	}
	return connectors.Unavailable(err)
}
