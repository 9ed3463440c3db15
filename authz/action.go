package authz

import "strings"

// Action is one thing a registry lets somebody do.
type Action uint8

// The actions. Each is one bit, so that a set of them is an integer.
const (
	Pull    Action = 1 << iota // read manifests and blobs
	Push                       // write them; registries ask for pull and push together
	Delete                     // remove them
	Catalog                    // list every repository: the scope registry:catalog:*
)

// Actions is a set of actions. The zero value is the empty set.
type Actions uint8

// repositoryActions are the actions that concern one repository, which is what
// `*` in a repository scope asks for.
const repositoryActions = Actions(Pull | Push | Delete)

// inOrder lists every action in the order in which answers name them.
func inOrder() [4]Action { return [...]Action{Pull, Push, Delete, Catalog} }

// ActionsOf returns the set of the actions given.
func ActionsOf(actions ...Action) Actions {
	var set Actions
	for _, a := range actions {
		set |= Actions(a)
	}
	return set
}

// ParseAction returns the action that a policy document or a scope calls name.
func ParseAction(name string) (Action, bool) {
	switch name {
	case "pull":
		return Pull, true
	case "push":
		return Push, true
	case "delete":
		return Delete, true
	case "catalog":
		return Catalog, true
	}
	return 0, false
}

// String returns the name a policy document uses.
func (a Action) String() string {
	switch a {
	case Pull:
		return "pull"
	case Push:
		return "push"
	case Delete:
		return "delete"
	case Catalog:
		return "catalog"
	}
	return "invalid"
}

// Has reports whether the set holds the action.
func (s Actions) Has(a Action) bool { return s&Actions(a) != 0 }

// Names returns the names of the actions in a fixed order: pull, push, delete,
// catalog. It is empty and not nil for the empty set, so that it encodes as [].
func (s Actions) Names() []string {
	names := make([]string, 0, 4)
	for _, a := range inOrder() {
		if s.Has(a) {
			names = append(names, a.String())
		}
	}
	return names
}

// String returns the names with commas between, as a scope writes them.
func (s Actions) String() string { return strings.Join(s.Names(), ",") }

// impliedByRole adds what a role that holds these actions holds as well: a
// registry asks for pull whenever it asks for push, so push alone is of no use.
func (s Actions) impliedByRole() Actions {
	if s.Has(Push) {
		s |= Actions(Pull)
	}
	return s
}
