package authz

import (
	"errors"
	"strconv"
	"strings"
)

// scopeKind says what a scope asks about.
type scopeKind uint8

const (
	nothingScope    scopeKind = iota // malformed or unknown: grants nothing
	repositoryScope                  // repository:<name>:<actions>
	catalogScope                     // registry:catalog:*
	zotCatalogScope                  // repository::pull, how zot asks for its catalog
)

// Scope is one resource and what the client wants to do with it, parsed once.
// The zero value grants nothing. A Scope is not changed after ParseScopes
// returned it and may be shared.
type Scope struct {
	kind      scopeKind
	typ       string
	name      string
	segments  []string
	requested Actions
	unknown   []string // actions nobody knows, for explain and audit
	fault     error    // why the scope grants nothing whatever the policy says
}

var (
	errScopeForm       = errors.New("it is malformed: a scope is <type>:<name>:<actions>")
	errScopeType       = errors.New("its resource type is unknown: repository and registry are known")
	errScopeRegistry   = errors.New("the only resource of type registry is catalog")
	errScopeRepository = errors.New("it is no legal repository name")
	errScopeActions    = errors.New("it asks for no known action")
)

type resource struct{ typ, name string }

// ParseScopes reads the `scope` parameters of a token request, which clients
// repeat, fill with several scopes separated by spaces, and leave empty. Scopes
// of the same resource become one, in the order in which resources first appear.
//
// It never fails: what it does not understand becomes a Scope that grants
// nothing, and [Scope.Fault] says why. The work is linear in the input, whose
// size the caller bounds.
func ParseScopes(values []string) []Scope {
	var scopes []Scope
	seen := map[resource]int{}
	for _, value := range values {
		for text := range strings.FieldsSeq(value) {
			typ, name, actions, ok := splitScope(text)
			if !ok {
				typ, name, actions = "", text, ""
			}
			key := resource{typ, name}
			i, known := seen[key]
			if !known {
				i = len(scopes)
				seen[key] = i
				scopes = append(scopes, newScope(typ, name))
			}
			scopes[i].request(actions)
		}
	}
	return scopes
}

// splitScope cuts the type at the first ':' and the actions at the last, since
// names may hold host:port/. A repository type with a class, which old Docker
// versions send for plugins, is answered without it.
func splitScope(text string) (typ, name, actions string, ok bool) {
	first, last := strings.IndexByte(text, ':'), strings.LastIndexByte(text, ':')
	if first <= 0 || first == last {
		return "", "", "", false
	}
	typ = text[:first]
	if typ == "repository(plugin)" {
		typ = "repository"
	}
	return typ, text[first+1 : last], text[last+1:], true
}

func newScope(typ, name string) Scope {
	s := Scope{typ: typ, name: name}
	switch {
	case typ == "":
		s.fault = errScopeForm
	case typ == "registry" && name == "catalog":
		s.kind = catalogScope
	case typ == "registry":
		s.fault = errScopeRegistry
	case typ == "repository" && name == "":
		s.kind = zotCatalogScope
	case typ == "repository":
		segments, err := splitRepository(name)
		if err != nil {
			s.fault = errScopeRepository
			break
		}
		s.kind, s.segments = repositoryScope, segments
	default:
		s.fault = errScopeType
	}
	return s
}

// request adds comma-separated actions.
func (s *Scope) request(actions string) {
	for name := range strings.SplitSeq(actions, ",") {
		if set := s.meaning(name); set != 0 {
			s.requested |= set
		} else if name != "" {
			s.unknown = append(s.unknown, name)
		}
	}
}

// meaning returns what an action of this scope asks for, 0 when nobody knows.
func (s *Scope) meaning(action string) Actions {
	switch s.kind {
	case catalogScope:
		if action == "*" {
			return Actions(Catalog)
		}
	case zotCatalogScope:
		if action == "*" || action == "pull" {
			return Actions(Catalog)
		}
	case repositoryScope:
		if action == "*" {
			return repositoryActions
		}
		if a, ok := ParseAction(action); ok {
			return Actions(a) & repositoryActions
		}
	case nothingScope:
	}
	return 0
}

// RepositoryScope returns the scope that asks for actions on the repository.
func RepositoryScope(name string, actions Actions) (Scope, error) {
	segments, err := splitRepository(name)
	if err != nil {
		return Scope{}, err
	}
	return Scope{kind: repositoryScope, typ: "repository", name: name, segments: segments, requested: actions & repositoryActions}, nil
}

// CatalogScope returns the scope that asks for the list of repositories.
func CatalogScope() Scope {
	return Scope{kind: catalogScope, typ: "registry", name: "catalog", requested: Actions(Catalog)}
}

// Type returns the resource type as the answer writes it, without the class
// that a client may have added. It is empty for a malformed scope.
func (s Scope) Type() string { return s.typ }

// Name returns the resource name, for a malformed scope its whole text. It is
// what the client sent: up to its size bound, and free of spaces, but anything
// else may be in it unless Fault is nil.
func (s Scope) Name() string { return s.name }

// Requested returns the known actions that the scope asks for, `*` expanded.
func (s Scope) Requested() Actions { return s.requested }

// Unknown returns the actions that nobody knows, as they were asked for.
func (s Scope) Unknown() []string { return s.unknown }

// Fault says why the scope grants nothing whatever the policy is, as the end of
// a sentence about the scope. It is nil for a scope that can grant something.
func (s Scope) Fault() error {
	if s.fault == nil && s.requested == 0 {
		return errScopeActions
	}
	return s.fault
}

// AnswerActions returns the names under which a token lists granted actions for
// this scope. The catalog is `*` for registry:catalog and `pull` for zot's
// repository with the empty name; a repository's actions are always concrete.
// It is empty and not nil when nothing is granted.
func (s Scope) AnswerActions(granted Actions) []string {
	switch s.kind {
	case catalogScope:
		if granted.Has(Catalog) {
			return []string{"*"}
		}
	case zotCatalogScope:
		if granted.Has(Catalog) {
			return []string{"pull"}
		}
	case repositoryScope:
		return (granted & repositoryActions).Names()
	case nothingScope:
	}
	return []string{}
}

// String returns the scope as the answer would write it if everything asked for
// were granted, with unknown actions at the end. Whatever the client sent, it is
// printable ASCII.
func (s Scope) String() string {
	if s.typ == "" {
		return printable(s.name)
	}
	return printable(s.typ + ":" + s.name + ":" + strings.Join(append(s.AnswerActions(s.requested), s.unknown...), ","))
}

// printable escapes what could play tricks in a log or on a terminal.
func printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return s
	}
	quoted := strconv.QuoteToASCII(s)
	return quoted[1 : len(quoted)-1]
}
