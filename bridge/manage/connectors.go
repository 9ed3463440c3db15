package manage

import (
	"context"
	"time"

	"drawbridge/authz"
	"drawbridge/connectors"
	"drawbridge/identity"
)

// Connector is a configured connector.
type Connector struct {
	Name  string `json:"name"`
	Type  string `json:"type" example:"ldap"`
	Match string `json:"match" doc:"Which usernames are sent to it."`
	// Health is asked whenever the connector is shown.
	Health Health `json:"health"`
}

// Health is how a connector's backend does, as far as is known without asking it.
type Health struct {
	State  HealthState `json:"state" enum:"up,degraded,down,unknown"`
	Detail string      `json:"detail,omitempty"`
}

// HealthState is one word for it.
type HealthState string

// The states.
const (
	Up            HealthState = "up"
	Degraded      HealthState = "degraded" // some of its hosts are down
	Down          HealthState = "down"
	HealthUnknown HealthState = "unknown"
)

// Tracer asks the connectors for somebody without a password; connectors.Chain is
// one.
type Tracer interface {
	Trace(ctx context.Context, username string) (steps []connectors.Step, settled *connectors.Step)
}

// ListConnectors lists the connectors in their order, with their health.
func (d *Desk) ListConnectors(a Actor) ([]Connector, error) {
	if err := a.need(authz.ReadAudit); err != nil {
		return nil, err
	}
	list := append([]Connector{}, d.Connectors...)
	for i := range list {
		list[i].Health.State = HealthUnknown
		if d.Health != nil {
			list[i].Health = d.Health(list[i].Name)
		}
	}
	return list, nil
}

// TestLogin says which connector knows a username, as it would be typed at a login,
// which entry and groups it finds, and which bindings follow.
func (d *Desk) TestLogin(ctx context.Context, a Actor, username string) (*LoginReport, error) {
	if err := a.need(authz.ReadAudit); err != nil {
		return nil, err
	}
	if d.Tracer == nil {
		return nil, failure(errNoPart)
	}
	r := &LoginReport{Username: username, PolicyRevision: d.InForce().ID}
	id, described := r.LookedUp(d.Tracer.Trace(ctx, username))
	for i := range r.Connectors {
		r.Connectors[i].Type = d.connectorType(r.Connectors[i].Name)
	}
	r.Follows(id, described, d.HomeConnector, d.InForce().Policy, d.Clock())
	return r, nil
}

// connectorType returns the type of a connector; the robots', which is in no
// configuration, is its own type.
func (d *Desk) connectorType(name string) string {
	for _, c := range d.Connectors {
		if c.Name == name {
			return c.Type
		}
	}
	return name
}

// Registry is a configured registry.
type Registry struct {
	Service       string `json:"service"`
	Issuer        string `json:"issuer"`
	For           string `json:"for" doc:"The preset, as in distribution-3."`
	TokenForm     string `json:"token_form" enum:"x5c,kid"`
	DenyResponse  string `json:"deny_response" enum:"filter,explain"`
	RefreshTokens bool   `json:"refresh_tokens"`
	URL           string `json:"url,omitempty"`
	// Settings are to be pasted into the registry's own configuration.
	Settings string `json:"settings" doc:"What to paste into the registry's own configuration."`
}

// ListRegistries lists the registries in their order.
func (d *Desk) ListRegistries(a Actor) ([]Registry, error) {
	if err := a.need(authz.ReadAudit); err != nil {
		return nil, err
	}
	list := append([]Registry{}, d.RegistryEntries...)
	for i := range list {
		if d.Settings == nil {
			break
		}
		var err error
		if list[i].Settings, err = d.Settings(list[i].Service); err != nil {
			return nil, failure(err)
		}
	}
	return list, nil
}

// Follows adds who was found and what the policy says of them.
func (r *LoginReport) Follows(id identity.Identity, described connectors.Description, home string, policy *authz.Policy, now time.Time) {
	r.Bindings = []authz.Holding{}
	if id.Kind == identity.Anonymous {
		return
	}
	r.Person = newLoginPerson(id, described, home)
	r.Bindings = policy.Bindings(id, now)
}
