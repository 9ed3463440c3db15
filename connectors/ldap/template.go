package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// The placeholders a filter may hold.
const (
	placeUsername = "{username}"
	placeDN       = "{dn}"
)

// template is a filter of the configuration, cut at its placeholders. The
// literals stand between and around them: one more than placeholders.
type template struct {
	literals     []string
	placeholders []string
}

// parseTemplate cuts the filter at the allowed placeholders and makes sure that
// what comes out is an LDAP filter (RFC 4515). A placeholder must stand in value
// position, after the `=` of its item: escaping protects a value, and only that.
func parseTemplate(filter string, allowed ...string) (template, error) {
	var t template
	rest := filter
	for {
		start := strings.IndexByte(rest, '{')
		end := strings.IndexByte(rest, '}')
		if start < 0 || end < start {
			break
		}
		place := rest[start : end+1]
		if !slices.Contains(allowed, place) {
			return template{}, fmt.Errorf("unknown placeholder %s; this filter may hold %s", place, strings.Join(allowed, " and "))
		}
		t.literals = append(t.literals, rest[:start])
		t.placeholders = append(t.placeholders, place)
		rest = rest[end+1:]
	}
	t.literals = append(t.literals, rest)
	if err := t.check(filter); err != nil {
		return template{}, err
	}
	return t, nil
}

func (t template) check(filter string) error {
	before := ""
	for i := range t.placeholders {
		before += t.literals[i]
		item := before[strings.LastIndexByte(before, '(')+1:]
		if !strings.Contains(item, "=") || strings.Contains(item, ")") {
			return fmt.Errorf("%s must stand where a value stands, as in (uid=%s)", t.placeholders[i], t.placeholders[i])
		}
		before += "x"
	}
	if _, err := ldap3.CompileFilter(t.expand("x", "x")); err != nil {
		return fmt.Errorf("not an LDAP filter (RFC 4515): %q", filter)
	}
	return nil
}

// has reports whether the template holds the placeholder.
func (t template) has(place string) bool { return slices.Contains(t.placeholders, place) }

// expand replaces every placeholder in one pass and escapes each value once: a
// username that reads {dn} or \28 stays those characters.
func (t template) expand(username, dn string) string {
	var b strings.Builder
	for i, place := range t.placeholders {
		b.WriteString(t.literals[i])
		if place == placeDN {
			b.WriteString(ldap3.EscapeFilter(dn))
		} else {
			b.WriteString(ldap3.EscapeFilter(username))
		}
	}
	b.WriteString(t.literals[len(t.literals)-1])
	return b.String()
}

// expandAny is expand for whatever username there may be: a placeholder becomes a
// wildcard. What a placeholder means in an item without wildcards (approximate and
// extensible matches) fits nobody.
func (t template) expandAny() string {
	var b strings.Builder
	for i, literal := range t.literals {
		if i > 0 {
			b.WriteByte('*')
		}
		b.WriteString(literal)
	}
	any := b.String()
	for strings.Contains(any, "**") { // beside a wildcard of the filter's own
		any = strings.ReplaceAll(any, "**", "*")
	}
	return any
}

var errNoUsername = errors.New("the filter must hold " + placeUsername + ", or everybody would be the same person")

// parseUserFilter reads user.filter.
func parseUserFilter(filter string) (template, error) {
	t, err := parseTemplate(filter, placeUsername)
	if err != nil {
		return template{}, err
	}
	if !t.has(placeUsername) {
		return template{}, errNoUsername
	}
	return t, nil
}

var (
	errNoGroupPlace = errors.New("the filter must hold " + placeDN + " or " + placeUsername + ", or everybody would be in the same groups")
	errNestedNoDN   = errors.New("nested groups need a filter that holds " + placeDN + ", as in (member={dn})")
)

// parseGroupFilter reads groups.filter.
func parseGroupFilter(filter string, nested bool) (template, error) {
	t, err := parseTemplate(filter, placeDN, placeUsername)
	switch {
	case err != nil:
		return template{}, err
	case len(t.placeholders) == 0:
		return template{}, errNoGroupPlace
	case nested && !t.has(placeDN):
		return template{}, errNestedNoDN
	}
	return t, nil
}
