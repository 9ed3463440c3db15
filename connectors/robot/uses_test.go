package robot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// written collects what is written, and fails or hangs when it is told to.
type written struct {
	mu   sync.Mutex
	uses []string
	err  error
	hang chan struct{}
}

func (w *written) RecordRobotUses(_ context.Context, uses []Use) error {
	if w.hang != nil {
		<-w.hang
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	for _, use := range uses {
		w.uses = append(w.uses, use.SecretID+"@"+use.Address)
	}
	return nil
}

// take returns what was written since.
func (w *written) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.uses)
	out := strings.Join(w.uses, " ")
	w.uses = nil
	return out
}

func (w *written) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func TestUsesAreWrittenOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{}
		uses := NewUses(w, time.Now, quiet())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { uses.Run(ctx); close(done) }()
		use := func(id, address string) { uses.used(Use{SecretID: id, At: time.Now(), Address: address}) }
		check := func(when, want string) {
			t.Helper()
			synctest.Wait()
			if got := w.take(); got != want {
				t.Errorf("%s: %q is written, want %q", when, got, want)
			}
		}
		for i := range 10 {
			use("a", fmt.Sprint(i))
		}
		use("b", "0")
		check("at once", "")
		time.Sleep(useFlush + time.Millisecond)
		check("a second later", "a@9 b@0")
		for range 58 {
			use("a", "busy")
			time.Sleep(time.Second)
		}
		check("within the minute", "")
		time.Sleep(2 * time.Second)
		check("after the minute", "a@busy")
		time.Sleep(10 * time.Minute)
		check("when nobody logs in", "")

		w.fail(errors.New("down"))
		use("a", "outage")
		time.Sleep(5 * time.Second)
		use("a", "later")
		time.Sleep(5 * time.Second)
		w.fail(nil)
		time.Sleep(useFlush)
		check("after an outage", "a@later")

		use("a", "last")
		cancel()
		<-done
		if err := uses.Close(); err != nil {
			t.Error(err)
		}
		check("at the end", "a@last")
		if len(uses.pending) != 0 || len(uses.written) > 1 {
			t.Errorf("left: %v, %v", uses.pending, uses.written)
		}
	})
}

// A store that hangs holds no login.
func TestALoginDoesNotWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{hang: make(chan struct{})}
		uses := NewUses(w, time.Now, quiet())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { uses.Run(ctx); close(done) }()
		uses.used(Use{SecretID: "a", Address: "1"})
		time.Sleep(2 * useFlush)
		before := time.Now()
		for i := range 1000 {
			uses.used(Use{SecretID: fmt.Sprint(i % 10), Address: "2"})
		}
		if waited := time.Since(before); waited != 0 || len(uses.pending) != 10 {
			t.Errorf("waited %s, %d pending", waited, len(uses.pending))
		}
		close(w.hang)
		cancel()
		<-done
	})
}
