package robot_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/connectors/robot"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
)

// nowhere takes audit events.
type nowhere struct{}

func (nowhere) Act(context.Context, audit.Event) {}

// What ends a robot ends its tokens in every process that follows the store: those it
// has, and those that a process which had not heard of it yet gave it since.
func TestTokensEndWithTheRobot(t *testing.T) {
	for name, end := range map[string]func(m *robot.Manager) error{
		"delete":  func(m *robot.Manager) error { return m.Delete(t.Context(), "ci") },
		"disable": func(m *robot.Manager) error { return m.SetDisabled(t.Context(), "ci", true) },
		"rotate":  func(m *robot.Manager) error { _, err := m.Rotate(t.Context(), "ci", robot.Rotation{}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(context.Background(), store.Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			follower := feed.NewFollower(feed.Options{Source: s})
			revoked := revocation.NewList(follower, nil)
			manager := &robot.Manager{
				Store: s, Announce: func(context.Context, ...feed.Change) {}, Audit: nowhere{},
				MaxTTL: time.Hour, Actor: "cli:root", Clock: time.Now,
			}
			if _, _, err := manager.Create(t.Context(), robot.Request{Name: "ci", Owner: "corp/leads"}); err != nil {
				t.Fatal(err)
			}
			token := func(subject string, at time.Time) error {
				if err := follower.Look(t.Context()); err != nil { // a slow machine would not be fresh
					t.Fatal(err)
				}
				return revoked.Check(tokens.Claims{Subject: subject, ID: "x", KeyID: "k", IssuedAt: at.Truncate(time.Second)})
			}
			before := time.Now()
			if err := token("robot:ci", before); err != nil {
				t.Fatal(err)
			}
			if err := end(manager); err != nil {
				t.Fatal(err)
			}
			for what, at := range map[string]time.Time{"one it had": before, "one it got since": time.Now().Add(time.Second)} {
				var is *revocation.RevokedError
				if err := token("robot:ci", at); !errors.As(err, &is) || is.Kind != feed.RevokePerson {
					t.Errorf("%s: %v", what, err)
				}
			}
			if err := token("robot:ci", time.Now().Add(time.Minute)); err != nil {
				t.Errorf("one that it gets later: %v", err)
			}
			for _, other := range []string{"robot:ci2", "corp/ci"} {
				if err := token(other, before); err != nil {
					t.Errorf("a token of %s: %v", other, err)
				}
			}
		})
	}
}
