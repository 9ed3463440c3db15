package manage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/identity"
	"drawbridge/store/feed"
)

// Act is how something is to be changed.
type Act struct {
	// DryRun has everything checked and nothing changed.
	DryRun bool
	// Expect is the version of the thing that the actor has seen; empty: any.
	Expect string
	// Reason is the actor's word for why, for the audit log.
	Reason string
}

// Changes is how a [Desk] makes changes known to every process; feed.Writer is one.
type Changes interface {
	// Append keeps changes and announces them.
	Append(ctx context.Context, changes ...feed.Change) error
	// Announce announces what the store has kept.
	Announce(ctx context.Context, stored ...feed.Change)
}

// announce tells of what the store has kept.
func (d *Desk) announce(ctx context.Context, stored ...feed.Change) {
	d.Changes.Announce(ctx, stored...)
}

// refused records that something was not done: why the policy or the state of
// things forbids it. A fault of the request's form is not worth a line.
func (d *Desk) refused(a Actor, act Act, e audit.Event, err error) {
	if err == nil || act.DryRun {
		return
	}
	switch identity.AsError(failure(err)).Kind {
	case identity.Forbidden:
		e.Outcome, e.Reason = audit.Failure, "forbidden"
	case identity.Unavailable:
		e.Outcome, e.Reason = audit.Unknown, "unavailable"
	default:
		return
	}
	if len(e.Target) > maxTarget {
		e.Target = e.Target[:maxTarget] // a name that was only asked for
	}
	d.record(a, e)
}

// maxTarget bounds a name in the audit log that stands for nothing of ours.
const maxTarget = 256

// deskRecorder records what a part of the program below does for the actor. The
// zero value records nothing.
type deskRecorder struct {
	desk  *Desk
	actor Actor
	// note is the actor's word for why.
	note string
}

// Act implements the recorders of the packages below.
func (r deskRecorder) Act(ctx context.Context, e audit.Event) {
	if r.desk != nil {
		e.Note = r.note
		r.desk.act(ctx, r.actor, e)
	}
}

// checkConnector refuses a group of a connector that there is not.
func (d *Desk) checkConnector(group string) error {
	connector, _, _ := strings.Cut(group, "/")
	names := make([]string, len(d.Connectors))
	for i, c := range d.Connectors {
		names[i] = c.Name
	}
	if len(names) == 0 || slices.Contains(names, connector) {
		return nil
	}
	return invalid(fmt.Errorf("no connector is called %.100q; there are: %s", connector, strings.Join(names, ", ")))
}

func robotSubject(name string) string {
	return identity.Identity{Kind: identity.Robot, Name: name}.String()
}

func noRobot(name string) error {
	return &identity.Error{Kind: identity.NotFound, Message: fmt.Sprintf("There is no robot called %.100q.", name)}
}

func forbidden(format string, args ...any) error {
	return &identity.Error{Kind: identity.Forbidden, Message: fmt.Sprintf(format, args...)}
}

func namesOf(namespaces []authz.Pattern) string {
	names := make([]string, len(namespaces))
	for i := range namespaces {
		names[i] = namespaces[i].String()
	}
	return strings.Join(names, ", ")
}

// errNoPart is for a desk that a command has opened without what the act needs.
var errNoPart = errors.New("this is done where the server runs")
