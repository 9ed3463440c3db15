package migrate

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"drawbridge/authz"
	"drawbridge/identity"
)

// names is a set of repository names: one of our patterns, or something of which only
// docker_auth's own pattern is known.
type names struct {
	pattern string // ours; empty: it cannot be written as one
	docker  string // docker_auth's, where pattern is empty; empty: anything
}

func (n names) segments() []string { return strings.Split(n.pattern, "/") }

// literal reports whether the set is one name.
func (n names) literal() bool { return n.pattern != "" && !strings.ContainsAny(n.pattern, "*$") }

// within reports whether every name of n is surely one of other.
func (n names) within(other names) bool {
	if n.literal() && other.pattern == "" && other.docker != "" {
		return matchText(other.docker, n.pattern)
	}
	if n.pattern == "" || other.pattern == "" {
		return false
	}
	a, b := n.segments(), other.segments()
	for i, s := range b {
		switch {
		case i >= len(a):
			return false
		case s == "**":
			return true
		case a[i] == "**", a[i] != s && !segmentWithin(a[i], s):
			return false
		}
	}
	return len(a) == len(b)
}

// segmentWithin compares two segments that differ.
func segmentWithin(a, b string) bool {
	return b == "*" || !strings.ContainsAny(a, "*$") && identity.MatchGlob(b, a)
}

// apart reports whether no name is surely in both.
func (n names) apart(other names) bool {
	for _, pair := range [][2]names{{n, other}, {other, n}} {
		if pair[0].literal() && pair[1].pattern == "" && pair[1].docker != "" {
			return !matchText(pair[1].docker, pair[0].pattern)
		}
	}
	if n.pattern == "" || other.pattern == "" {
		return false
	}
	a, b := n.segments(), other.segments()
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] == "**" || b[i] == "**" {
			return false
		}
		if a[i] != b[i] && segmentsApart(a[i], b[i]) {
			return true
		}
	}
	return len(a) != len(b)
}

// segmentsApart reports whether two segments that differ share no text. Of two with
// stars it looks at what stands before the first and behind the last.
func segmentsApart(a, b string) bool {
	if strings.Contains(a, "$") || strings.Contains(b, "$") {
		return false
	}
	beginA, _, starA := strings.Cut(a, "*")
	beginB, _, starB := strings.Cut(b, "*")
	switch {
	case !starA && !starB:
		return true
	case !starA:
		return !identity.MatchGlob(b, a)
	case !starB:
		return !identity.MatchGlob(a, b)
	}
	endA, endB := a[strings.LastIndexByte(a, '*')+1:], b[strings.LastIndexByte(b, '*')+1:]
	return !strings.HasPrefix(beginA, beginB) && !strings.HasPrefix(beginB, beginA) ||
		!strings.HasSuffix(endA, endB) && !strings.HasSuffix(endB, endA)
}

// namesOf returns the sets of which an entry's names are the sum, for a caller.
func (e *dockerEntry) namesOf(c *caller) []names {
	if e.Match.Name == nil {
		return []names{{pattern: "**"}}
	}
	text, ok := e.capture(*e.Match.Name, c)
	switch {
	case !ok, strings.Contains(text, "${user}"), strings.Contains(text, "${group}"):
		return []names{{}} // those are ours, and nothing to docker_auth
	case !strings.Contains(text, "${account}"):
	case c.other && !isRegexp(text):
		text = ownNamespace(text)
	case c.other, strings.ContainsAny(c.name, `\*?[]^$+(){}|`):
		return []names{{}}
	case isRegexp(text):
		text = strings.ReplaceAll(text, "${account}", regexp.QuoteMeta(c.name))
	default:
		text = strings.ReplaceAll(text, "${account}", c.name)
	}
	if strings.Contains(strings.ReplaceAll(text, "${user}", ""), "${") {
		return []names{{}}
	}
	return parseNames(text)
}

// ownNamespace writes docker_auth's ${account}, as a whole segment, as our ${user}.
func ownNamespace(text string) string {
	parts := strings.Split(text, "/")
	for i, part := range parts {
		if part == "${account}" {
			parts[i] = "${user}"
		}
	}
	return strings.Join(parts, "/")
}

// parseNames reads a pattern of docker_auth without its variables.
func parseNames(text string) []names {
	unknown := []names{{docker: text}}
	if everything(text) {
		return []names{{pattern: "**"}}
	}
	var found []string
	if !isRegexp(text) {
		if strings.ContainsAny(text, `?[\`) {
			return unknown
		}
		for strings.Contains(text, "**") { // a star, which ends at a slash
			text = strings.ReplaceAll(text, "**", "*")
		}
		found = []string{text}
	} else if re, err := syntax.Parse(text[1:len(text)-1], syntax.Perl); err == nil {
		found = anchored(re.Simplify())
	}
	if found == nil {
		return unknown
	}
	var out []names
	for _, p := range found {
		if _, err := authz.ParsePattern(p); err != nil {
			return unknown
		}
		out = append(out, names{pattern: p})
	}
	return out
}
