package cache

import (
	"context"
	"time"
)

// Rate bounds how often something may happen under one key: so many times a second
// on the average, and a burst at once after a pause (GCRA, the generic cell rate
// algorithm). Implementations are safe for concurrent use and prompt.
type Rate interface {
	// Allow counts one as of now, or counts nothing and returns how long to wait
	// until one is allowed; zero is not at all.
	Allow(ctx context.Context, key string) (time.Duration, error)
}

// RateLimit is how often.
type RateLimit struct {
	// PerSecond is the average, more than 0.
	PerSecond float64
	// Burst is how many may come at once, at least 1.
	Burst int
}

// interval is the time that one takes.
func (l RateLimit) interval() time.Duration {
	return max(time.Duration(float64(time.Second)/l.PerSecond), time.Nanosecond)
}

// slack is the time that a burst takes.
func (l RateLimit) slack() time.Duration {
	return time.Duration(max(l.Burst, 1)) * l.interval()
}
