package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/cache"
)

// OpenBudget returns a budget of limit members within the window, as two replicas
// see it. In a process it is the same one twice.
type OpenBudget func(t testing.TB, limit int, window time.Duration) [2]cache.Budget

// RunBudget tests one implementation of [cache.Budget].
func RunBudget(t *testing.T, open OpenBudget) {
	t.Helper()
	for _, tt := range []struct {
		name string
		test func(t *testing.T, open OpenBudget)
	}{
		{"counts different members", testBudgetCounts},
		{"keys do not touch each other", testBudgetKeys},
		{"gives back", testBudgetGivesBack},
		{"gives back no other's attempt", testBudgetGivesBackItsOwn},
		{"is refilled", testBudgetRefill},
		{"slides", testBudgetSlides},
		{"holds for what comes at once", testBudgetAtOnce},
		{"keys and members are bytes", testBudgetBytes},
		{"an ended context", testBudgetContext},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open) })
	}
}

// take takes, and fails the test on an error.
func take(t testing.TB, b cache.Budget, key, member string) (cache.Ticket, time.Duration) {
	t.Helper()
	ticket, wait, err := b.Take(t.Context(), key, member)
	if err != nil {
		t.Fatalf("take %q: %v", member, err)
	}
	return ticket, wait
}

// room checks whether there is room for the member.
func room(t testing.TB, b cache.Budget, key, member string, want bool) cache.Ticket {
	t.Helper()
	ticket, wait := take(t, b, key, member)
	if (wait == 0) != want {
		t.Errorf("take %q: wait %s, want room: %v", member, wait, want)
	}
	if wait < 0 || wait > ttl {
		t.Errorf("take %q: wait %s for a window of %s", member, wait, ttl)
	}
	return ticket
}

func giveBack(t testing.TB, b cache.Budget, ticket cache.Ticket) {
	t.Helper()
	if err := b.GiveBack(t.Context(), ticket); err != nil {
		t.Fatalf("give back: %v", err)
	}
}

func testBudgetCounts(t *testing.T, open OpenBudget) {
	sides, k := open(t, 3, ttl), key(t, "k")
	for i := range 4 { // the same again counts once
		room(t, sides[i%2], k, "a", true)
		room(t, sides[i%2], k, "b", true)
	}
	room(t, sides[0], k, "c", true)
	for i, member := range []string{"d", "e", "d", "a"} {
		room(t, sides[i%2], k, member, false)
	}
}

func testBudgetKeys(t *testing.T, open OpenBudget) {
	b, full, other := open(t, 1, ttl)[0], key(t, "full"), key(t, "other")
	room(t, b, full, "a", true)
	room(t, b, full, "b", false)
	room(t, b, other, "b", true)
	if err := b.Refill(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	room(t, b, full, "b", false)
}

func testBudgetGivesBack(t *testing.T, open OpenBudget) {
	b, k := open(t, 1, ttl)[0], key(t, "k")
	for i := range 5 {
		ticket := room(t, b, k, fmt.Sprint(i), true)
		room(t, b, k, "other", false)
		giveBack(t, b, ticket)
		giveBack(t, b, ticket) // once is enough, twice does no harm
	}
	last := room(t, b, k, "last", true)
	giveBack(t, b, room(t, b, k, "one more", false)) // it has counted nothing
	giveBack(t, b, cache.Ticket{})
	room(t, b, k, "one more", false)
	giveBack(t, b, last)
	room(t, b, k, "one more", true)
}

// testBudgetGivesBackItsOwn: two attempts with one member, of which one turned out
// harmless and the other did not.
func testBudgetGivesBackItsOwn(t *testing.T, open OpenBudget) {
	sides := open(t, 2, ttl)
	for harmless := range sides {
		k := key(t, fmt.Sprint(harmless))
		var tickets [2]cache.Ticket
		for i, b := range sides {
			tickets[i] = room(t, b, k, "a", true)
		}
		giveBack(t, sides[harmless], tickets[harmless])
		room(t, sides[0], k, "b", true)
		room(t, sides[1], k, "c", false)
	}
}

func testBudgetRefill(t *testing.T, open OpenBudget) {
	b, k := open(t, 2, ttl)[0], key(t, "k")
	old := room(t, b, k, "a", true)
	room(t, b, k, "b", true)
	room(t, b, k, "c", false)
	if err := b.Refill(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	room(t, b, k, "a", true)
	giveBack(t, b, old) // from before: it means nothing any more
	room(t, b, k, "b", true)
	room(t, b, k, "c", false)
}

func testBudgetSlides(t *testing.T, open OpenBudget) {
	const window = 100 * time.Millisecond
	b, k := open(t, 1, window)[0], key(t, "k")
	room(t, b, k, "a", true)
	start := time.Now()
	deadline := start.Add(patience)
	for i := 0; ; i++ {
		_, wait := take(t, b, k, fmt.Sprint("other ", i))
		if wait == 0 {
			break
		}
		if wait > window || wait < 0 {
			t.Fatalf("wait %s for a window of %s", wait, window)
		}
		if time.Now().After(deadline) {
			t.Fatalf("no room after %s", patience)
		}
		time.Sleep(wait) // what it is told; the next one is refused if that was too short
	}
	if took := time.Since(start); took < window/2 {
		t.Errorf("there was room after %s", took)
	}
}

// testBudgetAtOnce takes from two sides at the same moment, as two replicas do.
func testBudgetAtOnce(t *testing.T, open OpenBudget) {
	const limit, workers, each = 5, 6, 8
	sides, k := open(t, limit, ttl), key(t, "k")
	var wg sync.WaitGroup
	var through atomic.Int32
	for side, b := range sides {
		for worker := range workers {
			wg.Go(func() {
				for i := range each {
					switch _, wait, err := b.Take(t.Context(), k, fmt.Sprint(side, "-", worker, "-", i)); {
					case err != nil:
						t.Errorf("take: %v", err)
					case wait == 0:
						through.Add(1)
					}
				}
			})
		}
	}
	wg.Wait()
	if n := through.Load(); n != limit {
		t.Errorf("%d of %d were let through, want %d", n, 2*workers*each, limit)
	}
}

func testBudgetBytes(t *testing.T, open OpenBudget) {
	names := []string{"", " ", "a", "A", "a\x00", "a\r\nDEL x\r\n", "\xff\xfe", "*", "{tag}a", "{tag}b"}
	b := open(t, len(names), ttl)[0]
	for _, k := range names {
		for _, member := range names {
			room(t, b, key(t, k), member, true)
		}
	}
	for _, k := range names {
		room(t, b, key(t, k), "one more", false)
	}
}

func testBudgetContext(t *testing.T, open OpenBudget) {
	b, k := open(t, 1, ttl)[0], key(t, "k")
	ticket := room(t, b, k, "a", true)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, wait, err := b.Take(ended, k, "b"); wait != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("take: wait %s, %v", wait, err)
	}
	if err := b.GiveBack(ended, ticket); !errors.Is(err, context.Canceled) {
		t.Errorf("give back: %v", err)
	}
	if err := b.Refill(ended, k); !errors.Is(err, context.Canceled) {
		t.Errorf("refill: %v", err)
	}
	room(t, b, k, "b", false)
}
