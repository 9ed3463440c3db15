package revocation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"drawbridge/store/feed"
)

// The longest that something of a kind can still be shown by somebody. They are the
// bounds of the configuration and not its values, which may have been other ones
// when a token was made, with a margin for clocks and for the registries' leeway.
const (
	margin      = 5 * time.Minute
	tokenLife   = time.Hour + margin
	sessionLife = 366 * 24 * time.Hour
	// keyLife is for as long as a key may be kept for verifying; who has stolen it
	// can sign with it at any time.
	keyLife = 10 * sessionLife
)

// maxValue bounds an ID or a name, in bytes.
const maxValue = 512

// Order is who wants something revoked, and why.
type Order struct {
	// By is the actor as audit events name one: cli:root, corp/alice. It is
	// required.
	By string
	// Reason is their word for why; it may be empty.
	Reason string
	// Until is when what is revoked will have expired by itself; zero is the
	// longest that can be.
	Until time.Time
}

// Writer writes to the feed; feed.Writer is one.
type Writer interface {
	// Append returns without an error when the changes are durable.
	Append(ctx context.Context, changes ...feed.Change) error
}

// Revoker revokes. What it has returned without an error is durable, and in force
// in every process within a second. That something is revoked twice, or was never
// there, is no error.
type Revoker struct {
	writer Writer
	clock  func() time.Time
}

// NewRevoker returns a revoker; the clock may be nil, which means time.Now.
func NewRevoker(w Writer, clock func() time.Time) *Revoker {
	if clock == nil {
		clock = time.Now
	}
	return &Revoker{writer: w, clock: clock}
}

// Token refuses one access token, by its jti.
func (r *Revoker) Token(ctx context.Context, id string, o Order) error {
	return r.revoke(ctx, feed.RevokeToken, id, o, tokenLife)
}

// Session refuses every access token of a session, by the session's ID. The
// session's own record is package sessions' to end.
func (r *Revoker) Session(ctx context.Context, id string, o Order) error {
	return r.revoke(ctx, feed.RevokeSession, id, o, sessionLife)
}

// Person refuses every token of a person or robot who was verified until now, and
// has what is remembered about them forgotten. The name is the qualified one.
func (r *Revoker) Person(ctx context.Context, name string, o Order) error {
	connector, rest, ok := strings.Cut(name, "/")
	robot := strings.HasPrefix(name, "robot:") && name != "robot:"
	if !robot && (!ok || connector == "" || rest == "") {
		return fmt.Errorf("%q is no qualified name such as corp/alice or robot:ci", name)
	}
	return r.revoke(ctx, feed.RevokePerson, name, o, sessionLife)
}

// Key refuses every token that a key has signed, by its kid.
func (r *Revoker) Key(ctx context.Context, kid string, o Order) error {
	return r.revoke(ctx, feed.RevokeKey, kid, o, keyLife)
}

func (r *Revoker) revoke(ctx context.Context, kind feed.Kind, value string, o Order, life time.Duration) error {
	switch {
	case value == "", len(value) > maxValue, !utf8.ValidString(value), strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("an ID or a name has 1 to %d bytes and no control characters", maxValue)
	case o.By == "":
		return errors.New("it is not known who revokes")
	}
	now := r.clock().UTC()
	end := now.Add(life)
	if !o.Until.IsZero() && o.Until.Add(margin).Before(end) {
		end = o.Until.UTC().Add(margin)
	}
	if !end.After(now) {
		return nil // it has expired already
	}
	err := r.writer.Append(ctx, feed.Change{Kind: kind, Value: value, At: now, By: o.By, Reason: o.Reason, ExpiresAt: end})
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return nil
}
