package manage

import (
	"context"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/connectors/robot"
)

// Seat is one actor at a [Desk]. Its methods are the desk's without the actor, as
// the REST API has them for callers that it knows; package server/admin/client has
// the same for a server elsewhere.
type Seat struct {
	Desk  *Desk
	Actor Actor
}

// Policy is [Desk.Policy].
func (s *Seat) Policy(ctx context.Context) (revisions.Revision, error) {
	return s.Desk.Policy(ctx, s.Actor)
}

// Revision is [Desk.Revision].
func (s *Seat) Revision(ctx context.Context, number int64) (revisions.Revision, error) {
	return s.Desk.Revision(ctx, s.Actor, number)
}

// Revisions is [Desk.Revisions] from the newest on.
func (s *Seat) Revisions(ctx context.Context, limit int) ([]revisions.Revision, error) {
	return s.Desk.Revisions(ctx, s.Actor, 0, limit)
}

// Diff is [Desk.Diff] with the revision before.
func (s *Seat) Diff(ctx context.Context, number int64) (string, error) {
	return s.Desk.Diff(ctx, s.Actor, 0, number)
}

// Plan is [Desk.Plan].
func (s *Seat) Plan(ctx context.Context, text string) (Plan, error) {
	return s.Desk.Plan(ctx, s.Actor, text)
}

// Hygiene is [Desk.Hygiene].
func (s *Seat) Hygiene(ctx context.Context) (Hygiene, error) { return s.Desk.Hygiene(ctx, s.Actor) }

// SavePolicy is [Desk.SavePolicy].
func (s *Seat) SavePolicy(ctx context.Context, draft revisions.Draft) (revisions.Revision, error) {
	return s.Desk.SavePolicy(ctx, s.Actor, draft)
}

// RollBack is [Desk.RollBack].
func (s *Seat) RollBack(ctx context.Context, number int64, draft revisions.Draft) (revisions.Revision, error) {
	return s.Desk.RollBack(ctx, s.Actor, number, draft)
}

// Explain is [Desk.Explain].
func (s *Seat) Explain(ctx context.Context, q Question) (authz.Explanation, error) {
	return s.Desk.Explain(ctx, s.Actor, q)
}

// WhoCan is [Desk.WhoCan].
func (s *Seat) WhoCan(ctx context.Context, q Question) ([]authz.Holder, error) {
	return s.Desk.WhoCan(ctx, s.Actor, q)
}

// List is [Desk.List].
func (s *Seat) List(ctx context.Context, who string, groups []string) (Access, error) {
	return s.Desk.List(ctx, s.Actor, who, groups)
}

// ListRobots returns all robots that the actor may see.
func (s *Seat) ListRobots(ctx context.Context) ([]RobotInfo, error) {
	page, err := s.Desk.ListRobots(ctx, s.Actor, "", 0)
	list := make([]RobotInfo, 0, len(page.Robots))
	for _, bot := range page.Robots {
		list = append(list, InfoOf(bot, s.Desk.Clock()))
	}
	return list, err
}

// CreateRobot is [Desk.CreateRobot].
func (s *Seat) CreateRobot(ctx context.Context, req robot.Request) (NewSecret, error) {
	bot, secret, err := s.Desk.CreateRobot(ctx, s.Actor, req, Act{})
	return NewSecretOf(robot.Rotated{Robot: bot, Secret: secret}, s.Desk.Clock()), err
}

// RotateRobot is [Desk.RotateRobot].
func (s *Seat) RotateRobot(ctx context.Context, name string, how robot.Rotation) (NewSecret, error) {
	rotated, err := s.Desk.RotateRobot(ctx, s.Actor, name, how, Act{})
	return NewSecretOf(rotated, s.Desk.Clock()), err
}

// DisableRobot disables a robot, or enables it again.
func (s *Seat) DisableRobot(ctx context.Context, name string, disabled bool) error {
	_, err := s.Desk.EditRobot(ctx, s.Actor, name, RobotEdit{Disabled: &disabled}, Act{})
	return err
}

// DeleteRobot is [Desk.DeleteRobot].
func (s *Seat) DeleteRobot(ctx context.Context, name string) error {
	return s.Desk.DeleteRobot(ctx, s.Actor, name, Act{})
}

// ListSessions is [Desk.ListSessions].
func (s *Seat) ListSessions(ctx context.Context, q SessionQuery) (SessionPage, error) {
	return s.Desk.ListSessions(ctx, s.Actor, q)
}

// EndSessions is [Desk.EndSessions].
func (s *Seat) EndSessions(ctx context.Context, ids []string, reason string) (Ended, error) {
	return s.Desk.EndSessions(ctx, s.Actor, ids, Act{Reason: reason})
}

// EndPerson is [Desk.EndPerson].
func (s *Seat) EndPerson(ctx context.Context, who, reason string) (Ended, error) {
	return s.Desk.EndPerson(ctx, s.Actor, who, Act{Reason: reason})
}

// ForgetPerson is [Desk.ForgetPerson].
func (s *Seat) ForgetPerson(ctx context.Context, who, reason string) error {
	return s.Desk.ForgetPerson(ctx, s.Actor, who, Act{Reason: reason})
}

// RevokeToken is [Desk.RevokeToken].
func (s *Seat) RevokeToken(ctx context.Context, id, reason string) error {
	return s.Desk.RevokeToken(ctx, s.Actor, id, Act{Reason: reason})
}

// ListKeys is [Desk.ListKeys].
func (s *Seat) ListKeys(ctx context.Context) ([]Key, error) { return s.Desk.ListKeys(ctx, s.Actor) }
