package audit

import "time"

// Count is how many events of one kind fell into a stretch of time.
type Count struct {
	// At is when the stretch begins.
	At      time.Time
	Action  Action
	Outcome Outcome
	N       int64
}
