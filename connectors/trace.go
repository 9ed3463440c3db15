package connectors

import (
	"context"

	"drawbridge/identity"
)

// Describer is a [Looker] that also tells where it found what it found, for the
// people who administer the backend: `drawbridge login-test` prints it.
type Describer interface {
	// Describe answers as Lookup does. The description is empty where nobody was
	// found; somebody who may not log in has one.
	Describe(ctx context.Context, username string) (Outcome, Description)
}

// Description is where in its backend a person was found.
type Description struct {
	// Entry is the person's place: a DN, or a file and a line.
	Entry string
	// GroupsFrom says how the groups were found; empty where none are looked for.
	GroupsFrom string
	// GroupEntries are the places of the groups by name, as far as they are
	// known. A name with two places stands for two groups.
	GroupEntries map[string][]string
}

// Answer is what a [Step] came to: the name of a [Kind], or one of these.
type Answer string

// The answers beside the five outcomes.
const (
	NotRouted Answer = "not_routed"      // the username does not fit `match`
	NotAsked  Answer = "not_asked"       // a connector before it has settled the matter
	AtLogin   Answer = "only_at_a_login" // the backend tells nothing without a password
)

// Step is one connector's part in a [Chain.Trace].
type Step struct {
	Connector Connector
	Match     identity.UsernamePattern
	Answer    Answer
	// Outcome is set when the connector was asked.
	Outcome     Outcome
	Description Description
	// Skipped says that the outcome was passed over, as on_unavailable wants.
	Skipped bool
}

// Trace walks the chain as a login with the username would, but looks people up
// instead of verifying a password. It returns one step for each connector, and
// the one that settles the matter: the [Owner] of the username, the last one asked
// that was not passed over, or the first one passed over if no other knows the
// username. There is none when every connector asked says NotMine.
func (c *Chain) Trace(ctx context.Context, username string) (steps []Step, settled *Step) {
	steps, settled = c.traceOwners(ctx, username)
	for i, link := range c.links {
		step := &steps[len(c.owners)+i]
		*step = Step{Connector: link.Connector, Match: link.Match}
		switch {
		case !link.Match.Match(username):
			step.Answer = NotRouted
		case settled != nil && !settled.Skipped:
			step.Answer = NotAsked
		default:
			step.ask(ctx, username)
			kind := step.Outcome.Kind()
			down := kind == KindUnavailable || kind == KindMisconfigured
			step.Skipped = step.Answer != AtLogin && down && link.NextOnUnavailable && ctx.Err() == nil
			if step.Answer == Answer(KindNotMine.String()) || step.Skipped && settled != nil {
				continue
			}
			settled = step
		}
	}
	return steps, settled
}

// traceOwners begins a trace: a step for each connector, the owners' filled in.
func (c *Chain) traceOwners(ctx context.Context, username string) (steps []Step, settled *Step) {
	steps = make([]Step, len(c.owners)+len(c.links))
	for i, link := range c.owners {
		step := &steps[i]
		*step = Step{Connector: link.Connector, Match: link.Match, Answer: NotRouted}
		owner, ok := link.Connector.(Owner)
		if ok && settled == nil && owner.Owns(identity.Credential{Username: username}) {
			step.ask(ctx, username)
			settled = step
		}
	}
	return steps, settled
}

// ask looks the username up with whatever the connector can do.
func (s *Step) ask(ctx context.Context, username string) {
	switch c := s.Connector.(type) {
	case Describer:
		s.Outcome, s.Description = c.Describe(ctx, username)
	case Looker:
		s.Outcome = c.Lookup(ctx, username)
	default:
		s.Answer = AtLogin
		return
	}
	s.Answer = Answer(s.Outcome.Kind().String())
}
