package verify

import (
	"sync"
	"time"
)

const (
	// noteEvery is how often one revoked token is worth a line of the audit log: a
	// client that tries again and again must not fill the disk.
	noteEvery = time.Minute
	// mostNoted bounds the tokens that are remembered for that.
	mostNoted = 4096
)

// noted remembers which revoked tokens were written to the audit log lately. The
// zero value remembers none.
type noted struct {
	mu sync.Mutex
	at map[string]time.Time // by token ID
}

// first reports whether the token was not noted within the last minute, and notes
// it. With too many to remember all are forgotten, and some are noted again.
func (n *noted) first(id string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if at, ok := n.at[id]; ok && now.Sub(at) < noteEvery {
		return false
	}
	if n.at == nil || len(n.at) >= mostNoted {
		n.at = map[string]time.Time{}
	}
	n.at[id] = now
	return true
}
