package manage

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/connectors/robot"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"
)

// Robots is what a [Desk] needs of the store for machine accounts.
type Robots interface {
	robot.Store
	// Robots returns all robots by name.
	Robots(ctx context.Context) ([]robot.Robot, error)
}

// RobotPage is a part of the robots that the actor may see, by name.
type RobotPage struct {
	Robots []robot.Robot
	// Next is the cursor of the next page; empty on the last.
	Next string
}

// ListRobots returns robots behind the one called cursor, at most limit; 0 is no
// limit. Auditors see all robots, namespace owners those that they manage.
func (d *Desk) ListRobots(ctx context.Context, a Actor, cursor string, limit int) (RobotPage, error) {
	none := RobotPage{Robots: []robot.Robot{}}
	maySee, err := d.seesRobots(a)
	if err != nil {
		return none, err
	}
	all, err := d.Robots.Robots(ctx)
	if err != nil {
		return none, failure(err)
	}
	all = slices.DeleteFunc(all, func(bot robot.Robot) bool { return bot.Name <= cursor || maySee(bot) != nil })
	if limit > 0 && len(all) > limit {
		return RobotPage{Robots: all[:limit], Next: all[limit-1].Name}, nil
	}
	return RobotPage{Robots: append(none.Robots, all...)}, nil
}

// Robot returns one robot. Whoever may not see it is told that there is none.
func (d *Desk) Robot(ctx context.Context, a Actor, name string) (robot.Robot, error) {
	maySee, err := d.seesRobots(a)
	if err != nil {
		return robot.Robot{}, err
	}
	all, err := d.Robots.Robots(ctx)
	if err != nil {
		return robot.Robot{}, failure(err)
	}
	for _, bot := range all {
		if bot.Name == name && maySee(bot) == nil {
			return bot, nil
		}
	}
	return robot.Robot{}, noRobot(name)
}

// CreateRobot makes a robot and its first secret, which is told this once. A dry
// run has none.
func (d *Desk) CreateRobot(ctx context.Context, a Actor, req robot.Request, act Act) (bot robot.Robot, secret identity.Secret, err error) {
	err = d.withRobots(a, audit.RobotCreated, req.Name, act, func(m *robot.Manager) error {
		if err := d.checkConnector(req.Owner); err != nil {
			return err
		}
		bot, secret, err = m.Create(ctx, req)
		return err
	})
	if act.DryRun {
		secret = identity.Secret{}
	}
	return bot, secret, err
}

// RotateRobot gives a robot another secret, which is told this once.
func (d *Desk) RotateRobot(ctx context.Context, a Actor, name string, how robot.Rotation, act Act) (rotated robot.Rotated, err error) {
	err = d.withRobots(a, audit.RobotRotated, name, act, func(m *robot.Manager) error {
		rotated, err = m.Rotate(ctx, name, how)
		return err
	})
	if act.DryRun {
		rotated.Secret = identity.Secret{}
	}
	return rotated, err
}

// RobotEdit is what is to become of a robot. What is nil or zero stays.
type RobotEdit struct {
	Owner, Description *string
	CIDRs              *[]netip.Prefix
	TTL                time.Duration
	Disabled           *bool
}

// EditRobot changes a robot, and its secrets not.
func (d *Desk) EditRobot(ctx context.Context, a Actor, name string, edit RobotEdit, act Act) (bot robot.Robot, err error) {
	err = d.withRobots(a, audit.RobotChanged, name, act, func(m *robot.Manager) error {
		if edit.Owner != nil {
			if err := d.checkConnector(*edit.Owner); err != nil {
				return err
			}
		}
		bot, err = m.Edit(ctx, name, robot.Edit(edit))
		return err
	})
	return bot, err
}

// DeleteRobot removes a robot with its secrets, and ends its tokens.
func (d *Desk) DeleteRobot(ctx context.Context, a Actor, name string, act Act) error {
	return d.withRobots(a, audit.RobotDeleted, name, act, func(m *robot.Manager) error { return m.Delete(ctx, name) })
}

// withRobots does something with robots as far as the actor may. Refusals are
// recorded here, and what is done by the manager.
func (d *Desk) withRobots(a Actor, action audit.Action, name string, act Act, do func(*robot.Manager) error) error {
	may, err := d.managesRobots(a)
	if err == nil {
		m := &robot.Manager{
			Store: d.Robots, Announce: d.announce, Audit: deskRecorder{d, a, act.Reason}, MaxTTL: d.RobotTTL, Actor: a.Name,
			May: may, Expect: act.Expect, Clock: d.Clock,
		}
		if act.DryRun {
			m.Store, m.Audit = rehearsal{d.Robots}, deskRecorder{}
			m.Announce = func(context.Context, ...feed.Change) {}
		}
		err = do(m)
	}
	if errors.Is(err, store.ErrNotFound) {
		err = noRobot(name)
	}
	d.refused(a, act, audit.Event{Action: action, Personal: audit.Personal{Target: robotSubject(name)}, Note: act.Reason}, err)
	return failure(err)
}

// seesRobots returns what refuses a robot that the actor may not see.
func (d *Desk) seesRobots(a Actor) (func(robot.Robot) error, error) {
	if a.Capabilities.Has(authz.ReadAudit) {
		return func(robot.Robot) error { return nil }, nil
	}
	namespaces, err := d.namespaces(a)
	if err != nil {
		return nil, a.need(authz.ReadAudit)
	}
	return func(bot robot.Robot) error { return owns(a, namespaces, bot) }, nil
}

// managesRobots returns what refuses a robot that the actor may not change, or may
// not make that way.
func (d *Desk) managesRobots(a Actor) (func(robot.Robot) error, error) {
	if a.Capabilities.Has(authz.WritePolicy) {
		return nil, nil //nolint:nilnil // nil is the manager's word for everything
	}
	namespaces, err := d.namespaces(a)
	if err != nil {
		return nil, err
	}
	doc := d.InForce().Policy.Document()
	return func(bot robot.Robot) error {
		if err := owns(a, namespaces, bot); err != nil {
			return err
		}
		if reach := doc.RobotReach(namespaces, bot.Name); reach != "" {
			return forbidden("You may manage robots inside %s, and of %s %s.", namesOf(namespaces), bot.Name, reach)
		}
		return nil
	}, nil
}

// owns refuses a robot that is not the actor's as a namespace owner: its name lies
// in the namespace, and a group of theirs answers for it.
func owns(a Actor, namespaces []authz.Pattern, bot robot.Robot) error {
	switch {
	case !authz.NamesRobot(namespaces, bot.Name):
		return forbidden("You may manage robots whose names begin as your namespaces %s do, as payments-ci does in payments/**; %.100q does not.",
			namesOf(namespaces), bot.Name)
	case !slices.ContainsFunc(a.Identity.Groups, func(g string) bool { return a.Identity.Connector+"/"+g == bot.Owner }):
		return forbidden("You may manage robots whose owner is a group of yours, and %.100q is none.", bot.Owner)
	}
	return nil
}

// rehearsal is a store for a dry run: it refuses what the store would, and keeps
// nothing.
type rehearsal struct{ Robots }

// CreateRobot implements [robot.Store].
func (r rehearsal) CreateRobot(ctx context.Context, bot robot.Robot, _ ...feed.Change) ([]feed.Change, error) {
	if _, err := r.find(ctx, bot.Name); err == nil {
		return nil, &identity.Error{Kind: identity.Conflict, Message: "There is a robot called " + bot.Name + " already."}
	} else if identity.AsError(err).Kind != identity.NotFound {
		return nil, err
	}
	return nil, nil
}

// UpdateRobot implements [robot.Store].
func (r rehearsal) UpdateRobot(ctx context.Context, name string, edit func(*robot.Robot) ([]feed.Change, error)) ([]feed.Change, error) {
	bot, err := r.find(ctx, name)
	if err == nil {
		_, err = edit(&bot)
	}
	return nil, err
}

// DeleteRobot implements [robot.Store].
func (r rehearsal) DeleteRobot(ctx context.Context, name string, check func(robot.Robot) error, _ ...feed.Change) ([]feed.Change, error) {
	bot, err := r.find(ctx, name)
	if err == nil && check != nil {
		err = check(bot)
	}
	return nil, err
}

func (r rehearsal) find(ctx context.Context, name string) (robot.Robot, error) {
	all, err := r.Robots.Robots(ctx)
	if err != nil {
		return robot.Robot{}, err
	}
	if i := slices.IndexFunc(all, func(bot robot.Robot) bool { return bot.Name == name }); i >= 0 {
		return all[i], nil
	}
	return robot.Robot{}, noRobot(name)
}
