package revisions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"drawbridge/authz"
)

// Limits on what goes with a document, in bytes.
const (
	MaxReason = 500
	maxAuthor = 300
)

// Store keeps the revisions; it is what a [History] needs of package store. An
// error other than those named here means that the store did not answer.
type Store interface {
	// NewestPolicy returns the revision in force; one with Number 0 when there is
	// none yet.
	NewestPolicy(ctx context.Context) (Revision, error)
	// PolicyRevision returns one revision, or store.ErrNotFound.
	PolicyRevision(ctx context.Context, number int64) (Revision, error)
	// AppendPolicy adds a revision after the one with the number r.Number-1 and
	// announces it to every process, in one transaction. It returns a [Stale] when
	// that one is not the newest.
	AppendPolicy(ctx context.Context, r Revision) error
}

// History is the policy's history. Compile, Store and Clock are required.
type History struct {
	Store Store
	// Compile checks a document and runs its tests; its error may be an
	// [authz.Problems].
	Compile func(name string, text []byte) (*authz.Policy, error)
	Clock   func() time.Time
}

// Draft is a document that somebody wants in force.
type Draft struct {
	Text           string
	Author, Reason string
	// Base is the number of the revision the author started from.
	Base int64

	rollbackOf int64
}

// Save checks the draft and puts it in force on every replica. It returns
// [authz.Problems] for a faulty document, [ErrUnchanged] and [Stale]; nothing is
// stored then.
func (h *History) Save(ctx context.Context, d Draft) (Revision, error) {
	if err := d.check(); err != nil {
		return Revision{}, err
	}
	newest, err := h.Store.NewestPolicy(ctx)
	if err != nil {
		return Revision{}, err
	}
	if newest.Number != d.Base {
		return Revision{}, &Stale{Seen: d.Base, Newest: newest.Number}
	}
	if newest.Number > 0 && newest.Text == d.Text {
		return newest, ErrUnchanged
	}
	if _, err := h.Compile("policy", []byte(d.Text)); err != nil {
		return Revision{}, err
	}
	r := Revision{
		Number: d.Base + 1, Text: d.Text, Author: d.Author, Reason: d.Reason,
		At: h.Clock().UTC().Truncate(time.Millisecond), RollbackOf: d.rollbackOf,
	}
	return r, h.Store.AppendPolicy(ctx, r)
}

// Rollback saves the text of an earlier revision again. The draft's own text is
// not looked at.
func (h *History) Rollback(ctx context.Context, number int64, d Draft) (Revision, error) {
	old, err := h.Store.PolicyRevision(ctx, number)
	if err != nil {
		return Revision{}, err
	}
	d.Text, d.rollbackOf = old.Text, number
	return h.Save(ctx, d)
}

func (d Draft) check() error {
	switch {
	case d.Author == "" || len(d.Author) > maxAuthor:
		return errors.New("the draft has no author")
	case len(d.Reason) > MaxReason:
		return fmt.Errorf("the reason is longer than %d bytes", MaxReason)
	case !utf8.ValidString(d.Reason), strings.ContainsFunc(d.Reason, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the reason must be one line of text")
	case len(d.Text) > authz.MaxDocumentBytes:
		return fmt.Errorf("the document is longer than %d bytes", authz.MaxDocumentBytes)
	}
	return nil
}
