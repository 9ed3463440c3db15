package identity

import (
	"errors"
	"strings"
)

// UsernamePattern is a route: the usernames a connector wants, as its `match`
// setting writes them. A `*` stands for any run of characters, also none; every
// other character stands for itself without regard to ASCII case, because mail
// domains and directory names have none. The zero value matches every username.
type UsernamePattern struct{ text string }

// ParseUsernamePattern reads a `match` setting. The empty string matches every
// username. It refuses control characters and spaces at the ends, which are
// always a mistake.
func ParseUsernamePattern(text string) (UsernamePattern, error) {
	if text != strings.TrimSpace(text) {
		return UsernamePattern{}, errors.New("a username pattern may not begin or end with a space")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return UsernamePattern{}, errors.New("a username pattern may not hold control characters")
	}
	return UsernamePattern{strings.ToLower(text)}, nil
}

// String returns the pattern in lower case, `*` for the zero value.
func (p UsernamePattern) String() string {
	if p.text == "" {
		return "*"
	}
	return p.text
}

// Any reports whether the pattern matches every username.
func (p UsernamePattern) Any() bool { return strings.Trim(p.text, "*") == "" }

// Match reports whether the username is one the pattern wants.
func (p UsernamePattern) Match(username string) bool {
	return p.Any() || MatchGlob(p.text, strings.ToLower(username))
}

// MatchGlob reports whether the text fits the pattern, in which a `*` stands for
// any run of bytes, also none, and everything else for itself. It is the classic
// two-pointer walk, which has no exponential case: it takes at most
// len(pattern) * len(s) steps.
func MatchGlob(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// Disjoint reports whether no username can match both patterns. It may say no
// for two patterns that are disjoint only in their middle parts: the answer is
// used to permit something, so it errs towards false.
func (p UsernamePattern) Disjoint(q UsernamePattern) bool {
	if p.Any() || q.Any() {
		return false
	}
	pPrefix, pSuffix, pGlob := ends(p.text)
	qPrefix, qSuffix, qGlob := ends(q.text)
	switch {
	case !pGlob:
		return !MatchGlob(q.text, p.text)
	case !qGlob:
		return !MatchGlob(p.text, q.text)
	}
	samePrefix := strings.HasPrefix(pPrefix, qPrefix) || strings.HasPrefix(qPrefix, pPrefix)
	sameSuffix := strings.HasSuffix(pSuffix, qSuffix) || strings.HasSuffix(qSuffix, pSuffix)
	return !samePrefix || !sameSuffix
}

// ends returns what stands before the first and after the last star.
func ends(text string) (prefix, suffix string, glob bool) {
	first, last := strings.IndexByte(text, '*'), strings.LastIndexByte(text, '*')
	if first < 0 {
		return text, text, false
	}
	return text[:first], text[last+1:], true
}
