package robot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/identity"
)

// Source is where the robots are kept; the store is one.
type Source interface {
	// Robots returns all of them, each with its secrets.
	Robots(ctx context.Context) ([]Robot, error)
}

const (
	// resync is how often the robots are read without a reason, in case one was
	// missed.
	resync = time.Minute
	// retryEvery is how often they are asked for while they cannot be read.
	retryEvery = time.Second
)

// Roster is all robots in memory. It is safe for concurrent use.
type Roster struct {
	source Source
	clock  func() time.Time
	log    *slog.Logger

	changed chan struct{} // holds one
	loading sync.Mutex
	known   atomic.Pointer[snapshot]

	mu     sync.Mutex
	edited map[string]bool // robots that changed since the last read began, by name
	// doubted is those of edited that could not be read; nil: none. It is never
	// changed.
	doubted atomic.Pointer[doubt]
}

// doubt is which robots are not what they were, since the feed says so, while the
// store does not say what they are.
type doubt struct {
	names map[string]bool
	err   error
}

// snapshot is the robots at one time. It is never changed.
type snapshot struct {
	at      time.Time
	robots  map[string]*Robot // by name
	secrets map[Hash]holding
}

// holding is a secret and whose it is.
type holding struct {
	robot  *Robot
	secret *Secret
}

// NewRoster returns a roster that knows nothing until [Roster.Load] or
// [Roster.Run].
func NewRoster(source Source, clock func() time.Time, log *slog.Logger) *Roster {
	return &Roster{source: source, clock: clock, log: log, changed: make(chan struct{}, 1), edited: map[string]bool{}}
}

// Load reads the robots. When that fails, what was known stays, but for robots that
// have changed since.
func (r *Roster) Load(ctx context.Context) error {
	r.loading.Lock() // else an older answer could take the place of a newer one
	defer r.loading.Unlock()
	at, edited := r.clock(), r.takeEdited()
	robots, err := r.source.Robots(ctx)
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		maps.Copy(r.edited, edited)
		r.doubted.Store(&doubt{maps.Clone(r.edited), err})
		return fmt.Errorf("read the robots: %w", err)
	}
	r.doubted.Store(nil)
	known := &snapshot{at: at, robots: make(map[string]*Robot, len(robots)), secrets: make(map[Hash]holding, MaxSecrets*len(robots))}
	for i := range robots {
		bot := &robots[i]
		known.robots[bot.Name] = bot
		for k := range bot.Secrets {
			known.secrets[bot.Secrets[k].Hash] = holding{bot, &bot.Secrets[k]}
		}
	}
	r.known.Store(known)
	return nil
}

// takeEdited returns the robots that a read that begins now will know.
func (r *Roster) takeEdited() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	edited := r.edited
	r.edited = map[string]bool{}
	return edited
}

// Changed says that a robot was edited, and has the robots read again, soon. It
// never blocks.
func (r *Roster) Changed(name string) {
	r.mu.Lock()
	r.edited[name] = true
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default: // it is on its way, and begins after this
	}
}

// Run reads the robots whenever they changed, until ctx ends. While they cannot be
// read it tries every second.
func (r *Roster) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
		case <-timer.C:
		}
		err := r.Load(ctx)
		if ctx.Err() != nil {
			return
		}
		// One line when it breaks and one when it mends.
		if err != nil && !failing {
			r.log.WarnContext(ctx, "the robots cannot be read; those known before go on", "known", r.known.Load() != nil, "error", err)
		} else if err == nil && failing {
			r.log.InfoContext(ctx, "the robots can be read again")
		}
		failing = err != nil
		timer.Reset(resync)
		if failing {
			timer.Reset(retryEvery)
		}
	}
}

// errNotRead is why robots are unavailable until they were read once.
var errNotRead = errors.New("the robots could not be read from the store yet")

// current returns the robots as they were read last.
func (r *Roster) current() (*snapshot, error) {
	if known := r.known.Load(); known != nil {
		return known, nil
	}
	if d := r.doubted.Load(); d != nil {
		return nil, fmt.Errorf("%w: %w", errNotRead, d.err)
	}
	return nil, errNotRead
}

// find returns the robot of that username, nil where there is none, and all others.
// What was typed is compared byte by byte.
func (r *Roster) find(username string) (*Robot, *snapshot, error) {
	known, err := r.current()
	if err != nil {
		return nil, nil, err
	}
	name, ok := strings.CutPrefix(username, identity.RobotPrefix)
	if !ok {
		return nil, known, nil
	}
	if d := r.doubted.Load(); d != nil && d.names[name] {
		return nil, nil, fmt.Errorf("the robot was edited elsewhere, and the store does not say how: %w", d.err)
	}
	return known.robots[name], known, nil
}
