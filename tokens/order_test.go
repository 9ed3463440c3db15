package tokens_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/store/feed"
	"drawbridge/tokens"
)

// command opens the keys of a server's directory as a command does.
func (w *world) command(opts tokens.Options) *tokens.Keys {
	w.t.Helper()
	opts.Existing = true
	return w.open(opts)
}

var order = tokens.Order{By: "cli:test", Reason: "a test"}

// announce hands the replicas every change that is in the feed.
func (w *world) announce(replicas ...*tokens.Keys) []feed.Change {
	w.t.Helper()
	changes, _, err := w.store.ChangesSince(w.t.Context(), 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, k := range replicas {
		for _, c := range changes {
			k.Apply(c)
		}
	}
	return changes
}

// leafOf is the kid of the leaf that signs.
func leafOf(k *tokens.Keys) string {
	for _, info := range k.KeyExpiry() {
		if info.Role == tokens.RoleLeaf {
			return info.KeyID
		}
	}
	return ""
}

func TestRollLeavesOfEveryReplica(t *testing.T) {
	w := newWorld(t)
	aOpts := w.options("a")
	a := w.open(aOpts)
	neighbour := w.open(aOpts) // shares a's directory
	b := w.replica("b")
	downOpts := w.options("down")
	down := w.open(downOpts)
	old := map[*tokens.Keys]string{}
	for _, k := range []*tokens.Keys{a, neighbour, b, down} {
		old[k] = w.mint(k, leafSvc)
	}
	before := []string{leafOf(a), leafOf(b), leafOf(down)}
	rolled, err := w.command(aOpts).RollLeaves(t.Context(), order)
	if err != nil || len(rolled) != 3 {
		t.Fatalf("%d leaves are to be replaced, %v", len(rolled), err)
	}
	w.sync(a, neighbour, b)
	if leafOf(a) != leafOf(neighbour) {
		t.Error("processes that share a directory have two leaves")
	}
	if slices.Contains(before, leafOf(a)) || slices.Contains(before, leafOf(b)) {
		t.Error("a leaf was not replaced")
	}
	restarted := w.open(downOpts)
	if slices.Contains(before, leafOf(restarted)) {
		t.Error("a replica that was down goes on with its leaf")
	}
	all := []*tokens.Keys{a, neighbour, b, restarted}
	for _, token := range old {
		w.verify(token, true, all...)
	}
	for _, k := range all {
		w.verify(w.mint(k, leafSvc), true, all...)
	}
	// It is done: nothing rolls again, now or after a restart.
	now := leafOf(a)
	w.sync(a, neighbour)
	if leafOf(a) != now || leafOf(w.open(aOpts)) != now {
		t.Error("the leaf is replaced again and again")
	}
	w.clock.advance(ttl + 2*time.Minute)
	w.sync(all...)
	for _, k := range all {
		for _, kid := range before {
			if slices.Contains(kids(t, k), kid) {
				t.Error("a leaf is still listed after its last token")
			}
		}
	}
}

func TestRevokeLeaves(t *testing.T) {
	w := newWorld(t)
	aOpts := w.options("a")
	a, b := w.open(aOpts), w.replica("b")
	retired := w.mint(a, leafSvc)
	if err := a.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := []string{retired, w.mint(a, leafSvc), w.mint(b, leafSvc)}
	static := w.mint(a, kidSvc)
	for _, token := range old {
		w.verify(token, true, a, b)
	}
	var announced []feed.Change
	aOpts.Announce = func(_ context.Context, stored ...feed.Change) { announced = append(announced, stored...) }
	revoked, err := w.command(aOpts).RevokeLeaves(t.Context(), order)
	if err != nil || len(revoked) != 3 {
		t.Fatalf("%d leaves are revoked, %v", len(revoked), err)
	}
	if len(announced) != 6 || announced[0].Seq == 0 { // each is revoked, and is to be replaced
		t.Errorf("announced: %v", announced)
	}
	// The feed alone is enough, before any turn.
	for _, c := range w.announce(a, b) {
		if c.Kind == feed.RevokeKey && (c.By != order.By || c.Reason != order.Reason || !c.ExpiresAt.After(revoked[0].NotAfter)) {
			t.Errorf("%+v", c)
		}
	}
	for _, token := range old {
		w.verify(token, false, a, b)
	}
	w.verify(static, true, a, b)
	w.sync(a, b)
	for _, k := range []*tokens.Keys{a, b, w.open(aOpts), w.replica("c")} {
		for _, token := range old {
			w.verify(token, false, k)
		}
		w.verify(w.mint(k, leafSvc), true, a, b)
		for _, r := range revoked {
			if slices.Contains(kids(t, k), r.KeyID) || leafOf(k) == r.KeyID {
				t.Error("a revoked leaf is in use, or in the JWKS")
			}
		}
	}
}

// A key may be revoked by its kid alone, which is all that the feed has.
func TestRevokedLeafIsReplaced(t *testing.T) {
	w := newWorld(t)
	a := w.replica("a")
	token, before := w.mint(a, leafSvc), leafOf(a)
	verifier := tokens.NewVerifier(a)
	defer verifier.Close() //nolint:errcheck // it is of memory
	if _, err := verifier.Verify(token); err != nil {
		t.Fatal(err)
	}
	a.Apply(feed.Change{Kind: feed.RevokeKey, Value: before})
	w.verify(token, false, a)
	// The cause says whose token it was, but not of one that the key did not sign.
	for what, verify := range map[string]func(string) (tokens.Claims, error){"Keys": a.Verify, "Verifier": verifier.Verify} {
		_, err := verify(token)
		if cause, ok := errors.AsType[*tokens.RevokedKeyError](err); !ok || cause.Claims.Subject != "corp/alice" || cause.Claims.KeyID != before {
			t.Errorf("%s: %v", what, err)
		}
		_, err = verify(token[:len(token)-6] + "AAAAAA")
		if _, ok := errors.AsType[*tokens.RevokedKeyError](err); ok || err == nil {
			t.Errorf("%s, forged: %v", what, err)
		}
	}
	w.sync(a)
	if leafOf(a) == before {
		t.Error("a revoked leaf signs on")
	}
	w.verify(token, false, a)
	w.verify(w.mint(a, leafSvc), true, a)
}

// What a thief signs with a stolen leaf may say that it lives for long.
func TestStolenLeafStaysRevoked(t *testing.T) {
	w := newWorld(t)
	opts := w.options("a")
	a := w.open(opts)
	thief := opts
	thief.Store, thief.LongestTTL = nil, 30*24*time.Hour // the most that does not make a new leaf
	thief.Dir = filepath.Join(t.TempDir(), "copy")
	for _, name := range []string{"ca.pem", "leaf.pem"} {
		w.write(filepath.Join(thief.Dir, name), w.read(filepath.Join(opts.Dir, name)))
	}
	c := claims(leafSvc, w.clock.Now())
	c.TTL = thief.LongestTTL
	forever, err := w.open(thief).Mint(leafSvc, c)
	if err != nil {
		t.Fatal(err)
	}
	w.verify(forever, true, a)
	if _, err := w.command(opts).RevokeLeaves(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		w.sync(a)
		w.verify(forever, false, a, w.open(opts))
		w.clock.advance(10 * 24 * time.Hour) // the record is pruned, the feed forgets
	}
}

// The whole chain, as servers run it: an order, the feed, Run.
func TestOrdersReachRunningProcesses(t *testing.T) {
	w := newWorld(t)
	opts := w.options("a")
	a, b := w.open(opts), w.replica("b")
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, k := range []*tokens.Keys{a, b} {
		follower := feed.NewFollower(feed.Options{Source: w.store})
		follower.On(feed.KeysChanged, k.Apply)
		follower.On(feed.RevokeKey, k.Apply)
		running.Go(func() { follower.Run(ctx) })
		running.Go(func() { k.Run(ctx) })
	}
	defer running.Wait()
	defer cancel()
	await := func(what string, done func() bool) {
		t.Helper()
		for range 1000 {
			if done() {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("never: %s", what)
	}
	for round := range 2 {
		oldA, oldB, token := leafOf(a), leafOf(b), w.mint(a, leafSvc)
		command := w.command(opts)
		var err error
		if round == 0 {
			_, err = command.RollLeaves(t.Context(), order)
		} else {
			_, err = command.RevokeLeaves(t.Context(), order)
		}
		if err != nil {
			t.Fatal(err)
		}
		await("both have a new leaf", func() bool { return leafOf(a) != oldA && leafOf(b) != oldB })
		await("b takes what a signs", func() bool { _, err := b.Verify(w.mint(a, leafSvc)); return err == nil })
		w.verify(token, round == 0, a, b)
	}
}

func TestOrdersThatAreRefused(t *testing.T) {
	w := newWorld(t)
	opts := w.options("a")
	w.open(opts)
	command := w.command(opts)
	for _, service := range []string{leafSvc, "nobody"} {
		if _, err := command.PrepareStatic(t.Context(), service, order); err == nil {
			t.Errorf("%s got a static key", service)
		}
		if _, _, err := command.SwitchStatic(t.Context(), service, true, order); err == nil {
			t.Errorf("%s got a static key", service)
		}
	}
	if err := command.RetireCA(t.Context(), order); err == nil {
		t.Error("the only CA was retired")
	}
	w.store.down.Store(true)
	before := w.records()
	if _, err := command.RevokeLeaves(t.Context(), order); err == nil {
		t.Error("a revocation was acknowledged that no store has")
	}
	if err := command.NewCA(t.Context(), order); err == nil {
		t.Error("a CA was made that nobody could be told of")
	}
	if after := w.records(); len(after) != len(before) {
		t.Error("the store was changed")
	}
	opts.Dir = filepath.Join(t.TempDir(), "elsewhere")
	if _, err := tokens.Open(withExisting(opts)); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("a command in another directory: %v", err)
	}
	if err := os.Mkdir(opts.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Open(withExisting(opts)); err == nil || !strings.Contains(err.Error(), "no signing CA") {
		t.Errorf("a command in an empty directory: %v", err)
	}
	if _, err := os.Stat(filepath.Join(opts.Dir, "ca.pem")); err == nil {
		t.Error("a command made a CA")
	}
}

func withExisting(opts tokens.Options) tokens.Options {
	opts.Existing = true
	return opts
}
