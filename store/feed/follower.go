package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Source is where the changes come from; store.Store is one.
type Source interface {
	// ChangesSince returns at most limit changes with numbers above seq, in order,
	// expired ones left out, and the newest number there is. Fewer than limit are
	// all there are up to that number.
	ChangesSince(ctx context.Context, seq int64, limit int) (changes []Change, newest int64, err error)
	// PruneChanges removes what expired before now.
	PruneChanges(ctx context.Context, now time.Time) (int64, error)
}

const (
	// lookEvery is the pace of the looks.
	lookEvery = 250 * time.Millisecond
	// freshFor is how old the last complete look may be: what was acknowledged
	// longer ago must be known.
	freshFor = time.Second
	// storePatience bounds one question to the store where there is a relay to ask
	// instead: both together must fit into freshFor.
	storePatience = 400 * time.Millisecond
	// relayPatience is how long one look may fill the relay before it leaves the
	// rest to the next one.
	relayPatience = 100 * time.Millisecond
	// pageSize is how many changes one question asks for.
	pageSize = 1000
	// pruneEvery is the pace at which expired changes are removed.
	pruneEvery = 10 * time.Minute
)

// Options configures [NewFollower]. Source is required.
type Options struct {
	Source Source
	// Relay is asked while the source does not answer; nil: there is none.
	Relay *Relay
	Clock func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: nothing is logged
	// Metrics takes how fresh the follower is; nil: nowhere.
	Metrics prometheus.Registerer
}

// Follower hands out the changes of a feed. Its methods may be called
// concurrently, but [Follower.On] only before the first look.
type Follower struct {
	opts     Options
	handlers map[Kind][]func(Change)
	start    time.Time
	metrics  *metrics

	// complete is when the last complete look began, in nanoseconds after start;
	// negative before the first one.
	complete atomic.Int64
	storeUp  atomic.Bool
	relayUp  atomic.Bool

	mu      sync.Mutex // one look at a time; guards what is below
	seen    int64      // everything up to this number was handed out
	failing bool
	recent  map[int64]Change // the last ones, for the relay
	relayed int64            // everything up to this number was put into the relay
	refill  bool             // the relay is filled anew, and has its head at the end
	foreign bool             // the relay holds what another store has written
	ahead   int64            // a head of the relay that the store did not know of
	stored  int64            // everything up to this number was read in the store
	hurried bool             // the last look at the store left changes out of the relay for want of time
}

// NewFollower returns a follower that has looked at nothing yet.
func NewFollower(opts Options) *Follower {
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	f := &Follower{
		opts: opts, handlers: map[Kind][]func(Change){}, start: opts.Clock(), recent: map[int64]Change{},
	}
	f.complete.Store(-1)
	f.metrics = newMetrics(f)
	return f
}

// On has the changes of a kind handed to handle, which must not block. Changes are
// handed out one after the other.
func (f *Follower) On(kind Kind, handle func(Change)) {
	f.handlers[kind] = append(f.handlers[kind], handle)
}

// Run looks every 250 ms, and removes what has expired now and then, until ctx
// ends.
func (f *Follower) Run(ctx context.Context) {
	var pruning sync.WaitGroup
	defer pruning.Wait()
	pruning.Go(func() { f.prune(ctx) })
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		_ = f.Look(ctx) // it reports itself
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// prune removes expired changes. Every process does, which costs nothing where
// another one just has.
func (f *Follower) prune(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		n, err := f.opts.Source.PruneChanges(ctx, f.opts.Clock())
		f.opts.Log.DebugContext(ctx, "expired changes were removed", "changes", n, "error", err)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// Loaded returns nil once everything that was live at the start was handed out.
func (f *Follower) Loaded() error {
	if f.complete.Load() < 0 {
		return errors.New("the feed of changes was not read to its end yet")
	}
	return nil
}

// Fresh returns nil while everything that was acknowledged more than a second ago
// has been handed out. Otherwise nobody can tell what was revoked since.
func (f *Follower) Fresh() error {
	if err := f.Loaded(); err != nil {
		return err
	}
	if age := f.age(); age > freshFor {
		return fmt.Errorf("the feed of changes was last read to its end %s ago", age.Round(time.Millisecond))
	}
	return nil
}

// age is the time since the last complete look began.
func (f *Follower) age() time.Duration {
	return f.opts.Clock().Sub(f.start) - time.Duration(f.complete.Load())
}

// Look looks now, at the store or else at the relay, and hands out what is new.
// Who has just written a change calls it to act upon it at once. An error says
// that the look was not complete.
func (f *Follower) Look(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	began, err := f.lookAtStore(ctx)
	if ctx.Err() != nil {
		return ctx.Err() // which says nothing about the store
	}
	f.storeUp.Store(err == nil)
	f.metrics.looked(sourceStore, err)
	if err == nil {
		f.complete.Store(int64(began.Sub(f.start)))
		f.keepRelay(ctx)
	} else if f.opts.Relay != nil {
		began, relayErr := f.lookAtRelay(ctx)
		f.relayUp.Store(relayErr == nil)
		if relayErr != nil {
			err = errors.Join(err, relayErr)
		} else {
			err = nil
			f.complete.Store(int64(began.Sub(f.start)))
		}
		f.metrics.looked(sourceRelay, err)
	}
	f.report(ctx, err)
	return err
}

// report logs when the looks begin to fail and when they are complete again.
func (f *Follower) report(ctx context.Context, err error) {
	if f.failing == (err != nil) {
		return
	}
	if f.failing = err != nil; f.failing {
		f.opts.Log.WarnContext(ctx, "the feed of changes cannot be read: what was revoked since is not known", "error", err)
		return
	}
	f.opts.Log.InfoContext(ctx, "the feed of changes is read again", "store_up", f.storeUp.Load())
}

// hand gives a change to its handlers.
func (f *Follower) hand(c Change) {
	for _, handle := range f.handlers[c.Kind] {
		handle(c)
	}
	if f.opts.Relay == nil {
		return
	}
	f.recent[c.Seq] = c
	if len(f.recent) <= 2*relayLength {
		return
	}
	for seq := range f.recent {
		if seq <= c.Seq-relayLength {
			delete(f.recent, seq)
		}
	}
}
