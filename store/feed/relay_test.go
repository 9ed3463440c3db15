package feed_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"drawbridge/store/feed"
)

// away is a world in which one follower no longer reaches the store, and another
// one does.
func away(t *testing.T) (w *world, there, cutOff *replica, otherStore *list) {
	t.Helper()
	w = newWorld(t)
	w.store.add("a", "b")
	there = w.replica(true)
	gone := &list{now: w.clock, changes: slices.Clone(w.store.changes)}
	mine := w.store
	w.store = gone
	cutOff = w.replica(true)
	w.store = mine
	w.look(there, true)
	w.look(cutOff, true)
	gone.stop(true)
	return w, there, cutOff, gone
}

func TestRelayCarriesWhatTheStoreCannot(t *testing.T) {
	w, there, cutOff, _ := away(t)
	w.look(cutOff, true) // nothing is new, and that is known
	w.store.add("c", "d")
	w.look(there, true)
	w.look(cutOff, true)
	w.want(cutOff, "a", "b", "c", "d")
	w.now = w.now.Add(time.Minute)
	w.look(cutOff, true)
	if err := cutOff.Fresh(); err != nil {
		t.Error(err)
	}
}

// What a writer has put there is known without any follower.
func TestRelayCarriesWhatAWriterPublishes(t *testing.T) {
	w, _, cutOff, _ := away(t)
	if err := feed.NewRelay(w.cache).Publish(t.Context(), w.store.add("c", "d")...); err != nil {
		t.Fatal(err)
	}
	w.look(cutOff, true)
	w.want(cutOff, "a", "b", "c", "d")
}

func TestRelayThatHasLostSomethingProvesNothing(t *testing.T) {
	for name, lose := range map[string]func(s *shared){
		"everything":                        func(s *shared) { clear(s.values) },
		"the head":                          func(s *shared) { delete(s.values, "feed:head") },
		"a change":                          func(s *shared) { delete(s.values, "feed:3") },
		"the last ones":                     func(s *shared) { s.values["feed:head"] = []byte("1"); delete(s.values, "feed:2") },
		"one on its way, the head set back": func(s *shared) { s.values["feed:head"] = []byte("2"); delete(s.values, "feed:3") },
		"far behind":                        func(s *shared) { s.values["feed:head"] = []byte("-3000") },
		"no number":                         func(s *shared) { s.values["feed:head"] = []byte("x") },
		"no change":                         func(s *shared) { s.values["feed:3"] = []byte("{}") },
		"Redis is down":                     func(s *shared) { s.down = true },
	} {
		t.Run(name, func(t *testing.T) {
			w, there, cutOff, gone := away(t)
			w.store.add("c", "d")
			w.look(there, true)
			w.cache.do(func() { lose(w.cache) })
			w.look(cutOff, false)
			w.now = w.now.Add(2 * time.Second)
			if cutOff.Fresh() == nil {
				t.Error("fresh all the same")
			}
			// With the store it goes on where it was.
			gone.changes = w.store.changes
			gone.stop(false)
			w.look(cutOff, true)
			w.want(cutOff, "a", "b", "c", "d")
		})
	}
}

// A Redis that starts again with an older state of itself.
func TestRelaySetBackIsFilledAgain(t *testing.T) {
	w, there, cutOff, _ := away(t)
	older := maps.Clone(w.cache.values)
	w.store.add("c", "d")
	w.look(there, true)
	w.cache.do(func() { w.cache.values = older })
	w.look(there, true)
	w.look(cutOff, true)
	w.want(cutOff, "a", "b", "c", "d")
}

// A head that a slower writer has set back is made up for, in both directions.
func TestRelayHeadSetBack(t *testing.T) {
	w, there, cutOff, _ := away(t)
	w.store.add("c", "d")
	w.look(there, true)
	w.cache.do(func() { w.cache.values["feed:head"] = []byte("1") })
	w.look(cutOff, true)
	w.look(cutOff, true)
	w.want(cutOff, "a", "b", "c", "d")
}

func TestRelayIsFilledAgain(t *testing.T) {
	w, there, cutOff, _ := away(t)
	for i := range 1100 {
		w.store.add(strconv.Itoa(i))
		if i%500 == 0 {
			w.look(there, true)
		}
	}
	w.look(there, true)
	w.look(cutOff, true)
	w.cache.do(func() { clear(w.cache.values) })
	w.look(cutOff, false)
	w.look(there, true)
	w.look(cutOff, true)
	if len(cutOff.got) != 1102 {
		t.Errorf("%d changes", len(cutOff.got))
	}
	if n := len(w.cache.values); n != 1001 {
		t.Errorf("%d keys", n)
	}
	before := w.cache.writes
	w.look(there, true)
	if w.cache.writes != before {
		t.Error("what is there already was written again")
	}
}

// A cache that is slow holds up no look: the relay is filled in several, and has its
// head at the end.
func TestRelayIsFilledBySeveralLooks(t *testing.T) {
	w, there, cutOff, _ := away(t)
	for i := range 100 {
		w.store.add(strconv.Itoa(i))
	}
	w.look(there, true)
	w.look(cutOff, true)
	w.cache.do(func() { clear(w.cache.values) })
	w.cache.slow = func() { w.now = w.now.Add(5 * time.Millisecond) }
	looks := 0
	for ; looks < 20 && w.cache.values["feed:head"] == nil; looks++ {
		w.look(cutOff, false)
		w.look(there, true)
	}
	if looks < 3 || looks == 20 {
		t.Errorf("%d looks", looks)
	}
	w.look(cutOff, true)
	w.cache.do(func() { clear(w.cache.values) })
	for range looks {
		w.look(there, true)
	}
	w.look(cutOff, true)
	if n := len(w.cache.values); n != 103 {
		t.Errorf("%d keys", n)
	}
}

// A follower that had no time to put into the relay what it read in the store goes on
// when the store goes away: it knows more than the relay, and the relay has lost
// nothing.
func TestAheadOfTheRelay(t *testing.T) {
	hurried := func(t *testing.T) (w *world, r *replica) {
		t.Helper()
		w = newWorld(t)
		w.store.add("a", "b")
		r = w.replica(true)
		w.look(r, true)
		w.store.add("c", "d", "e")
		w.cache.slow = func() { w.now = w.now.Add(150 * time.Millisecond) } // one, and no more
		w.look(r, true)
		w.cache.slow = nil
		if w.cache.values["feed:3"] == nil || w.cache.values["feed:4"] != nil {
			t.Fatal("the look has put more, or less, than one change into the relay")
		}
		return w, r
	}
	t.Run("it goes on", func(t *testing.T) {
		w, r := hurried(t)
		w.store.stop(true)
		w.now = w.now.Add(time.Minute)
		w.look(r, true)
		if err := r.Fresh(); err != nil {
			t.Error(err)
		}
		w.store.stop(false)
		w.look(r, true)
		w.want(r, "a", "b", "c", "d", "e")
		if head := string(w.cache.values["feed:head"]); head != "5" {
			t.Errorf("with the store back the relay's head is %s", head)
		}
	})
	t.Run("it reads on", func(t *testing.T) {
		w, r := hurried(t)
		if err := feed.NewRelay(w.cache).Publish(t.Context(), w.store.add("f")...); err != nil {
			t.Fatal(err)
		}
		w.store.stop(true)
		w.look(r, true)
		w.want(r, "a", "b", "c", "d", "e", "f")
		w.cache.do(func() { delete(w.cache.values, "feed:6"); w.cache.values["feed:head"] = []byte("3") })
		w.look(r, false) // what it has read there is gone
	})
	for name, lose := range map[string]func(s *shared){
		"everything":         func(s *shared) { clear(s.values) },
		"what it put there":  func(s *shared) { s.values["feed:head"] = []byte("2"); delete(s.values, "feed:3") },
		"the cache is away":  func(s *shared) { s.down = true },
		"what others put in": func(s *shared) { s.values["feed:head"] = []byte("7") },
	} {
		t.Run(name, func(t *testing.T) {
			w, r := hurried(t)
			w.store.stop(true)
			w.cache.do(func() { lose(w.cache) })
			w.look(r, false)
		})
	}
	t.Run("not when the relay is written anew", func(t *testing.T) {
		w, r := hurried(t)
		w.look(r, true)
		w.cache.do(func() { w.cache.values["feed:head"] = []byte("1"); delete(w.cache.values, "feed:3") })
		w.cache.slow = func() { w.now = w.now.Add(150 * time.Millisecond) }
		w.look(r, true)
		w.store.stop(true)
		w.cache.do(func() { delete(w.cache.values, "feed:4") })
		w.look(r, false)
	})
}

// A change that has expired leaves its number behind.
func TestRelayHasNoGaps(t *testing.T) {
	w, there, cutOff, _ := away(t)
	w.store.add("gone")
	w.store.changes[2].ExpiresAt = w.now
	w.store.add("c")
	w.look(there, true)
	w.look(cutOff, true)
	w.want(cutOff, "a", "b", "c")
}

// A new process needs the store once: the relay does not go back to the beginning.
func TestRelayIsNoStart(t *testing.T) {
	w, _, _, _ := away(t)
	w.store.stop(true)
	fresh := w.replica(true)
	w.look(fresh, false)
	if fresh.Loaded() == nil || fresh.Fresh() == nil {
		t.Error("a process that never saw the store is fresh")
	}
	w.store.stop(false)
	w.look(fresh, true)
	w.want(fresh, "a", "b")
}

// A second process finds the relay filled and writes nothing.
func TestRelayIsLeftAloneByANewProcess(t *testing.T) {
	w, _, _, _ := away(t)
	before := w.cache.writes
	w.look(w.replica(true), true)
	if w.cache.writes != before {
		t.Errorf("%d writes", w.cache.writes-before)
	}
}

// After a restore, or with another database, the relay has changes that the store
// never had, under numbers that it is about to give to others.
func TestRelayOfAStoreThatWentBack(t *testing.T) {
	for name, again := range map[string]bool{"noticed": false, "by a new process": true} {
		t.Run(name, func(t *testing.T) {
			w, there, _, _ := away(t)
			w.store.add("c", "d", "e")
			w.look(there, true)
			w.store.changes = w.store.changes[:2]
			if again {
				there = w.replica(true)
				w.look(there, true) // it might have been written since
			}
			w.look(there, true)
			cutOff := w.replica(true)
			w.look(cutOff, true)
			w.store.stop(true)
			w.look(cutOff, true)
			w.store.stop(false)
			w.store.add("C")
			w.look(there, true)
			w.store.stop(true)
			w.look(cutOff, true)
			w.want(cutOff, "a", "b", "C")
		})
	}
}

// TestNothingIsForgotten plays outages at random against two followers. Whenever a
// look is complete, its follower knows everything that was acknowledged before.
func TestNothingIsForgotten(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			play(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func play(t *testing.T, random *rand.Rand) {
	w := newWorld(t)
	replicas := []*replica{w.replica(true), w.replica(true), w.replica(true)}
	var log []string
	var acknowledged []string
	// The one thing that is not promised, see the package's text: a change that
	// did not reach the cache, and then a store that fails before anybody looks.
	unpublished := false
	complete := 0
	for step := range 300 {
		switch random.IntN(13) {
		case 0, 1, 2:
			if w.store.down {
				continue
			}
			value := strconv.Itoa(step)
			unpublished = feed.NewRelay(w.cache).Publish(t.Context(), w.store.add(value)...) != nil || unpublished
			acknowledged = append(acknowledged, value)
			log = append(log, fmt.Sprint("add ", value, ", published: ", !unpublished))
		case 3:
			if !unpublished {
				w.store.stop(!w.store.down)
				log = append(log, fmt.Sprint("store down: ", w.store.down))
			}
		case 4:
			w.cache.down = !w.cache.down
			log = append(log, fmt.Sprint("cache down: ", w.cache.down))
		case 6:
			w.cache.slow = nil
			if random.IntN(2) == 0 { // a look puts one change there and has no time for more
				w.cache.slow = func() { w.now = w.now.Add(150 * time.Millisecond) }
			}
			log = append(log, fmt.Sprint("cache slow: ", w.cache.slow != nil))
		case 5:
			log = append(log, "cache loses: "+lose(random, w.cache, !w.store.down))
		default:
			i := random.IntN(len(replicas))
			err := replicas[i].Look(t.Context())
			log = append(log, fmt.Sprint("look of ", i, ": ", err))
			if err != nil {
				continue
			}
			complete++
			if !w.store.down && !w.cache.down && w.cache.slow == nil {
				unpublished = false // a slow look may have put a part of it there
			}
			if missing := without(acknowledged, replicas[i].got); len(missing) > 0 {
				t.Fatalf("the look of %d is complete without %v:\n%s", i, missing, strings.Join(log, "\n"))
			}
		}
	}
	if complete < 20 {
		t.Errorf("only %d looks were complete", complete)
	}
}

// lose takes something from the cache: all of it, one key, or, as a race of two
// writers does while the store answers, the head's newest state.
func lose(random *rand.Rand, cache *shared, racing bool) string {
	keys := make([]string, 0, len(cache.values))
	for key := range cache.values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if len(keys) == 0 {
		return "nothing"
	}
	head, ok := cache.values["feed:head"]
	switch n := random.IntN(4); {
	case n == 0:
		clear(cache.values)
		return "everything"
	case n == 1 && racing && ok:
		seq, _ := strconv.Atoi(string(head))
		cache.values["feed:head"] = []byte(strconv.Itoa(max(seq-random.IntN(3), 0)))
		return "the head's newest state"
	default:
		key := keys[random.IntN(len(keys))]
		delete(cache.values, key)
		return key
	}
}

func without(all, some []string) []string {
	var missing []string
	for _, v := range all {
		if !slices.Contains(some, v) {
			missing = append(missing, v)
		}
	}
	return missing
}
