package oidc

import (
	"strings"
	"unicode"

	"drawbridge/connectors"
	"drawbridge/identity"
)

// find follows a path: the literal key first, then each part before a dot as an
// object and the rest as a path in it. A null counts as absent.
func (c claims) find(path string) (any, bool) {
	if value, ok := c[path]; ok && value != nil {
		return value, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if inner, ok := c[path[:i]].(map[string]any); ok {
			if value, ok := claims(inner).find(path[i+1:]); ok {
				return value, true
			}
		}
	}
	return nil, false
}

// sources are the claims of the ID token and, behind them, of userinfo: what the
// first one has, the second one does not replace.
type sources []claims

func (s sources) find(path string) (any, bool) {
	for _, c := range s {
		if value, ok := c.find(path); ok {
			return value, true
		}
	}
	return nil, false
}

// username returns the person's canonical name.
func (s sources) username(path string) (string, error) {
	value, ok := s.find(path)
	if !ok {
		return "", misconfigured("the ID token has no claim %s; check username_claim and the client's scopes", path)
	}
	name, ok := value.(string)
	if !ok {
		return "", misconfigured("the claim %s is %s and not a string; check username_claim", path, typeName(value))
	}
	if name == "" || len(name) > connectors.MaxUsername || strings.ContainsFunc(name, unicode.IsControl) {
		return "", denied(connectors.BadUsername)
	}
	if path == "email" && !s.emailVerified() {
		return "", denied(connectors.LoginRestricted)
	}
	return name, nil
}

// emailVerified is false only if the provider says so anywhere; some never say.
// Some send text instead of a boolean.
func (s sources) emailVerified() bool {
	for _, c := range s {
		if value := c["email_verified"]; value == false || value == "false" {
			return false
		}
	}
	return true
}

// groups returns the person's groups. An absent claim is none; the overage was
// looked for before.
func (s sources) groups(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	value, ok := s.find(path)
	if !ok {
		return nil, nil
	}
	if one, ok := value.(string); ok {
		return identity.NormalizeGroups([]string{one}), nil
	}
	list, ok := value.([]any)
	if !ok {
		return nil, misconfigured("the claim %s is %s and not a string or an array of strings; check groups_claim", path, typeName(value))
	}
	groups := make([]string, 0, len(list))
	for i, item := range list {
		group, ok := item.(string)
		if !ok {
			return nil, misconfigured("element %d of the claim %s is %s and not a string; check groups_claim", i, path, typeName(item))
		}
		groups = append(groups, group)
	}
	return identity.NormalizeGroups(groups), nil
}

// entraGroups is the claim that Entra ID leaves out, and the only one that can be
// fetched instead.
const entraGroups = "groups"

// overage reports that the provider left out the groups because they are too
// many, and points elsewhere (OpenID Connect Core 1.0 section 5.6.2; Entra ID's
// hasgroups in tokens of the implicit kind).
func (c claims) overage(path string) bool {
	if path == "" {
		return false
	}
	first, _, _ := strings.Cut(path, ".")
	names, _ := c["_claim_names"].(map[string]any)
	_, whole := names[path]
	_, part := names[first]
	hasGroups := c["hasgroups"]
	return whole || part || path == entraGroups && (hasGroups == true || hasGroups == "true")
}

// typeName is how an administrator calls a JSON type.
func typeName(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	}
	return "a number"
}
