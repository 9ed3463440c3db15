package authz

import (
	"errors"
	"fmt"
	"strings"
)

// maxRepositoryBytes is the longest repository name that the distribution
// project's reference grammar permits.
const maxRepositoryBytes = 255

// maxSegments is the most segments a name of maxRepositoryBytes can have.
const maxSegments = (maxRepositoryBytes + 1) / 2

var errEmptySegment = errors.New("it has an empty part: write no '/' at the ends and no two in a row")

// splitRepository checks a repository name against distribution's grammar,
//
//	name      = [ host "/" ] component *( "/" component )
//	host      = label *( "." label ) [ ":" port ]
//	label     = alphanumerics, and "-" inside
//	component = lower-case alphanumerics, joined by ".", "_", "__" or any number of "-"
//
// and returns its segments. It is linear in the length of the name.
func splitRepository(name string) ([]string, error) {
	if len(name) > maxRepositoryBytes {
		return nil, fmt.Errorf("it has %d bytes; a repository name has at most %d", len(name), maxRepositoryBytes)
	}
	segments := strings.Split(name, "/")
	for i, segment := range segments {
		if i == 0 && len(segments) > 1 && isHost(segment) {
			continue
		}
		if err := checkComponent(segment); err != nil {
			return nil, err
		}
	}
	return segments, nil
}

// checkComponent says what is wrong with one path component.
func checkComponent(s string) error {
	if s == "" {
		return errEmptySegment
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isLiteral(c):
		case c >= 'A' && c <= 'Z':
			return fmt.Errorf("%q has an upper-case letter, which repository names may not have: write %q", s, strings.ToLower(s))
		case c != '.' && c != '_' && c != '-':
			return fmt.Errorf("%q has the character %q: a repository name has a-z, 0-9, '.', '_' and '-' between slashes", s, firstRune(s[i:]))
		}
	}
	if !isComponent(s) {
		return fmt.Errorf("%q is no part of a repository name: '.', '_', '__' and '-' only join letters and digits", s)
	}
	return nil
}

// isComponent reports whether s is a path component: runs of lower-case
// alphanumerics with one of ".", "_", "__" or any number of "-" between them.
func isComponent(s string) bool {
	i := 0
	for {
		start := i
		for i < len(s) && isLiteral(s[i]) {
			i++
		}
		if i == start {
			return false
		}
		if i == len(s) {
			return true
		}
		n := separator(s[i:])
		if n == 0 {
			return false
		}
		i += n
	}
}

// separator returns the length of the separator that s begins with, or 0.
func separator(s string) int {
	switch {
	case s[0] == '.':
		return 1
	case strings.HasPrefix(s, "__"):
		return 2
	case s[0] == '_':
		return 1
	}
	return len(s) - len(strings.TrimLeft(s, "-"))
}

// isHost reports whether s is a host with an optional port.
func isHost(s string) bool {
	host, port, hasPort := strings.Cut(s, ":")
	if hasPort && (port == "" || strings.Trim(port, "0123456789") != "") {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isHostLabel(label) {
			return false
		}
	}
	return true
}

func isHostLabel(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		inside := c == '-' && i > 0 && i < len(s)-1
		if !isLiteral(c) && (c < 'A' || c > 'Z') && !inside {
			return false
		}
	}
	return s != ""
}

// isLiteral reports whether a byte stands for itself in slugs and components.
func isLiteral(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}
