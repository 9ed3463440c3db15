package authz

import "drawbridge/identity"

// inlinePrincipals is how many principals a Subject holds without allocating: a
// caller matches one for each of their groups that the policy names.
const inlinePrincipals = 64

// principalIndex numbers the principals that a document names. Connectors and
// names are looked up separately, so that resolving a caller joins no strings.
// 0 is nobody's number.
type principalIndex struct {
	count         principalID
	everyone      principalID
	authenticated principalID
	robots        map[string]principalID
	users         map[string]map[string]principalID // by connector, then name
	groups        map[string]map[string]principalID
}

func newPrincipalIndex() principalIndex {
	return principalIndex{
		robots: map[string]principalID{},
		users:  map[string]map[string]principalID{},
		groups: map[string]map[string]principalID{},
	}
}

func (x *principalIndex) internAll(list []Principal) []principalID {
	ids := make([]principalID, len(list))
	for i, p := range list {
		ids[i] = x.intern(p)
	}
	return ids
}

func (x *principalIndex) intern(p Principal) principalID {
	switch p.Kind {
	case AuthenticatedPrincipal:
		return x.number(&x.authenticated)
	case UserPrincipal:
		return x.internName(inner(x.users, p.Connector), p.Name)
	case GroupPrincipal:
		return x.internName(inner(x.groups, p.Connector), p.Name)
	case RobotPrincipal:
		return x.internName(x.robots, p.Name)
	case EveryonePrincipal:
	}
	return x.number(&x.everyone)
}

func (x *principalIndex) internName(names map[string]principalID, name string) principalID {
	id := names[name]
	names[name] = x.number(&id)
	return id
}

func (x *principalIndex) number(id *principalID) principalID {
	if *id == 0 {
		x.count++
		*id = x.count
	}
	return *id
}

func inner(outer map[string]map[string]principalID, key string) map[string]principalID {
	if outer[key] == nil {
		outer[key] = map[string]principalID{}
	}
	return outer[key]
}

// Subject is a caller as one policy sees them: resolved once per request, then
// used for each scope of it. It is only read by decisions.
type Subject struct {
	policy     *Policy
	id         identity.Identity
	slugPrefix string
	hasSlug    bool
	count      int
	inline     [inlinePrincipals]principalID
	overflow   []principalID // all of them, when there are too many for inline
	mask       uint64        // one bit per principal number modulo 64
}

// Subject resolves a caller. A user without a connector or name, or a robot
// without a name, is a fault of whoever made the identity and is treated as
// anonymous. The result belongs to this policy; used with another it is
// resolved again, so that a reload between two calls is harmless.
func (p *Policy) Subject(id identity.Identity) Subject {
	switch {
	case id.Kind == identity.User && id.Connector != "" && id.Name != "":
	case id.Kind == identity.Robot && id.Name != "":
	default:
		id = identity.Identity{}
	}
	return p.resolve(id)
}

// resolve is Subject without its check: embedded tests ask for somebody whose
// name they leave open.
func (p *Policy) resolve(id identity.Identity) Subject {
	s := Subject{policy: p, id: id}
	x := &p.people
	s.add(x.everyone)
	switch id.Kind {
	case identity.Robot:
		s.add(x.authenticated)
		s.add(x.robots[id.Name])
	case identity.User:
		s.add(x.authenticated)
		s.addUser(x)
	case identity.Anonymous, identity.BreakGlass: // which administers, and has no part in registries
		return s
	}
	if prefix, ok := slugPrefix(p.options.HomeConnector, id.Kind, id.Connector); ok {
		s.slugPrefix, s.hasSlug = prefix, true
	}
	return s
}

func (s *Subject) addUser(x *principalIndex) {
	s.add(x.users[s.id.Connector][s.id.Name])
	s.add(x.users[AnyConnector][s.id.Name])
	own, anywhere := x.groups[s.id.Connector], x.groups[AnyConnector]
	for _, g := range s.id.Groups {
		if len(own) > 0 {
			s.add(own[g])
		}
		if len(anywhere) > 0 {
			s.add(anywhere[g])
		}
	}
}

func (s *Subject) add(id principalID) {
	switch {
	case id == 0:
		return
	case s.overflow != nil:
		s.overflow = append(s.overflow, id)
	case s.count == inlinePrincipals:
		s.overflow = append(append(make([]principalID, 0, 4*inlinePrincipals), s.inline[:]...), id)
	default:
		s.inline[s.count] = id
		s.count++
	}
	s.mask |= 1 << (id % 64)
}

func (s *Subject) principals() []principalID {
	if s.overflow != nil {
		return s.overflow
	}
	return s.inline[:s.count]
}

// is reports whether the caller is the principal of that number.
func (s *Subject) is(id principalID) bool {
	if s.mask&(1<<(id%64)) == 0 {
		return false
	}
	for _, have := range s.principals() {
		if have == id {
			return true
		}
	}
	return false
}

// Identity returns the caller that was resolved.
func (s *Subject) Identity() identity.Identity { return s.id }
