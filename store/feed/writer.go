package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Appender keeps changes; store.Store is one.
type Appender interface {
	// AppendChanges keeps the changes, all or none, and returns them with their
	// numbers. They are durable when it returns without an error.
	AppendChanges(ctx context.Context, changes ...Change) ([]Change, error)
	// ChangesSince is as [Source] has it.
	ChangesSince(ctx context.Context, seq int64, limit int) (changes []Change, newest int64, err error)
}

// WriterOptions configures [NewWriter]. Store and Log are required.
type WriterOptions struct {
	Store Appender
	// Relay is what the followers read while the store does not answer; nil: there
	// is none.
	Relay *Relay
	// Look makes this process act upon what it has just written, such as
	// [Follower.Look]; nil: it follows nothing.
	Look func(ctx context.Context) error
	Log  *slog.Logger
}

// Writer adds changes to a feed, so that every process learns of them within a
// second, and this one at once.
type Writer struct{ opts WriterOptions }

// NewWriter returns a writer.
func NewWriter(opts WriterOptions) *Writer { return &Writer{opts} }

// Append keeps the changes, all or none, and announces them. Without an error they
// are durable and will be known to everybody; with one they may be there all the
// same, and it is safe to append them again.
func (w *Writer) Append(ctx context.Context, changes ...Change) error {
	stored, err := w.opts.Store.AppendChanges(ctx, changes...)
	if err != nil {
		return err
	}
	return w.Publish(ctx, stored...)
}

// Announce is [Writer.Publish] for callers who have nothing to do about an error.
func (w *Writer) Announce(ctx context.Context, stored ...Change) {
	if err := w.Publish(ctx, stored...); err != nil {
		w.opts.Log.WarnContext(ctx, "a change may not be known everywhere before the store is back", "error", err)
	}
}

// Publish is for changes that the store has kept together with what they announce:
// it puts them into the relay and makes this process act upon them. A caller who
// leaves does not stop it. An error says that the changes are kept, and that it is
// not certain that everybody learns of them within a second.
func (w *Writer) Publish(ctx context.Context, stored ...Change) error {
	if len(stored) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	var err error
	if w.opts.Relay != nil {
		if relayErr := w.opts.Relay.Publish(ctx, stored...); relayErr != nil {
			w.opts.Log.DebugContext(ctx, "a change is not in the relay", "error", relayErr)
			err = w.settle(ctx, stored[len(stored)-1].Seq)
		}
	}
	if w.opts.Look != nil {
		_ = w.opts.Look(ctx) // it reports itself
	}
	return err
}

// settle is for changes that are in the store and not in the relay. If the store
// failed at once, nobody would know of them, and the relay, when it is back, would
// not say that something is missing. So it waits until the followers have had time
// to read them, and wants the store to have been there for that long.
func (w *Writer) settle(ctx context.Context, seq int64) error {
	time.Sleep(2 * lookEvery)
	_, newest, err := w.opts.Store.ChangesSince(ctx, seq, 1)
	if err == nil && newest < seq {
		err = errors.New("the store has lost it")
	}
	if err != nil {
		return fmt.Errorf("make a change known: %w", err)
	}
	return nil
}
