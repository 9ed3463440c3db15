package feed

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lookAtStore hands out what is new in the store, to its end, and returns when the
// question began that was answered with the end.
func (f *Follower) lookAtStore(ctx context.Context) (time.Time, error) {
	for {
		began := f.opts.Clock()
		changes, newest, err := f.page(ctx)
		if err != nil {
			return time.Time{}, err
		}
		if newest < f.seen {
			f.opts.Log.WarnContext(ctx, "the store is another one, or has lost changes: all are read anew",
				"newest", newest, "known", f.seen)
			f.seen, f.foreign = 0, true
			clear(f.recent)
			continue
		}
		for _, c := range changes {
			f.hand(c)
		}
		if len(changes) < pageSize {
			f.seen, f.stored = newest, newest
			return began, nil
		}
		f.seen = changes[len(changes)-1].Seq
	}
}

func (f *Follower) page(ctx context.Context) ([]Change, int64, error) {
	if f.Loaded() == nil {
		patience := freshFor
		if f.opts.Relay != nil {
			patience = storePatience
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	} // else there is nothing to be late for, and much to be read
	return f.opts.Source.ChangesSince(ctx, f.seen, pageSize)
}

var (
	errRelayUnread  = errors.New("the relay does not help before the store was read once")
	errRelayEmpty   = errors.New("the relay has no head: the cache was emptied")
	errRelayBehind  = errors.New("the relay's head is behind what is known: the cache has lost changes")
	errRelayMissing = errors.New("a change is missing in the relay: the cache has lost it")
)

// lookAtRelay hands out what is new in the relay, and returns when the look began.
func (f *Follower) lookAtRelay(ctx context.Context) (time.Time, error) {
	if f.Loaded() != nil {
		return time.Time{}, errRelayUnread
	}
	began := f.opts.Clock()
	head, err := f.relayHead(ctx)
	if err != nil {
		return time.Time{}, err
	}
	for {
		c, ok, err := f.opts.Relay.entry(ctx, f.seen+1)
		switch {
		case err != nil:
			return time.Time{}, fmt.Errorf("read change %d from the relay: %w", f.seen+1, err)
		case !ok && f.seen < head:
			return time.Time{}, errRelayMissing
		case !ok:
			return began, f.relayEnds(ctx)
		}
		if c.Kind != "" { // else it has expired, and its number remains
			f.hand(c)
		}
		f.seen++
	}
}

// relayEnds returns nil if nothing comes after the number that is missing. Else the
// head was set back, and the missing change is on its way there or lost.
func (f *Follower) relayEnds(ctx context.Context) error {
	for seq := f.seen + 2; seq <= f.seen+setBack; seq++ {
		_, ok, err := f.opts.Relay.entry(ctx, seq)
		if err != nil {
			return fmt.Errorf("read change %d from the relay: %w", seq, err)
		}
		if ok {
			return errRelayMissing
		}
	}
	return nil
}

// relayHead returns the relay's head, which is not below what is known. One that
// another process has set back is made up for by the changes after it, and by those
// that we have not put there yet.
func (f *Follower) relayHead(ctx context.Context) (int64, error) {
	head, ok, err := f.opts.Relay.head(ctx)
	switch {
	case err != nil:
		return 0, fmt.Errorf("read the relay's head: %w", err)
	case !ok:
		return 0, errRelayEmpty
	case head < f.seen-relayLength:
		return 0, errRelayBehind
	}
	for ; head < f.seen; head++ {
		if f.unput(head + 1) {
			continue
		}
		_, ok, err := f.opts.Relay.entry(ctx, head+1)
		if err != nil {
			return 0, fmt.Errorf("read change %d from the relay: %w", head+1, err)
		}
		if !ok {
			return 0, errRelayBehind
		}
	}
	return head, nil
}

// unput reports whether a change that is known need not be in the relay, so that it
// proves nothing if it is missing: we read it in the store, and had no time to put
// it there before the store went away. Whoever wrote it may not have come that far
// either.
//
// Nothing is concluded from it but that. What was acknowledged before the last look
// at the store began is known; what was acknowledged after it lies in the relay
// behind all of this, where it is read, or else its writer has waited until we had
// looked again (see [Writer.Publish]). That the relay has lost it shows as before: by
// a head that is gone, and by what we have put or read there ourselves. A relay that
// answered with an error, or that is being written anew, gets no such credit.
func (f *Follower) unput(seq int64) bool {
	return f.hurried && !f.foreign && seq > f.relayed && seq <= f.stored
}

// keepRelay makes the relay hold what the store does, after a look at the store.
// It fails without consequences: the next look tries again.
func (f *Follower) keepRelay(ctx context.Context) {
	if f.opts.Relay == nil {
		return
	}
	err := f.refillRelay(ctx)
	f.hurried = err == nil && !f.refill && !f.foreign && f.relayed < f.seen
	f.relayUp.Store(err == nil && f.relayed == f.seen)
	if err != nil {
		f.opts.Log.DebugContext(ctx, "the relay of the feed was not written", "error", err)
	}
}

func (f *Follower) refillRelay(ctx context.Context) error {
	began, relay := f.opts.Clock(), f.opts.Relay
	head, ok, err := relay.head(ctx)
	if err != nil {
		return err
	}
	if f.ahead > f.seen {
		// It was there before the store was asked, and the store has never had it.
		f.opts.Log.WarnContext(ctx, "the relay is ahead of the store, and is written anew", "head", f.ahead, "newest", f.seen)
		f.foreign = true
	}
	if f.foreign {
		if err := relay.cut(ctx, f.seen); err != nil {
			return err
		}
		f.foreign, f.refill, ok, head = false, false, false, 0
	}
	if f.ahead = 0; head > f.seen {
		f.ahead = head // somebody has written since our look, or else see above
	}
	switch {
	case f.refill:
	case !ok || head < f.relayed: // the cache has lost something
		f.refill, f.relayed = true, max(0, f.seen-relayLength)
	case f.relayed == 0: // the first look: others have filled it
		f.relayed = min(head, f.seen)
	}
	done, err := f.putRecent(ctx, began)
	if err != nil || !done {
		return err
	}
	f.refill = false
	if ok && head >= f.seen {
		return nil
	}
	return relay.setHead(ctx, f.seen)
}

// putRecent puts the changes into the relay that are not there yet, or as many as
// the time allows.
func (f *Follower) putRecent(ctx context.Context, began time.Time) (done bool, err error) {
	for f.relayed < f.seen {
		if f.opts.Clock().Sub(began) > relayPatience {
			return false, nil // the next look goes on
		}
		c, known := f.recent[f.relayed+1]
		if !known {
			c = Change{Seq: f.relayed + 1} // expired
		}
		if err := f.opts.Relay.put(ctx, c); err != nil {
			return false, err
		}
		f.relayed++
	}
	return true, nil
}
