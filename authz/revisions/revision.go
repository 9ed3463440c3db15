package revisions

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"
)

// Revision is one document of the history.
type Revision struct {
	// Number counts from 1; 0 is the absent revision before the first.
	Number int64 `json:"number"`
	// Text is the document; empty where only the list of revisions was asked for.
	Text   string    `json:"text,omitempty"`
	Author string    `json:"author"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	// RollbackOf is the number of the revision whose text this one has again; 0:
	// it is no rollback.
	RollbackOf int64 `json:"rollback_of,omitempty"`
}

// ID names the revision in audit events and entity tags: r12.
func (r Revision) ID() string { return "r" + strconv.FormatInt(r.Number, 10) }

// ParseID reads a revision's number as people write it: 12 or r12.
func ParseID(id string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(id, "r"), 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no revision; write its number, such as r12", id)
	}
	return n, nil
}

// Stale refuses a save by somebody who has not seen the newest revision.
type Stale struct {
	Seen, Newest int64
}

// Error says what to do about it.
func (e *Stale) Error() string {
	return fmt.Sprintf("the policy was changed meanwhile: yours is based on r%d and r%d is in force; look at the difference and save again",
		e.Seen, e.Newest)
}

// ErrUnchanged is what saving the text that is in force already returns.
var ErrUnchanged = errors.New("this text is in force already")

// Diff returns the lines that differ, as a unified diff; empty when none do.
func Diff(from, to Revision) string { return DiffText(from.ID(), from.Text, to.ID(), to.Text) }

// DiffText is Diff for texts that are no revisions, under the names it is given.
func DiffText(fromName, from, toName, to string) string {
	return udiff.Unified(fromName, toName, from, to)
}
