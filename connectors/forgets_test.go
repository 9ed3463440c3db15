package connectors_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/store/feed"
)

// handed is a feed whose changes a test hands out.
type handed struct {
	handlers map[feed.Kind]func(feed.Change)
	loading  error
	seq      int64
}

func newHanded() *handed { return &handed{handlers: map[feed.Kind]func(feed.Change){}} }

func (h *handed) On(kind feed.Kind, handle func(feed.Change)) { h.handlers[kind] = handle }
func (h *handed) Loaded() error                               { return h.loading }

func (h *handed) forget(name string, at time.Time) {
	h.seq++
	h.handlers[feed.Forget](feed.Change{Seq: h.seq, Kind: feed.Forget, Value: name, At: at})
}

// forgetful is a world whose chain forgets.
func forgetful() (*world, *handed) {
	h := newHanded()
	var w *world
	w = newWorld(func(o *connectors.CachedOptions) {
		o.Forgets = connectors.NewForgets(h, func() time.Time { return w.now })
	})
	return w, h
}

// asks logs in and says whether the connector was asked.
func (w *world) asks(t *testing.T, username, password string) bool {
	t.Helper()
	before := w.corp.asked
	w.login(t, username, password)
	return w.corp.asked > before
}

func TestForgetMeetsAPersonByEveryName(t *testing.T) {
	for _, tt := range []struct {
		forget, typed string
		found         identity.Identity
		asked         bool
	}{
		{"alice", "alice", person("corp", "alice"), true},
		{"corp/alice", "alice", person("corp", "alice"), true},
		{"Corp/ALICE", "alice", person("corp", "alice"), true},
		{"corp/alice", "ALICE", person("corp", "Alice"), true},
		{"corp/alice", "alice@corp.example", person("corp", "alice"), true},
		{"alice@corp.example", "alice@corp.example", person("corp", "alice"), true},
		{"corp/alice@corp.example", "Alice@corp.example", person("corp", "alice"), true},
		{"CORP/JÜRGEN", "jürgen", person("corp", "jürgen"), true},
		{"robot:ci", "robot.ci", identity.Identity{Kind: identity.Robot, Name: "ci"}, true},
		{"alice", "alice2", person("corp", "alice2"), false},
		{"sso/alice", "alice", person("corp", "alice"), false},
		{"corp", "alice", person("corp", "alice"), false},
		{"bob", "alice", person("corp", "alice"), false},
	} {
		w, h := forgetful()
		w.corp.outcome = connectors.Granted(tt.found)
		if !w.asks(t, tt.typed, "x") || w.asks(t, tt.typed, "x") {
			t.Fatal("nothing is remembered")
		}
		h.forget(tt.forget, w.now)
		if got := w.asks(t, tt.typed, "x"); got != tt.asked {
			t.Errorf("forget %s, %s logs in and is %s: asked again: %v", tt.forget, tt.typed, tt.found, got)
		}
		if w.asks(t, tt.typed, "x") {
			t.Errorf("forget %s: nothing is remembered afterwards", tt.forget)
		}
	}
}

// A refusal names nobody, so that every forget meets it: the person may have been
// unlocked, or given another password, under any name.
func TestForgetMeetsEveryRefusal(t *testing.T) {
	for _, refusal := range []connectors.Outcome{connectors.Denied(connectors.AccountDisabled), connectors.NotMine()} {
		w, h := forgetful()
		w.corp.outcome = refusal
		if !w.asks(t, "alice@corp.example", "x") || w.asks(t, "alice@corp.example", "x") {
			t.Fatal("the refusal is not remembered")
		}
		h.forget("corp/alice", w.now)
		if !w.asks(t, "alice@corp.example", "x") || w.asks(t, "alice@corp.example", "x") {
			t.Errorf("%s: not asked again once", refusal)
		}
	}
}

// Grace is for people who are known from before, and a forgotten one is not.
func TestForgetEndsGrace(t *testing.T) {
	down := connectors.Unavailable(errors.New("down"))
	w, h := forgetful()
	w.login(t, "alice", "x")
	w.corp.outcome = connectors.Granted(person("corp", "bob"))
	w.login(t, "bob", "x")
	h.forget("corp/alice", w.now)
	w.corp.outcome, w.now = down, w.now.Add(2*time.Minute)
	if got := w.login(t, "alice", "x"); got.Kind() != connectors.KindUnavailable {
		t.Errorf("forgotten: got %s", got.Outcome)
	}
	if got := w.login(t, "bob", "x"); got.Kind() != connectors.KindGranted || !got.Stale {
		t.Errorf("somebody else: got %s", got.Outcome)
	}
	// Also while the connector is being asked.
	w.corp.meanwhile = func() { h.forget("bob", w.now) }
	if got := w.login(t, "bob", "x"); got.Kind() != connectors.KindUnavailable {
		t.Errorf("forgotten meanwhile: got %s", got.Outcome)
	}
}

func TestARevokedPersonIsForgotten(t *testing.T) {
	w, h := forgetful()
	w.login(t, "alice", "x")
	h.handlers[feed.RevokePerson](feed.Change{Seq: 1, Kind: feed.RevokePerson, Value: "corp/alice", At: w.now})
	if !w.asks(t, "alice", "x") {
		t.Error("alice is remembered")
	}
}

// An answer that was asked for before the forget is given to who asked, and kept
// for nobody; nor is what was there before it.
func TestForgetWhileTheConnectorIsAsked(t *testing.T) {
	for what, outcome := range map[string]connectors.Outcome{
		"a grant": connectors.Granted(person("corp", "alice")), "a refusal": connectors.Denied(connectors.WrongPassword),
	} {
		w, h := forgetful()
		w.login(t, "alice", "x")
		w.now = w.now.Add(2 * time.Minute)
		w.corp.outcome = outcome
		w.corp.meanwhile = func() { h.forget("alice", w.now); w.corp.meanwhile = nil }
		if got := w.login(t, "alice", "x"); got.Kind() != outcome.Kind() {
			t.Errorf("%s: got %s", what, got.Outcome)
		}
		w.corp.outcome = connectors.Unavailable(errors.New("down"))
		if got := w.login(t, "alice", "x"); got.Kind() != connectors.KindUnavailable {
			t.Errorf("%s from before is used: %s", what, got.Outcome)
		}
	}
}

// Who comes after the forget does not wait for an answer from before it.
func TestForgetPartsThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &slow{release: make(chan struct{})}
		h := newHanded()
		opts := options(&mapCache{values: map[string][]byte{}})
		opts.Forgets = connectors.NewForgets(h, nil)
		c := connectors.Cached(connectors.NewChain(connectors.Link{Connector: backend}), opts)
		var wg sync.WaitGroup
		login := func() { wg.Go(func() { c.Authenticate(t.Context(), credential("alice", "x")) }) }
		login()
		login()
		synctest.Wait()
		h.forget("alice", time.Now())
		login()
		login()
		synctest.Wait()
		close(backend.release)
		wg.Wait()
		if n := backend.asked.Load(); n != 2 {
			t.Errorf("asked %d times", n)
		}
	})
}

// Two replicas share a cache, and one learns of a forget later than the other.
func TestForgetInASharedCache(t *testing.T) {
	first, firstFeed := forgetful()
	second, secondFeed := forgetful()
	second.store.values = first.store.values
	first.login(t, "alice", "x")
	if second.asks(t, "alice", "x") {
		t.Fatal("the cache is not shared")
	}
	firstFeed.forget("alice", start)
	if second.asks(t, "alice", "x") {
		t.Error("the second cannot know yet, and is asked")
	}
	if !first.asks(t, "alice", "x") {
		t.Error("the first uses what it has forgotten")
	}
	// What the second writes before it knows is nothing for the first.
	second.corp.outcome = connectors.Granted(person("corp", "alice"))
	clear(first.store.values)
	second.login(t, "alice", "x")
	if !first.asks(t, "alice", "x") {
		t.Error("the first uses what somebody wrote who did not know")
	}
	secondFeed.forget("alice", start)
	if second.asks(t, "alice", "x") {
		t.Error("both know of the same, and the second does not use what the first wrote")
	}
	// A restored store gives a number a second time.
	secondFeed.seq = 0
	secondFeed.forget("alice", start.Add(time.Second))
	if !second.asks(t, "alice", "x") {
		t.Error("a forget with a number that was there before is none")
	}
}

// A process that does not know yet whom to forget cannot use what others have
// cached; what it caches itself can be used.
func TestForgetsThatAreNotKnownYet(t *testing.T) {
	w, h := forgetful()
	h.loading = errors.New("the store is down")
	for range 2 {
		if !w.asks(t, "alice", "x") {
			t.Error("a remembered grant is used")
		}
	}
	w.corp.outcome = connectors.Unavailable(errors.New("down"))
	w.now = w.now.Add(2 * time.Minute)
	if got := w.login(t, "alice", "x"); got.Kind() != connectors.KindUnavailable {
		t.Errorf("grace: got %s", got.Outcome)
	}
	h.loading = nil
	if got := w.login(t, "alice", "x"); got.Kind() != connectors.KindGranted || !got.Stale {
		t.Errorf("loaded: got %s", got.Outcome)
	}
}

// Forgets expire, everywhere at the same time: a person's revocation, which is kept
// for a year, has a process that starts later agree with the others.
func TestForgetsExpire(t *testing.T) {
	now := start
	h := newHanded()
	f := connectors.NewForgets(h, func() time.Time { return now })
	for i := range 200 {
		h.forget(strconv.Itoa(i), start.Add(time.Duration(i)*time.Minute))
	}
	of := func(f *connectors.Forgets, name string) (connectors.Epoch, connectors.Epoch) {
		somebody, _ := f.Of(person("corp", name), name, 0)
		nobody, _ := f.OfNobody(0)
		return somebody, nobody
	}
	now = start.Add(connectors.ForgetFor + 100*time.Minute)
	later := newHanded()
	started := connectors.NewForgets(later, func() time.Time { return now })
	for i := range 200 {
		later.forget(strconv.Itoa(i), start.Add(time.Duration(i)*time.Minute))
	}
	for i := range 200 {
		a, aNobody := of(f, strconv.Itoa(i))
		b, bNobody := of(started, strconv.Itoa(i))
		if a != b || aNobody != bNobody || (a == "") != (i <= 100) || aNobody == "" {
			t.Errorf("%d: %q and %q, nobody's %q and %q", i, a, b, aNobody, bNobody)
		}
	}
	now = now.Add(2 * time.Hour)
	if _, nobody := of(f, "199"); nobody != "" {
		t.Errorf("the last one is over: %q", nobody)
	}
}
