package store_test

import (
	"context"
	"errors"
	"testing"

	"drawbridge/e2e/testbed"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/conformance"
	"drawbridge/store/feed"
)

func open(t *testing.T, url string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{URL: identity.NewSecret(url), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestPostgres(t *testing.T) {
	server := testbed.StartPostgres(t)
	conformance.Run(t, func(*testing.T) conformance.Open {
		url := server.NewDatabase()
		return func(t *testing.T) *store.Store { return open(t, url) }
	})
}

func TestPostgresDownAtTheStart(t *testing.T) {
	server := testbed.StartPostgres(t)
	url := server.NewDatabase()
	server.Stop()
	s := open(t, url)
	if err := s.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	server.Restart()
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestPostgresKilled(t *testing.T) {
	server := testbed.StartPostgres(t)
	s := open(t, server.NewDatabase())
	c := feed.Change{Kind: feed.Forget, Value: "corp/alice", At: conformance.At(), ExpiresAt: conformance.At().AddDate(1, 0, 0)}
	if _, err := s.AppendChanges(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if _, err := s.AppendChanges(t.Context(), c); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	server.Restart()
	stored, err := s.AppendChanges(t.Context(), c)
	if err != nil || stored[0].Seq != 2 {
		t.Fatalf("got %v, %v", stored, err)
	}
}
