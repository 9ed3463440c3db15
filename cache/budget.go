package cache

import (
	"context"
	"time"
)

// Budget bounds how many different members are counted under one key within a
// window that slides along: wrong passwords of one username from one address, by
// what is no password. Implementations are safe for concurrent use and prompt.
//
// What may turn out harmless is counted before it happens and given back after:
// counting afterwards would let anything through that comes at the same moment.
type Budget interface {
	// Take counts the member as of now, also when it is counted already. When as
	// many members are counted as the budget has, it counts nothing and returns
	// how long to wait until the oldest one leaves the window; zero is not at all.
	Take(ctx context.Context, key, member string) (Ticket, time.Duration, error)
	// GiveBack takes back what the ticket counted. It does nothing when the member
	// was counted before the ticket's Take or has been counted again since:
	// somebody else's attempt is then in there.
	GiveBack(ctx context.Context, t Ticket) error
	// Refill forgets all that is counted under the key.
	Refill(ctx context.Context, key string) error
}

// Ticket is what [Budget.Take] counted. The zero value counted nothing.
type Ticket struct {
	key, member string
	// stamp is different for each Take of a member; zero is a member that was
	// counted before.
	stamp int64
}
