package authz

import (
	"errors"
	"fmt"
	"strings"

	"drawbridge/identity"
)

// AnyConnector in place of a connector's name stands for all of them.
const AnyConnector = "*"

// maxNameBytes bounds the names of subjects, bindings, roles and registries. A
// distinguished name as a group name fits.
const maxNameBytes = 1024

// PrincipalKind tells apart what a binding can name as its subject.
type PrincipalKind uint8

// The kinds of principal.
const (
	EveryonePrincipal      PrincipalKind = iota // anonymous: everybody, logged in or not
	AuthenticatedPrincipal                      // authenticated: every user and robot
	UserPrincipal                               // user:<connector>/<name>
	GroupPrincipal                              // group:<connector>/<name>
	RobotPrincipal                              // robot:<name>
)

// Principal is whom a binding concerns, as the document names them. It is
// comparable and serves as the key under which the compiler interns subjects.
type Principal struct {
	Kind PrincipalKind
	// Connector is a connector's name or AnyConnector, for users and groups.
	Connector string
	// Name is compared byte by byte: nothing in it is a pattern.
	Name string
}

var (
	errNoConnector = errors.New("write the connector too, as in group:corp/payments-dev, or */ for any connector")
	errNoName      = errors.New("the name is empty")
	errControl     = errors.New("the name has control characters or is not UTF-8")
)

// ParsePrincipal reads a subject of the policy document:
// user:<connector>/<name>, group:<connector>/<name>, robot:<name>, authenticated
// or anonymous. The connector ends at the first '/'; the name is everything
// after it.
func ParsePrincipal(text string) (Principal, error) {
	switch text {
	case "anonymous":
		return Principal{Kind: EveryonePrincipal}, nil
	case "authenticated":
		return Principal{Kind: AuthenticatedPrincipal}, nil
	}
	kind, rest, ok := strings.Cut(text, ":")
	if !ok {
		return Principal{}, fmt.Errorf("unknown subject %q: write user:<connector>/<name>, group:<connector>/<name>, robot:<name>, authenticated or anonymous%s",
			text, didYouMean(text, []string{"anonymous", "authenticated"}))
	}
	switch kind {
	case "user":
		return qualifiedPrincipal(UserPrincipal, text, rest)
	case "group":
		return qualifiedPrincipal(GroupPrincipal, text, rest)
	case "robot":
		if err := checkName(rest); err != nil {
			return Principal{}, fmt.Errorf("subject %q: %w", text, err)
		}
		return Principal{Kind: RobotPrincipal, Name: rest}, nil
	}
	return Principal{}, fmt.Errorf("unknown kind of subject %q in %q: write user:, group: or robot:%s",
		kind, text, didYouMean(kind, []string{"user", "group", "robot"}))
}

func qualifiedPrincipal(kind PrincipalKind, text, rest string) (Principal, error) {
	connector, name, ok := strings.Cut(rest, "/")
	if !ok {
		return Principal{}, fmt.Errorf("subject %q: %w", text, errNoConnector)
	}
	if connector != AnyConnector && !ValidConnectorName(connector) {
		return Principal{}, fmt.Errorf("subject %q: %q is no connector name: a-z, 0-9 and single dashes, or * for any connector", text, connector)
	}
	if err := checkName(name); err != nil {
		return Principal{}, fmt.Errorf("subject %q: %w", text, err)
	}
	return Principal{Kind: kind, Connector: connector, Name: name}, nil
}

func checkName(name string) error {
	switch {
	case name == "":
		return errNoName
	case len(name) > maxNameBytes:
		return fmt.Errorf("the name has %d bytes; at most %d are read", len(name), maxNameBytes)
	case !validName(name):
		return errControl
	}
	return nil
}

// String returns the subject as a policy document writes it.
func (p Principal) String() string {
	switch p.Kind {
	case UserPrincipal:
		return "user:" + p.Connector + "/" + p.Name
	case GroupPrincipal:
		return "group:" + p.Connector + "/" + p.Name
	case RobotPrincipal:
		return "robot:" + p.Name
	case AuthenticatedPrincipal:
		return "authenticated"
	case EveryonePrincipal:
	}
	return "anonymous"
}

// matches is the definition of who a principal is. The index answers the same
// question faster; explain uses this one to say why a binding was not reached.
func (p Principal) matches(id identity.Identity) bool {
	switch p.Kind {
	case EveryonePrincipal:
		return true
	case AuthenticatedPrincipal:
		return id.Kind != identity.Anonymous
	case RobotPrincipal:
		return id.Kind == identity.Robot && id.Name == p.Name
	case UserPrincipal:
		return id.Kind == identity.User && p.fromConnector(id) && id.Name == p.Name
	case GroupPrincipal:
		return id.Kind == identity.User && p.fromConnector(id) && containsString(id.Groups, p.Name)
	}
	return false
}

func (p Principal) fromConnector(id identity.Identity) bool {
	return p.Connector == AnyConnector || p.Connector == id.Connector
}
