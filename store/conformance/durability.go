package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/store"
)

// Writers is how many goroutines [Write] writes from.
const Writers = 4

// Write appends changes as fast as the store takes them, from several goroutines,
// and calls acknowledged, possibly at the same time, with the value of each for
// which the call returned without an error. No value is ever written twice under
// one name. It ends with ctx, or after each changes of every goroutine when that
// is not zero, and returns how many were refused with [store.ErrUnavailable]. Any
// other error ends it as well.
func Write(ctx context.Context, s *store.Store, name string, each int, acknowledged func(value string)) (refused int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var unavailable atomic.Int64
	for w := range Writers {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil && (each == 0 || i < each); i++ {
				value := fmt.Sprintf("%s-%d-%d", name, w, i)
				_, err := s.AppendChanges(ctx, change(value))
				switch {
				case err == nil:
					acknowledged(value)
				case ctx.Err() != nil:
				case errors.Is(err, store.ErrUnavailable):
					unavailable.Add(1)
					time.Sleep(time.Millisecond) // leaves the processor to a server that comes back
				default:
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return 0, cause
	}
	return unavailable.Load(), nil
}

// CheckKept fails the test for each value that is not in the store, and for each
// number that was handed out twice or skipped: a transaction that was lost, half
// done or done twice would leave one.
func CheckKept(t testing.TB, s *store.Store, acknowledged []string) {
	t.Helper()
	const page = 5000
	kept := map[string]bool{}
	for seq := int64(0); ; {
		changes, newest, err := s.ChangesSince(t.Context(), seq, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			if c.Seq != seq+1 {
				t.Errorf("number %d follows %d", c.Seq, seq)
			}
			if kept[c.Value] {
				t.Errorf("%s was written twice", c.Value)
			}
			kept[c.Value], seq = true, c.Seq
		}
		if len(changes) < page {
			if seq != newest {
				t.Errorf("the newest number is %d, and the last change has %d", newest, seq)
			}
			break
		}
	}
	lost := 0
	for _, value := range acknowledged {
		if !kept[value] {
			lost++
			t.Errorf("%s was acknowledged and is lost", value)
		}
	}
	t.Logf("%d changes were acknowledged, %d are lost; %d are there", len(acknowledged), lost, len(kept))
}
