package authz

import (
	"strings"
	"testing"

	"drawbridge/identity"
)

// matchIndex matches as a decision does, for the caller given.
func matchIndex(t testing.TB, pattern, name string, id identity.Identity) int {
	t.Helper()
	p, err := ParsePattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	s := compile(t, "bindings: []", Options{HomeConnector: "corp"}).Subject(id)
	return p.match(strings.Split(name, "/"), 0, &query{subject: &s})
}

func TestPatternMatch(t *testing.T) {
	caller := user("corp/alice", "dev", "*", "a/b", "Ops")
	for _, tt := range []struct {
		pattern, name string
		want          int // -1: matches; otherwise the segment that fails
	}{
		{"a", "a", -1},
		{"a", "b", 0},
		{"a", "a/b", 1},
		{"a/b", "a", 1},
		{"a/b", "a/b", -1},
		{"a/b", "a/c", 1},
		{"**", "a", -1},
		{"**", "a/b/c", -1},
		{"a/**", "a", 1},
		{"a/**", "a/b", -1},
		{"a/**", "a/b/c/d", -1},
		{"a/**", "ab/c", 0},
		{"*", "a", -1},
		{"*", "a/b", 1},
		{"*/b", "a/b", -1},
		{"*/**", "a", 1},
		{"svc-*", "svc-a", -1},
		{"svc-*", "svc", 0},
		{"svc-*", "svc-a/b", 1},
		{"svc-*", "xsvc-a", 0},
		{"*-ci", "a-ci", -1},
		{"*-ci", "a-ci-b", 0},
		{"a*b*c", "axxbyyc", -1},
		{"a*b*c", "abc", -1},
		{"a*b*c", "acb", 0},
		{"host:5000/a/**", "host:5000/a/b", -1},
		{"host:5000/a/**", "a/b", 0},
		{"users/${user}/**", "users/alice/x", -1},
		{"users/${user}/**", "users/alice", 2},
		{"users/${user}/**", "users/bob/x", 1},
		{"users/${user}/**", "users/alice2/x", 1},
		{"${user}", "alice", -1},
		{"g/${group}/x", "g/dev/x", -1},
		{"g/${group}/x", "g/ops/x", 1},
		{"g/${group}/x", "g/0__00__4fps/x", -1},
		{"g/${group}/x", "g/alice/x", 1},
		// A group that is called like a pattern opens its own slug only.
		{"g/${group}/x", "g/0__00__2a/x", -1},
		{"g/${group}/x", "g/anything/x", 1},
		{"g/${group}/x", "g/a__2fb/x", -1},
		{"g/${group}/x", "g/a/b/x", 1},
		{"${group}/${group}", "dev/dev", -1},
		{"${group}/${group}", "dev/alice", 1},
	} {
		if got := matchIndex(t, tt.pattern, tt.name, caller); got != tt.want {
			t.Errorf("%s on %s: got %d, want %d", tt.pattern, tt.name, got, tt.want)
		}
	}
}

func TestVariablesMatchNobodyWithoutAName(t *testing.T) {
	for _, id := range []identity.Identity{
		anonymous(), user("corp/a\x00", "b\x00"), user("corp/" + strings.Repeat("a", 129)),
		{Groups: []string{"dev"}}, {Kind: identity.Robot, Name: "ci", Groups: []string{"dev"}},
	} {
		for _, name := range []string{"a", "dev", "ci", "a__00", "b__00", "0__00", strings.Repeat("a", 129)} {
			if got := matchIndex(t, "${user}", name, id); got < 0 {
				t.Errorf("%q is ${user} of %+v", name, id)
			}
			if got := matchIndex(t, "${group}", name, id); got < 0 {
				t.Errorf("%q is ${group} of %+v", name, id)
			}
		}
	}
}

func TestParsePatternRefuses(t *testing.T) {
	for _, tt := range []struct{ pattern, hint string }{
		{"", "write **"},
		{"/", "empty part"},
		{"a//b", "empty part"},
		{"a/", "empty part"},
		{"/a", "empty part"},
		{"a/**/b", "last segment"},
		{"**/a", "last segment"},
		{"a**", "whole segment"},
		{"a/***", "whole segment"},
		{"Payments/**", `write "payments"`},
		{"a/B*", `write "b*"`},
		{"users/x-${user}/**", "whole segment"},
		{"users/${group}s/**", "whole segment"},
		{"users/${User}/**", "no variables but"},
		{"users/$user", "no variables but"},
		{"a/(b|c)", "the character '('"},
		{"a/[a-z]*", "no regular expression"},
		{"a/.*", ""},
		{"a b", "the character ' '"},
		{"a..b", "only join"},
		{"a?", "the character '?'"},
		{"ü/x", "the character 'ü'"},
		{"a/host:5000", "the character ':'"},
		{"host:5000", "the character ':'"},
		{"a/b:*", "the character ':'"},
		{strings.Repeat("a/", 128), "at most 255"},
	} {
		_, err := ParsePattern(tt.pattern)
		if tt.hint == "" {
			if err != nil {
				t.Errorf("%q: %v", tt.pattern, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.hint) {
			t.Errorf("%q: got %v, want a hint %q", tt.pattern, err, tt.hint)
		}
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, p := range []string{"a/b", "svc-*/**", "${user}/x", "host:5000/*", "a*b*c", "**", "", "a/**/b", "${", "A"} {
		f.Add(p, "a/b/c")
	}
	s := compile(f, "bindings: []", Options{}).Subject(user("corp/alice", "dev"))
	f.Fuzz(func(t *testing.T, pattern, name string) {
		p, err := ParsePattern(pattern)
		if err != nil {
			return
		}
		if p.String() != pattern {
			t.Fatalf("%q prints as %q", pattern, p)
		}
		segments, err := splitRepository(name)
		if err != nil {
			return
		}
		if strings.Count(pattern, "*") > 6 {
			return // the naive matcher is exponential in the stars
		}
		raw := rawPolicy{}
		got := p.match(segments, 0, &query{subject: &s}) < 0
		if want := raw.matches(strings.Split(pattern, "/"), segments, s.id); got != want {
			t.Fatalf("%q on %q: got %v, want %v", pattern, name, got, want)
		}
	})
}
