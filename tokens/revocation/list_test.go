package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"

	"github.com/google/go-cmp/cmp"
)

// now is the moment at which all tests begin.
var now = time.Date(2030, 1, 2, 3, 4, 5, 678e6, time.UTC)

// handed is a feed whose changes a test hands out.
type handed struct {
	handlers map[feed.Kind]func(feed.Change)
	stale    error
}

func newHanded() *handed { return &handed{handlers: map[feed.Kind]func(feed.Change){}} }

func (h *handed) On(kind feed.Kind, handle func(feed.Change)) { h.handlers[kind] = handle }
func (h *handed) Fresh() error                                { return h.stale }

// revoke hands out a change of this moment.
func (h *handed) revoke(kind feed.Kind, value string, life time.Duration) {
	h.handlers[kind](feed.Change{Kind: kind, Value: value, At: now, ExpiresAt: now.Add(life)})
}

func claims(edit func(*tokens.Claims)) tokens.Claims {
	c := tokens.Claims{
		Subject: "corp/alice", ID: "token-1", Session: "session-1", KeyID: "key-1",
		IssuedAt: now.Add(time.Minute), AuthTime: now.Add(-time.Hour),
	}
	edit(&c)
	return c
}

func same(*tokens.Claims) {}

func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		kind  feed.Kind
		value string
		edit  func(*tokens.Claims)
		want  feed.Kind // empty: it passes
	}{
		"the token":                  {feed.RevokeToken, "token-1", same, feed.RevokeToken},
		"another token":              {feed.RevokeToken, "token-2", same, ""},
		"the session":                {feed.RevokeSession, "session-1", same, feed.RevokeSession},
		"a token ID is no session":   {feed.RevokeToken, "session-1", same, ""},
		"no session":                 {feed.RevokeSession, "session-1", func(c *tokens.Claims) { c.Session = "" }, ""},
		"the key":                    {feed.RevokeKey, "key-1", same, feed.RevokeKey},
		"another key":                {feed.RevokeKey, "key-2", same, ""},
		"the person":                 {feed.RevokePerson, "corp/alice", same, feed.RevokePerson},
		"the person, typed":          {feed.RevokePerson, "Corp/ALICE", same, feed.RevokePerson},
		"the person, spelled so":     {feed.RevokePerson, "corp/jürgen", func(c *tokens.Claims) { c.Subject = "corp/JÜRGEN" }, feed.RevokePerson},
		"another person":             {feed.RevokePerson, "corp/alice2", same, ""},
		"the robot":                  {feed.RevokePerson, "robot:ci", func(c *tokens.Claims) { c.Subject = "robot:ci" }, feed.RevokePerson},
		"nobody":                     {feed.RevokePerson, "corp/alice", func(c *tokens.Claims) { c.Subject = "" }, ""},
		"verified at that moment":    {feed.RevokePerson, "corp/alice", func(c *tokens.Claims) { c.AuthTime = now }, feed.RevokePerson},
		"verified later":             {feed.RevokePerson, "corp/alice", func(c *tokens.Claims) { c.AuthTime = now.Add(time.Millisecond) }, ""},
		"issued in that second":      {feed.RevokePerson, "corp/alice", func(c *tokens.Claims) { c.AuthTime, c.IssuedAt = time.Time{}, now.Truncate(time.Second) }, feed.RevokePerson},
		"issued in the next second":  {feed.RevokePerson, "corp/alice", func(c *tokens.Claims) { c.AuthTime, c.IssuedAt = time.Time{}, now.Add(time.Second) }, ""},
		"verified long ago, now new": {feed.RevokePerson, "corp/alice", func(c *tokens.Claims) { c.IssuedAt = now.Add(time.Hour) }, feed.RevokePerson},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHanded()
			l := revocation.NewList(h, nil)
			c := claims(tt.edit)
			if err := l.Check(c); err != nil {
				t.Fatalf("before anything was revoked: %v", err)
			}
			h.revoke(tt.kind, tt.value, time.Hour)
			err := l.Check(c)
			revoked, ok := errors.AsType[*revocation.RevokedError](err)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.want != "" && (!ok || revoked.Kind != tt.want || revoked.Error() == ""):
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// What is not known is neither good nor, for that alone, bad.
func TestCheckWhileNobodyKnows(t *testing.T) {
	h := newHanded()
	l := revocation.NewList(h, nil)
	h.revoke(feed.RevokeToken, "token-2", time.Hour)
	h.stale = errors.New("last read 3 s ago")
	if err := l.Check(claims(same)); !errors.Is(err, revocation.ErrUnknown) || !errors.Is(err, h.stale) {
		t.Errorf("got %v", err)
	}
	err := l.Check(claims(func(c *tokens.Claims) { c.ID = "token-2" }))
	if _, ok := errors.AsType[*revocation.RevokedError](err); !ok {
		t.Errorf("what is known to be revoked: got %v", err)
	}
}

// A change that comes a second time, after a newer one, takes nothing back.
func TestListKeepsTheLater(t *testing.T) {
	h := newHanded()
	l := revocation.NewList(h, func() time.Time { return now.Add(30 * time.Minute) })
	older := feed.Change{Value: "corp/alice", At: now.Add(-2 * time.Hour), ExpiresAt: now.Add(time.Minute)}
	h.revoke(feed.RevokePerson, "corp/alice", time.Hour)
	h.handlers[feed.RevokePerson](older)
	h.revoke(feed.RevokeToken, "token-9", time.Hour)
	older.Value = "token-9"
	h.handlers[feed.RevokeToken](older)
	l.Sweep()
	if l.Check(claims(same)) == nil || l.Check(tokens.Claims{ID: "token-9"}) == nil {
		t.Error("the later revocation is gone")
	}
}

func TestSweepDropsWhatHasExpired(t *testing.T) {
	h := newHanded()
	clock := now
	l := revocation.NewList(h, func() time.Time { return clock })
	for i := range 1000 {
		h.revoke(feed.RevokeToken, fmt.Sprint("short-", i), time.Minute)
		h.revoke(feed.RevokeToken, fmt.Sprint("long-", i), time.Hour)
	}
	h.revoke(feed.RevokePerson, "corp/alice", time.Minute)
	h.revoke(feed.RevokePerson, "corp/bob", time.Hour)
	h.revoke(feed.RevokeSession, "session-1", time.Minute)
	h.revoke(feed.RevokeKey, "key-1", time.Minute)
	for _, step := range []struct {
		after time.Duration
		want  map[feed.Kind]int
	}{
		{0, map[feed.Kind]int{feed.RevokeToken: 2000, feed.RevokePerson: 2, feed.RevokeSession: 1, feed.RevokeKey: 1}},
		{2 * time.Minute, map[feed.Kind]int{feed.RevokeToken: 1000, feed.RevokePerson: 1, feed.RevokeSession: 0, feed.RevokeKey: 0}},
		{2 * time.Hour, map[feed.Kind]int{feed.RevokeToken: 0, feed.RevokePerson: 0, feed.RevokeSession: 0, feed.RevokeKey: 0}},
	} {
		clock = now.Add(step.after)
		l.Sweep()
		if diff := cmp.Diff(step.want, l.Live()); diff != "" {
			t.Errorf("after %s: %s", step.after, diff)
		}
		for i := range 1000 {
			if err := l.Check(tokens.Claims{ID: fmt.Sprint("long-", i)}); (err != nil) != (step.want[feed.RevokeToken] > 0) {
				t.Fatalf("after %s: %v", step.after, err)
			}
		}
	}
}

func TestListUnderLoad(t *testing.T) {
	h := newHanded()
	l := revocation.NewList(h, func() time.Time { return now.Add(time.Minute) })
	h.revoke(feed.RevokeToken, "always", time.Hour)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				if l.Check(tokens.Claims{ID: "always"}) == nil {
					t.Error("a revoked token passes")
					return
				}
			}
		})
	}
	for i := range 2000 {
		h.revoke(feed.RevokeToken, fmt.Sprint(i), time.Duration(i%2)*time.Hour)
		if i%100 == 0 {
			l.Sweep()
		}
	}
	wg.Wait()
}

// TestRevokeWithARealStore: what one process revokes, another one refuses, and so
// does one that starts afterwards.
func TestRevokeWithARealStore(t *testing.T) {
	dir := t.TempDir()
	type process struct {
		*revocation.List
		*revocation.Revoker
		*feed.Follower
	}
	open := func() process {
		s, err := store.Open(context.Background(), store.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		f := feed.NewFollower(feed.Options{Source: s})
		l := revocation.NewList(f, nil)
		if err := f.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		w := feed.NewWriter(feed.WriterOptions{Store: s, Look: f.Look, Log: slog.New(slog.DiscardHandler)})
		return process{l, revocation.NewRevoker(w, nil), f}
	}
	first, second := open(), open()
	issued := time.Now()
	good := tokens.Claims{Subject: "corp/bob", ID: "good", Session: "s-good", KeyID: "k-good", IssuedAt: issued}
	bad := map[string]tokens.Claims{}
	for kind, edit := range map[string]func(*tokens.Claims){
		"token":   func(c *tokens.Claims) { c.ID = "bad" },
		"session": func(c *tokens.Claims) { c.Session = "s-bad" },
		"person":  func(c *tokens.Claims) { c.Subject = "corp/alice" },
		"key":     func(c *tokens.Claims) { c.KeyID = "k-bad" },
	} {
		c := good
		edit(&c)
		bad[kind] = c
	}
	by := revocation.Order{By: "cli:root", Reason: "lost laptop"}
	for _, err := range []error{
		first.Token(t.Context(), "bad", by), first.Session(t.Context(), "s-bad", by),
		first.Person(t.Context(), "corp/alice", by), first.Key(t.Context(), "k-bad", by),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := second.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	for where, p := range map[string]process{"here": first, "there": second, "later": open()} {
		for kind, c := range bad {
			if _, ok := errors.AsType[*revocation.RevokedError](p.Check(c)); !ok {
				t.Errorf("%s: the %s passes", where, kind)
			}
		}
		if err := p.Check(good); err != nil {
			t.Errorf("%s: what was not revoked: %v", where, err)
		}
	}
}

// kept is a feed's writer that keeps what it is given.
type kept struct {
	changes []feed.Change
	err     error
}

func (k *kept) Append(_ context.Context, changes ...feed.Change) error {
	k.changes = append(k.changes, changes...)
	return k.err
}

func TestRevokerKnowsHowLong(t *testing.T) {
	const year = 366 * 24 * time.Hour
	revoke := func(do func(*revocation.Revoker) error) []feed.Change {
		t.Helper()
		k := &kept{}
		if err := do(revocation.NewRevoker(k, func() time.Time { return now })); err != nil {
			t.Fatal(err)
		}
		return k.changes
	}
	order := func(until time.Duration) revocation.Order {
		o := revocation.Order{By: "cli:root", Reason: "why"}
		if until != 0 {
			o.Until = now.Add(until)
		}
		return o
	}
	for name, tt := range map[string]struct {
		do   func(*revocation.Revoker) error
		want time.Duration // negative: nothing is written
	}{
		"a token":              {func(r *revocation.Revoker) error { return r.Token(t.Context(), "x", order(0)) }, 65 * time.Minute},
		"a short token":        {func(r *revocation.Revoker) error { return r.Token(t.Context(), "x", order(time.Minute)) }, 6 * time.Minute},
		"a token that is over": {func(r *revocation.Revoker) error { return r.Token(t.Context(), "x", order(-time.Hour)) }, -1},
		"no longer than that":  {func(r *revocation.Revoker) error { return r.Token(t.Context(), "x", order(year)) }, 65 * time.Minute},
		"a session":            {func(r *revocation.Revoker) error { return r.Session(t.Context(), "x", order(0)) }, year},
		"a person":             {func(r *revocation.Revoker) error { return r.Person(t.Context(), "corp/alice", order(0)) }, year},
		"a robot":              {func(r *revocation.Revoker) error { return r.Person(t.Context(), "robot:ci", order(0)) }, year},
		"a key":                {func(r *revocation.Revoker) error { return r.Key(t.Context(), "x", order(0)) }, 10 * year},
	} {
		changes := revoke(tt.do)
		if tt.want < 0 {
			if len(changes) != 0 {
				t.Errorf("%s: %v", name, changes)
			}
			continue
		}
		if len(changes) != 1 || changes[0].ExpiresAt.Sub(now) != tt.want || !changes[0].At.Equal(now) || changes[0].By != "cli:root" || changes[0].Reason != "why" {
			t.Errorf("%s: %+v", name, changes)
		}
	}
}

func TestRevokerRefuses(t *testing.T) {
	k := &kept{}
	r := revocation.NewRevoker(k, nil)
	by := revocation.Order{By: "cli:root"}
	for name, err := range map[string]error{
		"no ID":                r.Token(t.Context(), "", by),
		"a long ID":            r.Session(t.Context(), strings.Repeat("x", 513), by),
		"a line break":         r.Key(t.Context(), "a\nb", by),
		"not UTF-8":            r.Token(t.Context(), "\xff", by),
		"nobody":               r.Token(t.Context(), "x", revocation.Order{}),
		"an unqualified name":  r.Person(t.Context(), "alice", by),
		"no name":              r.Person(t.Context(), "corp/", by),
		"no connector":         r.Person(t.Context(), "/alice", by),
		"a robot without name": r.Person(t.Context(), "robot:", by),
	} {
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if len(k.changes) != 0 {
		t.Errorf("written all the same: %v", k.changes)
	}
	k.err = store.ErrUnavailable
	if err := r.Token(t.Context(), "x", by); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a store that is down: %v", err)
	}
}
