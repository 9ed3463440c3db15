package manage

import (
	"context"
	"errors"
	"time"
	"unicode"
	"unicode/utf8"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/bridge"
	"drawbridge/connectors"
	"drawbridge/connectors/breakglass"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/tokens"
)

// Policies is what a [Desk] needs of the store.
type Policies interface {
	revisions.Store
	// PolicyHistory returns revisions without their texts, the newest first.
	PolicyHistory(ctx context.Context, before int64, limit int) ([]revisions.Revision, error)
}

// People finds somebody's groups without a password.
type People interface {
	// Lookup returns the person with the groups as the connector knows them now.
	Lookup(ctx context.Context, id identity.Identity) (identity.Identity, error)
}

// Describer is [People] that also tell where they found what they found.
type Describer interface {
	// Describe answers as Lookup does.
	Describe(ctx context.Context, id identity.Identity) (identity.Identity, connectors.Description, error)
}

// Desk is where administrators come to. All fields are required but those that say
// so.
type Desk struct {
	// InForce returns the policy that decides now.
	InForce func() bridge.Revision
	// Policies keeps the revisions. It is nil when a file holds the policy, which
	// then nobody can change here; File names it.
	Policies Policies
	File     string
	// Compile checks a document and runs its tests.
	Compile func(name string, text []byte) (*authz.Policy, error)
	// Events are the kept audit events; nil: none are.
	Events Events
	// Recent returns requests that people made lately, for trying a draft; nil:
	// those that Events tell of.
	Recent func(ctx context.Context) ([]authz.Asked, error)
	People People
	// Registries are the configured services, the first one the default.
	Registries []string
	// BreakGlass says whether break-glass is armed, until when, by whom and why, for
	// everybody who administers to see; nil: it is not watched.
	BreakGlass func() (breakglass.Arming, bool)
	// Robots and Sessions are the store's, and Changes makes known what changes.
	Robots   Robots
	Sessions Sessions
	Changes  Changes
	// RobotTTL is the longest a robot may live: robots.max_ttl.
	RobotTTL time.Duration
	Keys     Keys
	// Mounted returns the file that registries are given for a key; nil: no files
	// are shown.
	Mounted func(tokens.KeyInfo) string
	// Connectors are the configured ones in their order, without their health, which
	// Health tells by the name; nil: nobody knows.
	Connectors []Connector
	Health     func(connector string) Health
	// Tracer is nil where no connector can be asked.
	Tracer Tracer
	// HomeConnector is the connector whose names stand for themselves in ${user}.
	HomeConnector string
	// RegistryEntries are the configured registries without their settings, which
	// Settings makes for a service; nil: they have none.
	RegistryEntries []Registry
	Settings        func(service string) (string, error)
	Audit           Recorder
	Clock           func() time.Time

	signedIn lately
}

// Recorder takes audit events; audit.Log is one.
type Recorder interface {
	// Record never blocks.
	Record(e audit.Event)
	// Act returns when what somebody has done is written.
	Act(ctx context.Context, e audit.Event)
}

// failure turns errors of the layers below into what a person may read.
func failure(err error) error {
	var stale *revisions.Stale
	var problems authz.Problems
	var classified *identity.Error
	var conflict *store.Conflict
	switch {
	case err == nil, errors.As(err, &problems), errors.As(err, &classified), errors.As(err, &stale), errors.Is(err, revisions.ErrUnchanged):
		return err // the ways in have an answer of their own for these
	case errors.Is(err, store.ErrNotFound):
		return &identity.Error{Kind: identity.NotFound, Message: "There is no such thing here.", Err: err}
	case errors.As(err, &conflict):
		return &identity.Error{Kind: identity.Conflict, Message: Sentence(conflict.Message), Err: err}
	case errors.Is(err, store.ErrUnavailable):
		return &identity.Error{
			Kind: identity.Unavailable, Message: "The store does not answer; nothing was changed. Try again in a few seconds.", Err: err,
		}
	}
	return &identity.Error{Kind: identity.Invalid, Message: err.Error()}
}

// record queues an event of somebody who wanted to do something.
func (d *Desk) record(a Actor, e audit.Event) { d.Audit.Record(d.event(a, e)) }

// act writes what somebody has done. When it returns, the audit log has it.
func (d *Desk) act(ctx context.Context, a Actor, e audit.Event) {
	e.Outcome = audit.Success
	d.Audit.Act(ctx, d.event(a, e))
}

// event adds who, when and from where. Every event of the administration passes
// here.
func (d *Desk) event(a Actor, e audit.Event) audit.Event {
	if e.Time.IsZero() {
		e.Time = d.Clock().UTC()
	}
	if e.PolicyRevision == "" {
		e.PolicyRevision = d.InForce().ID
	}
	if e.Connector == "" {
		e.Connector = a.Identity.Connector
	}
	e.RequestID, e.User, e.SourceIP, e.UserAgent = a.RequestID, a.Name, a.Address, a.UserAgent
	return e
}

// Sentence makes an error's text a sentence.
func Sentence(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[size:] + "."
}
