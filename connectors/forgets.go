package connectors

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"drawbridge/identity"
	"drawbridge/store/feed"
)

// Feed is where a [Forgets] learns of people to be forgotten; feed.Follower is one.
type Feed interface {
	On(kind feed.Kind, handle func(feed.Change))
	// Loaded returns nil once everything was handed out that was live at the start.
	Loaded() error
}

// ForgetFor is how long it must be known that somebody is to be forgotten: longer
// than anything about a person is cached, of which grace is the longest with up to a
// day.
const ForgetFor = 25 * time.Hour

// Forgets knows who is to be forgotten, in this and every other process that shares
// a cache. Nothing is searched and deleted: what is cached carries the [Epoch] of
// its person, which a forget changes, and is not used under another epoch. That
// reaches what lies in Redis, what is on its way there, and what a process is still
// asking a directory for.
//
// A nil Forgets knows of nobody.
type Forgets struct {
	feed  Feed
	clock func() time.Time

	mu    sync.RWMutex
	count Moment
	names map[string]forgotten // by name in lower case: alice, corp/alice, robot:ci
	last  forgotten
}

type forgotten struct {
	epoch Epoch
	at    Moment
	until time.Time
}

// Moment is the number of forgets that this process knew of. It says when a
// question was asked.
type Moment uint64

// Epoch stands for the forgets that concern somebody. It is the same in every
// process that knows of the same ones, and empty where there are none.
type Epoch string

// NewForgets returns a Forgets that knows what the feed hands out: people to be
// forgotten, and people whose tokens are revoked. The clock may be nil, which means
// time.Now.
func NewForgets(f Feed, clock func() time.Time) *Forgets {
	if clock == nil {
		clock = time.Now
	}
	forgets := &Forgets{feed: f, clock: clock, names: map[string]forgotten{}}
	f.On(feed.Forget, forgets.forget)
	f.On(feed.RevokePerson, forgets.forget)
	return forgets
}

func (f *Forgets) forget(c feed.Change) {
	now, until := f.clock(), c.At.Add(ForgetFor)
	if !now.Before(until) {
		return // a person's revocation is known for much longer
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	// The number alone could come twice, from a store that was restored.
	epoch := Epoch(strconv.FormatInt(c.Seq, 36) + "." + strconv.FormatInt(c.At.UnixMilli(), 36))
	f.last = forgotten{epoch, f.count, until}
	f.names[strings.ToLower(c.Value)] = f.last
	if f.count%64 != 0 {
		return
	}
	for name, one := range f.names {
		if !now.Before(one.until) {
			delete(f.names, name)
		}
	}
}

// Known reports whether everything is known that was to be forgotten when this
// process started. Before, nothing that another process has cached can be used.
func (f *Forgets) Known() bool { return f == nil || f.feed.Loaded() == nil }

// Moment returns what to give to [Forgets.Of] for an answer that is asked for now.
func (f *Forgets) Moment() Moment {
	if f == nil {
		return 0
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.count
}

// Of returns the epoch of a person who was found under the username, and false if
// that person was forgotten after the moment: then the answer is outdated already,
// and must not be kept.
func (f *Forgets) Of(id identity.Identity, username string, since Moment) (Epoch, bool) {
	if f == nil {
		return "", true
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if len(f.names) == 0 {
		return "", true
	}
	now, epoch, current := f.clock(), "", true
	for i, name := range []string{id.String(), id.Name, username, id.Connector + "/" + username} {
		one, ok := f.names[strings.ToLower(name)]
		if !ok || !now.Before(one.until) {
			continue
		}
		epoch += strconv.Itoa(i) + ":" + string(one.epoch) + " "
		current = current && one.at <= since
	}
	return Epoch(epoch), current
}

// OfNobody returns the epoch of an answer that names no person, such as a refusal:
// it may concern anybody, and every forget changes it.
func (f *Forgets) OfNobody(since Moment) (Epoch, bool) {
	if f == nil {
		return "", true
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if !f.clock().Before(f.last.until) {
		return "", true
	}
	return f.last.epoch, f.last.at <= since
}
