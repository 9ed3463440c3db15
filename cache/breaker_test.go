package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"

	"github.com/redis/go-redis/v9"
)

// reply is an error that Redis answered.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

var _ redis.Error = reply("")

func TestBreakerTrips(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	slow := fmt.Errorf("read: %w", os.ErrDeadlineExceeded)
	for _, tt := range []struct {
		name string
		errs []error // nil is a success
		want bool
	}{
		{"one timeout", []error{slow}, true},
		{"one deadline", []error{context.DeadlineExceeded}, true},
		{"a pool without a free connection", []error{redis.ErrPoolTimeout}, true},
		{"two quick failures", []error{refused, refused}, false},
		{"three quick failures", []error{refused, io.EOF, refused}, true},
		{"a success between", []error{refused, refused, nil, refused, refused}, false},
		{"loading", []error{reply("LOADING x"), reply("LOADING x"), reply("LOADING x")}, true},
		{"no rights at all", []error{reply("NOAUTH x"), reply("NOAUTH x"), reply("NOAUTH x")}, true},
		{"cluster down", []error{reply("CLUSTERDOWN x"), reply("CLUSTERDOWN x"), reply("CLUSTERDOWN x")}, true},
		{"out of memory", []error{reply("OOM x"), reply("OOM x"), reply("OOM x"), reply("OOM x")}, false},
		{"a replica", []error{reply("READONLY x"), reply("READONLY x"), reply("READONLY x")}, false},
		{"a command that is turned off", []error{reply("ERR unknown command 'EVAL'"), reply("ERR unknown command 'EVAL'"), reply("ERR unknown command 'EVAL'")}, false},
		{"any other fault", []error{reply("ERR max number of clients reached"), reply("ERR max x"), reply("ERR max x")}, true},
		{"a refusal in words only", []error{errors.New("OOM x"), errors.New("OOM x"), errors.New("OOM x")}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBreaker(nil, slog.New(slog.DiscardHandler))
			for _, err := range tt.errs {
				if err == nil {
					b.succeeded()
				} else {
					b.failed("k", err)
				}
			}
			if got := b.down.Load(); got != tt.want {
				t.Errorf("down: got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBreakerProbesForTheKeyThatFailed(t *testing.T) {
	asked := make(chan string, 8)
	answers := make(chan error, 8)
	b := newBreaker(func(_ context.Context, key string) error {
		asked <- key
		return <-answers
	}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	answers <- nil // the probe at the start
	go b.run(ctx)
	<-asked
	b.failed("slot of a dead node", context.DeadlineExceeded)
	b.failed("another", context.DeadlineExceeded)
	answers <- io.EOF
	if key := <-asked; key != "slot of a dead node" {
		t.Errorf("probed %q", key)
	}
	if !b.down.Load() {
		t.Error("closed before a probe was answered")
	}
	answers <- nil
	<-asked
	answers <- nil
	for b.down.Load() {
		select {
		case <-b.done:
			t.Fatal("the goroutine ended")
		case <-asked:
			t.Fatal("probed again after an answer")
		default:
		}
	}
	if n := b.trips.Load(); n != 1 {
		t.Errorf("%d trips, want 1", n)
	}
	cancel()
	<-b.done
}
