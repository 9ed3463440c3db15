package connectors_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/connectors"
	"drawbridge/identity"
)

// lingering is a connector that answers when it is told to give up, and not at once.
type lingering struct {
	asked chan struct{}
	ended bool // without a lock: whoever reads it has waited
}

func (*lingering) Name() string { return "lingering" }

func (s *lingering) Authenticate(ctx context.Context, _ identity.Credential) connectors.Outcome {
	close(s.asked)
	<-ctx.Done()
	time.Sleep(20 * time.Millisecond) // what it does last
	s.ended = true
	return connectors.Unavailable(ctx.Err())
}

// A question outlives the caller who has left, and not the chain.
func TestCloseWaitsForWhatIsAsked(t *testing.T) {
	memory := cache.NewMemory(1<<20, time.Now)
	t.Cleanup(func() { _ = memory.Close() })
	backend := &lingering{asked: make(chan struct{})}
	chain := connectors.Cached(connectors.NewChain(connectors.Link{Connector: backend}), connectors.CachedOptions{
		Cache: memory, TTL: time.Minute, Secret: []byte("secret"), Clock: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	ctx, leave := context.WithCancel(t.Context())
	answered := make(chan connectors.Kind)
	cred := identity.Credential{Username: "alice", Password: identity.NewSecret("x")}
	go func() { answered <- chain.Authenticate(ctx, cred).Kind() }()
	<-backend.asked
	leave()
	if kind := <-answered; kind != connectors.KindUnavailable {
		t.Errorf("who left is told %s", kind)
	}
	if err := chain.Close(); err != nil || !backend.ended {
		t.Errorf("closed while the connector is being asked: %v", err)
	}
	if kind := chain.Authenticate(t.Context(), cred).Kind(); kind != connectors.KindUnavailable {
		t.Errorf("after the end: %s", kind)
	}
}
