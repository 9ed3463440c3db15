package robot

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"time"

	"drawbridge/audit"
	"drawbridge/identity"
	"drawbridge/store/feed"
)

// Store keeps the robots. Each method is one transaction, with the changes that
// announce it, which it returns with their numbers.
type Store interface {
	// CreateRobot adds a robot; a name that is taken is refused with a sentence.
	CreateRobot(ctx context.Context, r Robot, changes ...feed.Change) ([]feed.Change, error)
	// UpdateRobot has edit change the robot of that name, of which nobody else can
	// change anything meanwhile. Where edit fails, nothing is written.
	UpdateRobot(ctx context.Context, name string, edit func(*Robot) ([]feed.Change, error)) ([]feed.Change, error)
	// DeleteRobot removes a robot with its secrets, unless check refuses.
	DeleteRobot(ctx context.Context, name string, check func(Robot) error, changes ...feed.Change) ([]feed.Change, error)
}

// Recorder takes audit events.
type Recorder interface {
	// Act returns when the event is written.
	Act(ctx context.Context, e audit.Event)
}

// DefaultTTL is how long a robot lives when nobody says otherwise, unless the
// maximum is shorter.
const DefaultTTL = 90 * 24 * time.Hour

// DefaultOverlap is how long the old secret goes on after a rotation when nobody
// says otherwise.
const DefaultOverlap = 24 * time.Hour

const (
	// minTTL is what a person can still do something with.
	minTTL = time.Minute
	// revokedFor outlasts the longest access token (tokens.access_ttl is at most an
	// hour) with every leeway. Robots have no other tokens.
	revokedFor = 2 * time.Hour
	// lag is how long another replica may go on with what it knew before. The tokens
	// that it issues meanwhile must not outlive the revocation.
	lag = 2 * time.Second
	// announcedFor is how long a process may fail to look before it has to read all
	// robots anyway, which it does every minute.
	announcedFor = time.Hour
)

// Manager makes and changes robots, and has each act audited.
type Manager struct {
	Store Store
	// Announce tells others of changes that the store has kept, such as
	// feed.Writer.Announce.
	Announce func(ctx context.Context, stored ...feed.Change)
	Audit    Recorder
	// MaxTTL is the longest a robot may live: robots.max_ttl.
	MaxTTL time.Duration
	// Actor is who does it, as audit events name one.
	Actor string
	// May refuses an act on a robot, which it sees as it is and again as it would be.
	// Nobody else changes the robot in between. nil: everything is permitted.
	May func(Robot) error
	// Expect is the [Robot.Version] that the actor has seen; empty: any.
	Expect string
	Clock  func() time.Time
	Rand   io.Reader // nil: crypto/rand
}

// Request is what a new robot is to be.
type Request struct {
	Name, Owner, Description string
	CIDRs                    []netip.Prefix
	TTL                      time.Duration // zero: DefaultTTL, or MaxTTL where that is less
}

// Create makes a robot and its first secret, which nobody can be told again.
// What cannot be accepted is an [identity.Error] of kind Invalid.
func (m *Manager) Create(ctx context.Context, req Request) (Robot, identity.Secret, error) {
	for _, err := range []error{
		checkName(req.Name), checkOwner(req.Owner), checkDescription(req.Description), checkCIDRs(req.CIDRs),
	} {
		if err != nil {
			return Robot{}, identity.Secret{}, err
		}
	}
	if req.TTL == 0 {
		req.TTL = min(DefaultTTL, m.MaxTTL)
	}
	now := m.now()
	bot := Robot{
		Name: req.Name, Owner: req.Owner, Description: req.Description, CIDRs: req.CIDRs,
		CreatedAt: now, CreatedBy: m.Actor,
	}
	var err error
	if bot.ExpiresAt, err = m.expiry(now, req.TTL); err != nil {
		return Robot{}, identity.Secret{}, err
	}
	text, secret, err := m.makeSecret(now, bot.ExpiresAt)
	if err != nil {
		return Robot{}, identity.Secret{}, err
	}
	bot.Secrets = []Secret{secret}
	if err := m.may(bot); err != nil {
		return Robot{}, identity.Secret{}, err
	}
	stored, err := m.Store.CreateRobot(ctx, bot, m.edited(bot.Name, now))
	if err != nil {
		return Robot{}, identity.Secret{}, err
	}
	m.done(ctx, stored, audit.RobotCreated, bot.Name, now)
	return bot, text, nil
}

// Rotation is what becomes of the secrets that a robot has.
type Rotation struct {
	// Overlap is how long the newest of them goes on. Zero ends it now, together with
	// the tokens that the robot has.
	Overlap time.Duration
	// TTL renews the robot for that long from now; zero leaves its end as it is.
	TTL time.Duration
}

// Rotated is a rotated robot.
type Rotated struct {
	Robot  Robot
	Secret identity.Secret
	// CutShort are secrets that were rotated out before their own end, since a robot
	// has no more than [MaxSecrets].
	CutShort []Secret
}

// Rotate gives the robot another secret.
func (m *Manager) Rotate(ctx context.Context, name string, rotation Rotation) (Rotated, error) {
	now := m.now()
	if rotation.Overlap < 0 {
		return Rotated{}, invalid("The overlap cannot be negative.")
	}
	var renewed time.Time
	var err error
	if rotation.TTL != 0 {
		if renewed, err = m.expiry(now, rotation.TTL); err != nil {
			return Rotated{}, err
		}
	}
	var out Rotated
	stored, err := m.update(ctx, name, func(bot *Robot) ([]feed.Change, error) {
		if !renewed.IsZero() {
			bot.ExpiresAt = renewed
		}
		if !now.Before(bot.ExpiresAt) {
			return nil, invalid("The robot %s expired on %s; renew it with a new time to live, or delete it.",
				name, bot.ExpiresAt.UTC().Format(time.RFC3339))
		}
		text, secret, err := m.makeSecret(now, bot.ExpiresAt)
		if err != nil {
			return nil, err
		}
		out = Rotated{Secret: text, CutShort: bot.rotate(now, rotation.Overlap, secret), Robot: *bot}
		changes := []feed.Change{m.edited(name, now)}
		if rotation.Overlap == 0 {
			changes = append(changes, m.revoked(name, now))
		}
		return changes, nil
	})
	if err != nil {
		return Rotated{}, err
	}
	m.done(ctx, stored, audit.RobotRotated, name, now)
	return out, nil
}

// rotate puts the new secret last, ends the one before after the overlap, and
// removes all others, of which it returns those that were still live.
func (r *Robot) rotate(now time.Time, overlap time.Duration, secret Secret) (cutShort []Secret) {
	kept := []Secret{secret}
	if n := len(r.Secrets); n > 0 {
		cutShort = Robot{Secrets: r.Secrets[:n-1]}.Live(now)
		before := r.Secrets[n-1]
		for _, end := range []time.Time{now.Add(overlap), r.ExpiresAt} {
			if end.Before(before.ExpiresAt) {
				before.ExpiresAt = end
			}
		}
		kept = []Secret{before, secret}
	}
	r.Secrets = kept
	return cutShort
}

// now is the present as the store can hold it.
func (m *Manager) now() time.Time { return m.Clock().UTC().Truncate(time.Millisecond) }

func (m *Manager) expiry(now time.Time, ttl time.Duration) (time.Time, error) {
	if ttl < minTTL || ttl > m.MaxTTL {
		return time.Time{}, invalid("A robot lives from %s to %s, which the setting robots.max_ttl allows; %s is outside.",
			days(minTTL), days(m.MaxTTL), days(ttl))
	}
	return now.Add(ttl).Truncate(time.Millisecond), nil
}

// days writes a duration as people asked for it.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

// idBytes make the ID of a secret.
const idBytes = 6

func (m *Manager) makeSecret(now, end time.Time) (identity.Secret, Secret, error) {
	source := m.Rand
	if source == nil {
		source = rand.Reader
	}
	text, err := newSecret(source)
	if err != nil {
		return identity.Secret{}, Secret{}, err
	}
	var id [idBytes]byte
	if _, err := io.ReadFull(source, id[:]); err != nil {
		return identity.Secret{}, Secret{}, fmt.Errorf("make the ID of a secret: %w", err)
	}
	hash, _ := hashOf(text)
	return text, Secret{ID: fmt.Sprintf("%x", id), Hash: hash, CreatedAt: now, ExpiresAt: end}, nil
}

func (m *Manager) edited(name string, now time.Time) feed.Change {
	return feed.Change{Kind: feed.RobotsChanged, Value: name, At: now, By: m.Actor, ExpiresAt: now.Add(announcedFor)}
}

func (m *Manager) revoked(name string, now time.Time) feed.Change {
	who := Robot{Name: name}.identity().String()
	return feed.Change{Kind: feed.RevokePerson, Value: who, At: now.Add(lag), By: m.Actor, ExpiresAt: now.Add(revokedFor)}
}

// done tells everybody of what the store has kept.
func (m *Manager) done(ctx context.Context, stored []feed.Change, action audit.Action, name string, now time.Time) {
	m.Announce(ctx, stored...)
	m.Audit.Act(ctx, audit.Event{
		Time: now, Action: action, Outcome: audit.Success,
		Personal: audit.Personal{User: m.Actor, Target: Robot{Name: name}.identity().String()},
	})
}
