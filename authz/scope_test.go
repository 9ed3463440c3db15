package authz

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parsed is a Scope as a table writes it.
type parsed struct {
	Type, Name, Requested, Unknown string
	Granted                        bool // something can be granted
}

func parsedScopes(values ...string) []parsed {
	var list []parsed
	for _, s := range ParseScopes(values) {
		list = append(list, parsed{s.Type(), s.Name(), s.Requested().String(), strings.Join(s.Unknown(), ","), s.Fault() == nil})
	}
	return list
}

func TestParseScopes(t *testing.T) {
	repo := func(name, actions string) parsed { return parsed{"repository", name, actions, "", true} }
	for _, tt := range []struct {
		name   string
		values []string
		want   []parsed
	}{
		{"missing", nil, nil},
		{"empty", []string{"", "  "}, nil},
		{"one", []string{"repository:a/b:pull"}, []parsed{repo("a/b", "pull")}},
		{"order of actions", []string{"repository:a:delete,push,pull"}, []parsed{repo("a", "pull,push,delete")}},
		{"repeated", []string{"repository:a:pull", "repository:b:push"}, []parsed{repo("a", "pull"), repo("b", "push")}},
		{"space separated", []string{"repository:a:pull repository:b:push"}, []parsed{repo("a", "pull"), repo("b", "push")}},
		{
			"overlapping, as clients send them", []string{"repository:x:pull repository:x:pull,push repository:y:pull"},
			[]parsed{repo("x", "pull,push"), repo("y", "pull")},
		},
		{
			"order of first appearance", []string{"repository:b:pull", "repository:a:pull repository:b:push"},
			[]parsed{repo("b", "pull,push"), repo("a", "pull")},
		},
		{"host and port", []string{"repository:host:5000/a/b:pull"}, []parsed{repo("host:5000/a/b", "pull")}},
		{"upper-case host", []string{"repository:Host.Example/a:pull"}, []parsed{repo("Host.Example/a", "pull")}},
		{"plugin", []string{"repository(plugin):a:pull repository:a:push"}, []parsed{repo("a", "pull,push")}},
		{"everything", []string{"repository:a:*"}, []parsed{repo("a", "pull,push,delete")}},
		{"catalog", []string{"registry:catalog:*"}, []parsed{{"registry", "catalog", "catalog", "", true}}},
		{"zot's catalog", []string{"repository::pull"}, []parsed{{"repository", "", "catalog", "", true}}},
		{"zot's catalog, all", []string{"repository::*"}, []parsed{{"repository", "", "catalog", "", true}}},
		{"zot's catalog, push", []string{"repository::push"}, []parsed{{"repository", "", "", "push", false}}},
		{"catalog by another action", []string{"registry:catalog:pull"}, []parsed{{"registry", "catalog", "", "pull", false}}},
		{"other registry resource", []string{"registry:other:*"}, []parsed{{"registry", "other", "", "*", false}}},
		{"catalog action on a repository", []string{"repository:a:catalog"}, []parsed{{"repository", "a", "", "catalog", false}}},
		{"unknown action", []string{"repository:a:pull,admin"}, []parsed{{"repository", "a", "pull", "admin", true}}},
		{"actions are case-sensitive", []string{"repository:a:PULL"}, []parsed{{"repository", "a", "", "PULL", false}}},
		{"no action", []string{"repository:a:"}, []parsed{{"repository", "a", "", "", false}}},
		{"empty actions", []string{"repository:a:,,pull,"}, []parsed{repo("a", "pull")}},
		{"unknown type", []string{"artifact:a:pull"}, []parsed{{"artifact", "a", "", "pull", false}}},
		{"other class", []string{"repository(x):a:pull"}, []parsed{{"repository(x)", "a", "", "pull", false}}},
		{"no colon", []string{"repository"}, []parsed{{"", "repository", "", "", false}}},
		{"one colon", []string{"repository:a"}, []parsed{{"", "repository:a", "", "", false}}},
		{"no type", []string{":a:pull"}, []parsed{{"", ":a:pull", "", "", false}}},
		{"upper case", []string{"repository:A:pull"}, []parsed{{"repository", "A", "", "pull", false}}},
		{"dots", []string{"repository:../a:pull"}, []parsed{{"repository", "../a", "", "pull", false}}},
		{"empty segment", []string{"repository:a//b:pull"}, []parsed{{"repository", "a//b", "", "pull", false}}},
		{"slash at the end", []string{"repository:a/:pull"}, []parsed{{"repository", "a/", "", "pull", false}}},
		{"star in a name", []string{"repository:a/*:pull"}, []parsed{{"repository", "a/*", "", "pull", false}}},
		{"everything by name", []string{"repository:**:*"}, []parsed{{"repository", "**", "", "*", false}}},
		{"port on a later segment", []string{"repository:a/b:5000/c:pull"}, []parsed{{"repository", "a/b:5000/c", "", "pull", false}}},
		{"control", []string{"repository:a\x00b:pull"}, []parsed{{"repository", "a\x00b", "", "pull", false}}},
		{
			"longest name", []string{"repository:" + strings.Repeat("a", 255) + ":pull"},
			[]parsed{repo(strings.Repeat("a", 255), "pull")},
		},
		{
			"too long a name", []string{"repository:" + strings.Repeat("a", 256) + ":pull"},
			[]parsed{{"repository", strings.Repeat("a", 256), "", "pull", false}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, parsedScopes(tt.values...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnswerActions(t *testing.T) {
	all := ActionsOf(Pull, Push, Delete, Catalog)
	for _, tt := range []struct {
		scope   string
		granted Actions
		want    []string
	}{
		{"repository:a:*", all, []string{"pull", "push", "delete"}},
		{"repository:a:pull", 0, []string{}},
		{"registry:catalog:*", all, []string{"*"}},
		{"registry:catalog:*", ActionsOf(Pull), []string{}},
		{"repository::pull", all, []string{"pull"}},
		{"repository::pull", ActionsOf(Pull), []string{}},
		{"nonsense", all, []string{}},
	} {
		if diff := cmp.Diff(tt.want, scopeOf(t, tt.scope).AnswerActions(tt.granted)); diff != "" {
			t.Errorf("%s, %s: %s", tt.scope, tt.granted, diff)
		}
	}
}

func TestScopeString(t *testing.T) {
	for in, want := range map[string]string{
		"repository(plugin):a:push,pull,odd": "repository:a:pull,push,odd",
		"repository:a:*":                     "repository:a:pull,push,delete",
		"registry:catalog:*":                 "registry:catalog:*",
		"repository::pull":                   "repository::pull",
		"nonsense":                           "nonsense",
		"a\x1b[2J\u202eb":                    `a\x1b[2J\u202eb`,
		"repository:A\x00:p\x07":             `repository:A\x00:p\a`,
	} {
		if got := scopeOf(t, in).String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestRepositoryNames(t *testing.T) {
	for _, good := range []string{
		"a", "a/b", "a.b", "a_b", "a__b", "a-b", "a---b", "0", "a/0.0", "host:5000/a", "host/a", "HOST/a",
		"a.example.com/a/b", "a-b.example:1/x", strings.Repeat("a/", 127) + "a",
	} {
		if _, err := splitRepository(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/", "a/", "/a", "a//b", ".", "..", "a/..", "a..b", "a___b", "a.-b", "a-.b", "-a", "a-", "_a", "a_", ".a", "a.",
		"A", "a/B", "host:5000", "host:/a", ":5000/a", "host:x/a", "host:5000x/a", "-h:1/a", "h-:1/a", "h..x:1/a", "a b", "a%2fb", "a\\b",
		"ü", "a\x00", "a\n", "a@sha256", "[::1]:5000/a", strings.Repeat("a/", 128),
	} {
		if _, err := splitRepository(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func FuzzParseScopes(f *testing.F) {
	for _, s := range []string{
		"repository:x:pull repository:x:pull,push repository:y:pull", "repository:host:5000/a:*", "repository::pull",
		"registry:catalog:*", "repository(plugin):a:pull", ":::", "a", "repository:a/../b:push", " ", "repository:a:pull,x,,",
	} {
		f.Add(s, "repository:a:pull")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		scopes := ParseScopes([]string{a, b})
		seen := map[resource]bool{}
		for _, s := range scopes {
			key := resource{s.typ, s.name}
			if seen[key] {
				t.Fatalf("%q stands twice", s)
			}
			seen[key] = true
			if s.fault != nil && s.requested != 0 {
				t.Fatalf("%q has a fault and requests %s", s, s.requested)
			}
			if s.kind == repositoryScope && (strings.Join(s.segments, "/") != s.name || s.requested&^repositoryActions != 0) {
				t.Fatalf("%#v", s)
			}
			if s.Fault() != nil {
				continue
			}
			// What a client gets back means the same when it is sent again.
			again := ParseScopes([]string{s.String()})
			if len(again) != 1 || again[0].requested != s.requested || again[0].name != s.name {
				t.Fatalf("%q becomes %q", s, again)
			}
		}
	})
}
