package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/robot"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"

	"github.com/spf13/cobra"
)

// openRobots returns the link of the robots, which are there without an entry in
// the configuration. They are read when the server runs.
func (a *app) openRobots() (connectors.Link, error) {
	a.robots = robot.NewRoster(a.store, time.Now, a.log)
	a.feed.On(feed.RobotsChanged, func(c feed.Change) { a.robots.Changed(c.Value) })
	a.robotUses = robot.NewUses(a.store, time.Now, a.log)
	a.closers = append(a.closers, a.robotUses.Close)
	a.metrics.MustRegister(robot.NewMetrics(a.robots, time.Now))
	return robotLink(robot.New(a.robots, a.robotUses, time.Now))
}

// robotLink gives the robots their place in a chain.
func robotLink(c *robot.Connector) (connectors.Link, error) {
	match, err := identity.ParseUsernamePattern(identity.RobotPrefix + "*")
	return connectors.Link{Connector: c, Match: match}, err
}

// storedRobots reads the robots for a command that answers questions. It opens the
// store for that alone, and makes none where there is none.
type storedRobots struct {
	cfg *configs.Config
	log *slog.Logger
}

// Robots implements [robot.Source].
func (s storedRobots) Robots(ctx context.Context) (robots []robot.Robot, err error) {
	if s.cfg.Store.URL.Empty() {
		if _, err := os.Stat(filepath.Join(s.cfg.DataDir, store.SQLiteName)); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no store in data_dir %s; a relative data_dir begins at the working directory", s.cfg.DataDir)
		}
	}
	opened, err := openStore(ctx, s.cfg, s.log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return opened.Robots(ctx)
}

// commandRobots returns the robots' connector for a command, with the robots as the
// store has them now. When the store cannot tell, that is what the connector says.
func commandRobots(ctx context.Context, cfg *configs.Config, log *slog.Logger) *robot.Connector {
	roster := robot.NewRoster(storedRobots{cfg, log}, time.Now, log)
	_ = roster.Load(ctx) // the connector has the error
	return robot.New(roster, nil, time.Now)
}

// noteRobot says where the answer of the policy is not the whole answer for a robot. A
// policy may name one before it is made, so that this is no fault. Without a
// configuration there is nothing to ask.
func noteRobot(cmd *cobra.Command, cfg *configs.Config, id identity.Identity) {
	if id.Kind != identity.Robot || cfg == nil {
		return
	}
	log := errorLog(cmd.ErrOrStderr())
	outcome := commandRobots(cmd.Context(), cfg, log).Lookup(cmd.Context(), robot.Username(id.Name))
	note := ""
	switch outcome.Kind() {
	case connectors.KindGranted:
		return
	case connectors.KindDenied:
		note = fmt.Sprintf("%s may not log in: %s", id, outcome.Reason())
		if outcome.Reason() == connectors.UnknownRobot {
			note = fmt.Sprintf("there is no robot called %s; this is what the policy grants to one", id.Name)
		}
	default:
		note = fmt.Sprintf("whether there is a robot called %s is not known: %v", id.Name, outcome.Cause())
	}
	_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "note: "+note)
}
