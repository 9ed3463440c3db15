package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"drawbridge/bridge"
	"drawbridge/bridge/manage"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/store"
)

// newDesk returns what administrators come to. s is nil where a file holds the
// policy.
func newDesk(cfg *configs.Config, s *store.Store, inForce func() bridge.Revision, people manage.People, events manage.Recorder) *manage.Desk {
	desk := &manage.Desk{
		InForce: inForce, File: cfg.Policy.File, People: people, Audit: events, Clock: time.Now,
		Compile: (&policySource{opts: compileOptions(cfg)}).compile,
	}
	if cfg.Policy.File == "" {
		desk.Policies = s
	}
	if cfg.Audit.Store {
		desk.Events = s
	}
	desk.Robots, desk.Sessions, desk.RobotTTL = s, s, cfg.Robots.MaxTTL
	desk.HomeConnector = configs.HomeConnector(cfg)
	for _, c := range cfg.Connectors {
		desk.Connectors = append(desk.Connectors, manage.Connector{Name: c.Name, Type: c.Type, Match: cmp.Or(c.Match, "*")})
	}
	for _, r := range cfg.Registries {
		desk.Registries = append(desk.Registries, r.Service)
		desk.RegistryEntries = append(desk.RegistryEntries, manage.Registry{
			Service: r.Service, Issuer: r.Issuer, For: r.For, TokenForm: r.TokenForm, DenyResponse: r.DenyResponse,
			RefreshTokens: r.RefreshTokens, URL: r.URL,
		})
	}
	desk.Settings = func(service string) (string, error) {
		r, err := findRegistry(cfg, service)
		if err != nil {
			return "", err
		}
		return registrySettings(cfg, r, "")
	}
	return desk
}

// lookers are the connectors that find people without a password, by name. A
// connector that cannot is there with nil.
type lookers map[string]connectors.Looker

// Lookup implements [manage.People].
func (l lookers) Lookup(ctx context.Context, id identity.Identity) (identity.Identity, error) {
	return l.ask(id, func(looker connectors.Looker) connectors.Outcome { return looker.Lookup(ctx, id.Name) })
}

// Describe implements [manage.Describer].
func (l lookers) Describe(ctx context.Context, id identity.Identity) (found identity.Identity, described connectors.Description, err error) {
	found, err = l.ask(id, func(looker connectors.Looker) (outcome connectors.Outcome) {
		describer, ok := looker.(connectors.Describer)
		if !ok {
			return looker.Lookup(ctx, id.Name)
		}
		outcome, described = describer.Describe(ctx, id.Name)
		return outcome
	})
	return found, described, err
}

// ask has the person's connector find them.
func (l lookers) ask(id identity.Identity, find func(connectors.Looker) connectors.Outcome) (identity.Identity, error) {
	looker, known := l[id.Connector]
	refuse := func(kind identity.ErrorKind, cause error, format string, args ...any) (identity.Identity, error) {
		return id, &identity.Error{Kind: kind, Message: fmt.Sprintf(format, args...), Err: cause}
	}
	switch {
	case !known:
		return refuse(identity.NotFound, nil, "No connector is called %q; give the groups to ask anyway.", id.Connector)
	case looker == nil:
		return refuse(identity.Invalid, nil, "The connector %s tells groups only at a login; give the groups to ask anyway.", id.Connector)
	}
	outcome := find(looker)
	switch outcome.Kind() {
	case connectors.KindGranted:
		return outcome.Identity(), nil
	case connectors.KindNotMine:
		return refuse(identity.NotFound, nil, "The connector %s does not know %q.", id.Connector, id.Name)
	case connectors.KindDenied:
		return refuse(identity.Invalid, nil, "The connector %s refuses %q: %s.", id.Connector, id.Name, outcome.Reason())
	default:
		return refuse(identity.Unavailable, outcome.Cause(),
			"The connector %s could not be asked; give the groups to ask anyway.", id.Connector)
	}
}
