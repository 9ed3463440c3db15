package connectors

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"time"

	"drawbridge/cache"
	"drawbridge/identity"
)

// FailureWindow is the time within which different wrong passwords count together.
const FailureWindow = time.Minute

// floodFactor is how many times the limit of different wrong passwords a pair may
// send before not even a remembered one is let in.
const floodFactor = 10

// failures counts different wrong passwords by username and address. By username
// alone, anybody could lock out anybody; the same wrong password again, which
// clients send by themselves, counts once.
//
// What replicas share decides. Each also counts for itself what comes to it, so
// that an attacker who waits for an outage of Redis finds no fresh budget.
type failures struct {
	shared cache.Budget // nil: this process is alone
	local  cache.Budget // nil: no limit
	// floods counts the passwords that come after the limit: see flooded.
	floods *cache.MemoryBudget
	secret []byte
	log    *slog.Logger
}

func newFailures(opts CachedOptions) *failures {
	f := &failures{secret: opts.Secret, log: opts.Log}
	if opts.FailuresPerMinute > 0 {
		f.shared = opts.SharedFailures
		f.local = cache.NewMemoryBudget(opts.FailuresPerMinute, FailureWindow, opts.Clock)
		f.floods = cache.NewMemoryBudget(floodFactor*opts.FailuresPerMinute, FailureWindow, opts.Clock)
	}
	return f
}

// attempt is a login that counts as failed until it turns out otherwise.
type attempt struct {
	pair          string
	shared, local cache.Ticket
}

// begin counts the attempt as if it had failed already, or returns how long the
// pair has to wait for it; zero is not at all. Counting afterwards would let any
// number of passwords through that come at the same moment.
func (f *failures) begin(ctx context.Context, key string, cred identity.Credential) (attempt, time.Duration) {
	if f.local == nil {
		return attempt{}, 0
	}
	ctx = context.WithoutCancel(ctx) // a caller who leaves early is counted, too
	a := attempt{pair: f.pair(cred)}
	var wait time.Duration
	a.local, wait, _ = f.local.Take(ctx, a.pair, key) // it fails with the context alone
	if f.shared != nil {
		ticket, sharedWait, err := f.shared.Take(ctx, a.pair, key)
		if err != nil {
			f.log.DebugContext(ctx, "wrong passwords are counted in this process only", "error", err)
		} else {
			a.shared, wait = ticket, sharedWait
		}
	}
	if wait > 0 {
		_, _, _ = f.floods.Take(ctx, a.pair, key) // it fails with the context alone
		wait = max(wait, time.Second)             // clients round down
	}
	return a, wait
}

// flooded returns how long a pair has to wait for a password that is remembered as
// good; zero is not at all. It waits after many more wrong ones than the limit:
// over the limit, a password that is answered otherwise is the right one, and
// nothing else would bound how fast an attacker may look for it while somebody
// is logged in. A job whose address an attacker shares is not hit by less.
func (f *failures) flooded(cred identity.Credential) time.Duration {
	if f.floods == nil || f.floods.Empty() {
		return 0
	}
	return f.floods.Full(f.pair(cred))
}

// end takes back an attempt that was no failure. A grant forgets all of the
// pair's. What ended because its caller left stays: the backend was asked, and
// the answer is remembered for whoever comes back for it.
func (f *failures) end(ctx context.Context, a attempt, verdict Verdict) {
	if f.local == nil {
		return
	}
	left := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	for _, side := range []struct {
		budget cache.Budget
		ticket cache.Ticket
	}{{f.local, a.local}, {f.shared, a.shared}} {
		if side.budget == nil {
			continue
		}
		var err error
		switch verdict.Kind() {
		case KindGranted:
			err = side.budget.Refill(ctx, a.pair)
		case KindUnavailable, KindMisconfigured, kindUnset:
			if !left {
				err = side.budget.GiveBack(ctx, side.ticket)
			}
		case KindDenied, KindNotMine: // it stays
		}
		if err != nil {
			f.log.DebugContext(ctx, "a login that was no failure stays counted as one for a minute", "error", err)
		}
	}
}

// pair is the key of a username and an address, hashed: keys lie in Redis, and
// who logs in from where is nobody's business there.
//
// It folds case, since directories do: else one name has as many budgets as it
// has spellings.
func (f *failures) pair(cred identity.Credential) string {
	mac := hmac.New(sha256.New, f.secret)
	writeFields(mac, "failures", strings.ToLower(cred.Username), identity.Network(cred.Address))
	return "failures:" + hex.EncodeToString(mac.Sum(nil))
}
