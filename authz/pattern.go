package authz

import (
	"errors"
	"fmt"
	"strings"

	"drawbridge/identity"
)

// segmentKind tells apart what one segment of a pattern can be.
type segmentKind uint8

const (
	literalSegment segmentKind = iota // stands for itself
	globSegment                       // has '*' somewhere, each for any run of characters
	userSegment                       // ${user}: the caller's slug
	groupSegment                      // ${group}: the slug of one of the caller's groups
	restSegment                       // **: one or more segments, the last of its pattern
)

type segment struct {
	kind segmentKind
	text string
}

// Pattern says which repositories a binding or guardrail concerns. The zero
// value matches nothing.
type Pattern struct {
	text     string
	segments []segment
}

var (
	errPatternEmpty = errors.New("the pattern is empty: write ** for every repository")
	errRestNotLast  = errors.New("** stands only as the last segment, as in payments/**")
	errRestInside   = errors.New("** stands only as a whole segment: write one * inside a segment")
	errVariable     = errors.New("${user} and ${group} stand only as a whole segment, as in users/${user}/**")
)

// ParsePattern reads a repository pattern: segments split at '/', each a
// literal, a literal with `*` in it, `${user}`, `${group}`, or as the last one
// `**`. Literals have to be possible parts of repository names, so that a slip
// of the pen is an error and not a pattern that never matches.
func ParsePattern(text string) (Pattern, error) {
	if text == "" {
		return Pattern{}, errPatternEmpty
	}
	if len(text) > maxRepositoryBytes {
		return Pattern{}, fmt.Errorf("the pattern has %d bytes; a repository name has at most %d", len(text), maxRepositoryBytes)
	}
	parts := strings.Split(text, "/")
	p := Pattern{text: text, segments: make([]segment, 0, len(parts))}
	for i, part := range parts {
		s, err := parseSegment(part, i == 0 && len(parts) > 1)
		if err == nil && s.kind == restSegment && i < len(parts)-1 {
			err = errRestNotLast
		}
		if err != nil {
			return Pattern{}, fmt.Errorf("pattern %q: %w", text, err)
		}
		p.segments = append(p.segments, s)
	}
	return p, nil
}

func parseSegment(part string, mayBeHost bool) (segment, error) {
	switch {
	case part == "**":
		return segment{kind: restSegment}, nil
	case part == "${user}":
		return segment{kind: userSegment}, nil
	case part == "${group}":
		return segment{kind: groupSegment}, nil
	case strings.Contains(part, "${user}"), strings.Contains(part, "${group}"):
		return segment{}, errVariable
	case strings.Contains(part, "$"):
		return segment{}, fmt.Errorf("%q: a pattern has no variables but ${user} and ${group}, and is no regular expression", part)
	case strings.Contains(part, "**"):
		return segment{}, errRestInside
	case strings.Contains(part, "*"):
		return globSegmentOf(part, mayBeHost)
	case mayBeHost && strings.ContainsAny(part, ".:") && isHost(part):
		return segment{text: part}, nil
	}
	return segment{text: part}, checkComponent(part)
}

// globSegmentOf checks the characters around the stars. A host with a star in
// it may have a port and, like a host, upper-case letters.
func globSegmentOf(part string, mayBeHost bool) (segment, error) {
	for i := 0; i < len(part); i++ {
		c := part[i]
		if isLiteral(c) || strings.IndexByte("*._-", c) >= 0 || mayBeHost && c == ':' {
			continue
		}
		if c >= 'A' && c <= 'Z' {
			return segment{}, fmt.Errorf("%q has an upper-case letter, which repository names may not have: write %q", part, strings.ToLower(part))
		}
		return segment{}, fmt.Errorf("%q has the character %q: a segment has a-z, 0-9, '.', '_', '-' and '*', and is no regular expression", part, firstRune(part[i:]))
	}
	return segment{kind: globSegment, text: part}, nil
}

// String returns the pattern as the document writes it.
func (p Pattern) String() string { return p.text }

// literalPrefix returns how many literal segments the pattern begins with. The
// index files the pattern under them.
func (p Pattern) literalPrefix() int {
	for i, s := range p.segments {
		if s.kind != literalSegment {
			return i
		}
	}
	return len(p.segments)
}

// match returns -1 when the pattern matches the repository name, and otherwise
// the index of the first segment of the name that fails; len(name) means that
// the name is too short. vars answers for ${user} and ${group}.
func (p *Pattern) match(name []string, from int, vars *query) int {
	for i := from; i < len(p.segments); i++ {
		if i >= len(name) {
			return len(name)
		}
		s := &p.segments[i]
		if s.kind == restSegment {
			return -1
		}
		if !s.match(name[i], i, vars) {
			return i
		}
	}
	if len(p.segments) == 0 || len(name) > len(p.segments) {
		return len(p.segments)
	}
	return -1
}

func (s *segment) match(text string, position int, vars *query) bool {
	switch s.kind {
	case literalSegment:
		return s.text == text
	case globSegment:
		return identity.MatchGlob(s.text, text)
	case userSegment:
		return vars.isUser(text)
	case groupSegment:
		return vars.isGroup(text, position)
	case restSegment:
		return true
	}
	return false
}
