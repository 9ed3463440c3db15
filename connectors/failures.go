package connectors

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"drawbridge/identity"
)

const (
	failureWindow = time.Minute
	// maxFailing bounds the pairs of username and address that are remembered.
	// Over it the oldest knowledge goes: a flood of invented usernames must not
	// fill the memory, and none of them gains more than its own attempts.
	maxFailing = 100_000
)

// failures counts different wrong passwords by username and address. By username
// alone, anybody could lock out anybody; the same wrong password again, which
// clients send by themselves, counts once.
type failures struct {
	limit int
	clock func() time.Time

	mu    sync.Mutex
	pairs map[pair]map[string]time.Time // when each wrong credential was refused, by cache key
}

type pair struct{ username, address string }

func newFailures(limit int, clock func() time.Time) *failures {
	return &failures{limit: limit, clock: clock, pairs: map[pair]map[string]time.Time{}}
}

// pairOf folds case, since directories do: else one name has as many budgets as
// it has spellings. Of an IPv6 address the network counts, since whoever has one
// address has all 2^64 of them.
func pairOf(cred identity.Credential) pair {
	address := cred.Address
	if addr, err := netip.ParseAddr(address); err == nil && addr.Unmap().Is6() {
		if network, err := addr.WithZone("").Prefix(64); err == nil {
			address = network.String()
		}
	}
	return pair{strings.ToLower(cred.Username), address}
}

// begin counts the attempt as if it had failed already, or returns how long the
// pair has to wait for it; zero is not at all. Counting afterwards would let any
// number of passwords through that come at the same moment.
func (f *failures) begin(key string, cred identity.Credential) time.Duration {
	if f.limit <= 0 {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p, now := pairOf(cred), f.clock()
	attempts := f.live(p)
	if len(attempts) >= f.limit {
		oldest := now
		for _, at := range attempts {
			if at.Before(oldest) {
				oldest = at
			}
		}
		return max(oldest.Add(failureWindow).Sub(now), time.Second)
	}
	if attempts == nil {
		f.makeRoom()
		attempts = map[string]time.Time{}
		f.pairs[p] = attempts
	}
	attempts[key] = now
	return 0
}

// end takes back an attempt that was no failure. A grant forgets all of the pair's.
func (f *failures) end(key string, cred identity.Credential, verdict Verdict) {
	if f.limit <= 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := pairOf(cred)
	switch verdict.Kind() {
	case KindGranted:
		delete(f.pairs, p)
	case KindUnavailable, KindMisconfigured, kindUnset:
		delete(f.pairs[p], key)
	case KindDenied, KindNotMine: // it stays
	}
}

// live drops what is older than the window and returns the rest.
func (f *failures) live(p pair) map[string]time.Time {
	refused := f.pairs[p]
	since := f.clock().Add(-failureWindow)
	for key, at := range refused {
		if !at.After(since) {
			delete(refused, key)
		}
	}
	if refused != nil && len(refused) == 0 {
		delete(f.pairs, p)
		return nil
	}
	return refused
}

// makeRoom keeps the map within its bound. It first looks for pairs whose window
// is over, at most a few, so that no login pays for a sweep.
func (f *failures) makeRoom() {
	if len(f.pairs) < maxFailing {
		return
	}
	const looks = 64
	n := 0
	for p := range f.pairs {
		if f.live(p) == nil {
			continue
		}
		if n++; n == looks {
			delete(f.pairs, p)
			return
		}
	}
}
