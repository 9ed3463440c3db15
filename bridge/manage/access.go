package manage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge/authz"
	"drawbridge/identity"
)

// Question asks what somebody may do with a repository.
type Question struct {
	// Who is corp/alice, robot:ci or anonymous.
	Who string
	// Groups are used instead of asking the person's connector; nil: ask it.
	Groups []string
	// Registry is a service; empty: the first one configured.
	Registry string
	// Actions has commas between; Repository is a name, or catalog with the
	// action catalog.
	Actions, Repository string
}

// Explain says whether somebody may do something, and why.
func (d *Desk) Explain(ctx context.Context, a Actor, q Question) (authz.Explanation, error) {
	var none authz.Explanation
	if err := a.need(authz.ReadAudit); err != nil {
		return none, err
	}
	scope, err := ParseQuestion(q.Actions, q.Repository)
	if err != nil {
		return none, invalid(err)
	}
	registry, err := d.registry(q.Registry)
	if err != nil {
		return none, err
	}
	id, source, err := d.person(ctx, q.Who, q.Groups)
	if err != nil {
		return none, err
	}
	policy := d.InForce().Policy
	subject := policy.Subject(id)
	e := policy.Explain(&subject, registry, scope, d.Clock())
	e.GroupsFrom = source
	return e, nil
}

// WhoCan lists the subjects that are granted any of the actions.
func (d *Desk) WhoCan(_ context.Context, a Actor, q Question) ([]authz.Holder, error) {
	if err := a.need(authz.ReadAudit); err != nil {
		return nil, err
	}
	scope, err := ParseQuestion(q.Actions, q.Repository)
	if err != nil {
		return nil, invalid(err)
	}
	registry, err := d.registry(q.Registry)
	if err != nil {
		return nil, err
	}
	return d.InForce().Policy.WhoCan(registry, scope, d.Clock()), nil
}

// Access is everything a policy says of one person.
type Access struct {
	Who    string   `json:"who"`
	Groups []string `json:"groups"`
	// GroupsFrom is where the groups come from; nil where whoever asks gave them.
	GroupsFrom   *authz.GroupSource `json:"groups_from,omitempty"`
	Capabilities []string           `json:"capabilities"`
	Bindings     []authz.Holding    `json:"bindings"`
}

// List returns the bindings that name somebody.
func (d *Desk) List(ctx context.Context, a Actor, who string, groups []string) (Access, error) {
	if err := a.need(authz.ReadAudit); err != nil {
		return Access{}, err
	}
	id, source, err := d.person(ctx, who, groups)
	if err != nil {
		return Access{}, err
	}
	policy, now := d.InForce().Policy, d.Clock()
	subject := policy.Subject(id)
	return Access{
		Who: who, Groups: append([]string{}, id.Groups...), GroupsFrom: source, Bindings: policy.Bindings(id, now),
		Capabilities: policy.Capabilities(&subject, now).Names(),
	}, nil
}

func (d *Desk) registry(service string) (string, error) {
	switch {
	case service == "" && len(d.Registries) > 0:
		return d.Registries[0], nil
	case service == "" || slices.Contains(d.Registries, service):
		return service, nil
	}
	return "", invalid(fmt.Errorf("no registry has the service %.100q; configured are %q", service, d.Registries))
}

// person returns somebody with the groups given, or with those that their connector
// tells now.
func (d *Desk) person(ctx context.Context, who string, groups []string) (identity.Identity, *authz.GroupSource, error) {
	id, err := ParseWho(who)
	if err != nil {
		return id, nil, invalid(err)
	}
	if groups != nil || id.Kind != identity.User {
		id.Groups = GroupNames(groups, id.Connector)
		return id, nil, nil
	}
	source := &authz.GroupSource{Connector: id.Connector, At: d.Clock().UTC()}
	describer, ok := d.People.(Describer)
	if !ok {
		id, err = d.People.Lookup(ctx, id)
		return id, source, err
	}
	id, found, err := describer.Describe(ctx, id)
	source.How, source.Entries = found.GroupsFrom, found.GroupEntries
	return id, source, err
}

func invalid(err error) error {
	return &identity.Error{Kind: identity.Invalid, Message: Sentence(err.Error())}
}

// ParseQuestion turns actions and a repository into the scope a registry would
// ask for.
func ParseQuestion(actions, repository string) (authz.Scope, error) {
	text := "repository:" + repository + ":" + actions
	if actions == authz.Catalog.String() {
		text = "registry:catalog:*"
	}
	parsed := authz.ParseScopes([]string{text})
	if len(parsed) != 1 {
		return authz.Scope{}, fmt.Errorf("%q: a repository name has no spaces", repository)
	}
	if fault := parsed[0].Fault(); fault != nil {
		return authz.Scope{}, fmt.Errorf("%q on %q cannot be granted: %w", actions, repository, fault)
	}
	if unknown := parsed[0].Unknown(); len(unknown) > 0 {
		return authz.Scope{}, fmt.Errorf("unknown action %q: use pull, push, delete, catalog or *", unknown[0])
	}
	return parsed[0], nil
}

// ParseWho reads CONNECTOR/NAME, robot:NAME or anonymous.
func ParseWho(who string) (identity.Identity, error) {
	if who == identity.Anonymous.String() {
		return identity.Identity{}, nil
	}
	if name, ok := strings.CutPrefix(who, "robot:"); ok && name != "" {
		return identity.Identity{Kind: identity.Robot, Name: name}, nil
	}
	connector, name, ok := strings.Cut(strings.TrimPrefix(who, "user:"), "/")
	if !ok || connector == "" || name == "" {
		return identity.Identity{}, fmt.Errorf("%q is nobody: write CONNECTOR/NAME, as in corp/alice, robot:NAME or anonymous", who)
	}
	return identity.Identity{Kind: identity.User, Connector: connector, Name: name}, nil
}

// GroupNames accepts groups as the policy writes them, group:corp/dev or
// corp/dev, beside the bare name.
func GroupNames(groups []string, connector string) []string {
	names := make([]string, 0, len(groups))
	for _, g := range groups {
		g = strings.TrimPrefix(g, "group:")
		names = append(names, strings.TrimPrefix(g, connector+"/"))
	}
	return identity.NormalizeGroups(names)
}
