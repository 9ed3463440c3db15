package audit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Filter chooses events of the store. Its zero value is all of them.
type Filter struct {
	// Since and Until bound the time: from Since on, and before Until.
	Since, Until time.Time
	// Actions are any of these.
	Actions []Action
	Outcome Outcome
	Reason  string
	// User and Target are whole names; case does not count.
	User, Target string
	// Repository is a repository, or with a slash at the end all below it.
	Repository string
	Decision   string
	Session    string
	Address    string
}

// Cursor is a place between two events in the order of time: a page goes on after
// it. Its zero value is before the newest.
type Cursor struct {
	At time.Time
	ID string
}

// CursorAt returns the place after an event.
func CursorAt(e Event) Cursor { return Cursor{e.Time, e.ID} }

// String is what [ParseCursor] reads.
func (c Cursor) String() string { return strconv.FormatInt(c.At.UnixMilli(), 10) + "." + c.ID }

// ParseCursor reads a cursor; an empty text is the zero value.
func ParseCursor(text string) (Cursor, error) {
	if text == "" {
		return Cursor{}, nil
	}
	at, id, found := strings.Cut(text, ".")
	ms, err := strconv.ParseInt(at, 10, 64)
	if !found || err != nil || id == "" || len(id) > 64 {
		return Cursor{}, errors.New("the cursor is not one of this list")
	}
	return Cursor{time.UnixMilli(ms).UTC(), id}, nil
}

// ParseAction reads the name of an action in the catalogue.
func ParseAction(text string) (Action, error) {
	var names []string
	for _, entry := range Catalogue() {
		if string(entry.Action) == text {
			return entry.Action, nil
		}
		names = append(names, string(entry.Action))
	}
	return "", fmt.Errorf("there is no action %.40q; the actions are %s", text, strings.Join(names, ", "))
}

// ParseOutcome reads an outcome.
func ParseOutcome(text string) (Outcome, error) {
	switch o := Outcome(text); o {
	case "", Success, Failure, Unknown:
		return o, nil
	}
	return "", fmt.Errorf("the outcome is %s, %s or %s, and not %.40q", Success, Failure, Unknown, text)
}
