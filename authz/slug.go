package authz

import (
	"strings"
	"unicode/utf8"

	"drawbridge/identity"
)

const (
	// maxSlugBytes leaves room for a repository below the slug.
	maxSlugBytes = 128
	// robotConnector qualifies the slugs of robots. No connector may have it
	// as its name.
	robotConnector = "robot"
	slugEscape     = "__"
	// slugEscapedStart begins the slug of a name that begins with an escape:
	// a component may not begin with "_". It reads as "0" and an escaped NUL,
	// and no name holds a NUL.
	slugEscapedStart = "0__00"
	slugQualifier    = "--"
	hexDigits        = "0123456789abcdef"
)

// Slug returns what `${user}` stands for when the caller is id: a legal
// repository component that no other caller has. It returns false when the
// caller has none, which means that `${user}` matches nothing for them: anonymous
// callers, names that are empty, not UTF-8 or hold control characters, and names
// whose slug would have over 128 bytes. See the package documentation for the
// scheme and for what homeConnector does.
func Slug(homeConnector string, id identity.Identity) (string, bool) {
	prefix, ok := slugPrefix(homeConnector, id.Kind, id.Connector)
	if !ok {
		return "", false
	}
	return qualifiedSlug(prefix, id.Name)
}

// GroupSlug returns what `${group}` stands for when the caller is in the group
// of that name and connector; see [Slug].
func GroupSlug(homeConnector, connector, group string) (string, bool) {
	prefix, ok := slugPrefix(homeConnector, identity.User, connector)
	if !ok {
		return "", false
	}
	return qualifiedSlug(prefix, group)
}

// slugPrefix returns the connector that a slug begins with, empty for none.
func slugPrefix(homeConnector string, kind identity.Kind, connector string) (string, bool) {
	switch kind {
	case identity.Robot:
		return robotConnector, true
	case identity.User:
		if homeConnector == "" || connector == homeConnector {
			return "", true
		}
		return connector, ValidConnectorName(connector)
	case identity.Anonymous, identity.BreakGlass:
	}
	return "", false
}

// ValidConnectorName reports whether a connector of this name can be told apart
// in slugs and subjects: a-z, 0-9 and single dashes inside, a letter first, and
// not "robot".
func ValidConnectorName(name string) bool {
	if name == robotConnector || name == "" || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for i := 0; i < len(name); i++ {
		dash := name[i] == '-' && i < len(name)-1 && name[i+1] != '-'
		if !isLiteral(name[i]) && !dash {
			return false
		}
	}
	return true
}

func qualifiedSlug(prefix, name string) (string, bool) {
	if !validName(name) {
		return "", false
	}
	var b strings.Builder
	if prefix != "" {
		b.WriteString(prefix + slugQualifier)
	}
	if !standsForItself(name, 0) {
		b.WriteString(slugEscapedStart)
	}
	for i := 0; i < len(name) && b.Len() <= maxSlugBytes; i++ {
		if standsForItself(name, i) {
			b.WriteByte(name[i])
			continue
		}
		b.WriteString(slugEscape)
		b.WriteByte(hexDigits[name[i]>>4])
		b.WriteByte(hexDigits[name[i]&15])
	}
	return b.String(), b.Len() <= maxSlugBytes
}

// standsForItself reports whether byte i of a name appears unchanged in its
// slug: a-z and 0-9 do, and one '.', '_' or '-' directly between two of those.
func standsForItself(name string, i int) bool {
	switch c := name[i]; c {
	case '.', '_', '-':
		return i > 0 && i < len(name)-1 && isLiteral(name[i-1]) && isLiteral(name[i+1])
	default:
		return isLiteral(c)
	}
}

// validName reports whether a user or group name can take part in decisions.
func validName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, isControl)
}

// isControl reports the C0 and C1 control characters and DEL.
func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f }

// isSlugOf reports whether text is the slug of the name, without building the
// slug: it runs on every decision that meets `${user}` or `${group}`. The caller
// checks the name with validName when the answer is yes.
func isSlugOf(text, prefix, name string) bool {
	if len(text) > maxSlugBytes || name == "" {
		return false
	}
	if prefix != "" {
		rest, ok := strings.CutPrefix(text, prefix)
		if !ok || !strings.HasPrefix(rest, slugQualifier) {
			return false
		}
		text = rest[len(slugQualifier):]
	}
	if !standsForItself(name, 0) {
		if !strings.HasPrefix(text, slugEscapedStart) {
			return false
		}
		text = text[len(slugEscapedStart):]
	}
	// An escape is three bytes longer than the byte it stands for, which rules
	// out most names by their length alone.
	longer := len(text) - len(name)
	if longer < 0 || longer%3 != 0 || longer == 0 && text != name {
		return false
	}
	return isBareSlugOf(text, name)
}

// isBareSlugOf compares byte by byte what is left without the prefixes.
func isBareSlugOf(text, name string) bool {
	for i := 0; i < len(name); i++ {
		n := 1
		if !standsForItself(name, i) {
			n = len(slugEscape) + 2
		}
		if len(text) < n || !sameSlugByte(text[:n], name[i]) {
			return false
		}
		text = text[n:]
	}
	return text == ""
}

// sameSlugByte reports whether piece is what the byte c is written as.
func sameSlugByte(piece string, c byte) bool {
	if len(piece) == 1 {
		return piece[0] == c
	}
	return piece[:len(slugEscape)] == slugEscape && piece[2] == hexDigits[c>>4] && piece[3] == hexDigits[c&15]
}
