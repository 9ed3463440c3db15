package authz

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// faults returns the problems of a document without the file's name.
func faults(t testing.TB, text string) []string {
	t.Helper()
	_, err := Parse("", []byte(text))
	if err == nil {
		return nil
	}
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got a %T: %v", err, err)
	}
	return strings.Split(err.Error(), "\n")
}

// with puts a binding's lines into a document.
func with(lines string) string {
	return "bindings:\n  - name: x\n    subjects: [anonymous]\n" + lines
}

func TestParseFaults(t *testing.T) {
	const good = "    role: puller\n    repositories: [a]\n"
	for _, tt := range []struct {
		name, text string
		line       int
		hint       string
	}{
		{"empty", "", 0, "write `bindings: []`"},
		{"comment only", "# nothing\n", 0, "write `bindings: []`"},
		{"null", "~", 1, "write a mapping"},
		{"a list", "- a", 1, "this is a list; write a mapping with the keys roles, bindings, guardrails or tests"},
		{"a string", "hello", 1, "this is a string"},
		{"not YAML", "bindings: [", 1, "not YAML"},
		{"tab", "bindings:\n\t- x", 2, "not YAML"},
		{"not UTF-8", "bindings: \xff", 0, "not YAML"},
		{"two documents", "bindings: []\n---\nbindings: []\n", 2, "second YAML document"},
		{"broken second document", "bindings: []\n---\n[", 0, "not YAML"},
		{"unknown section", "binding: []", 1, `did you mean "bindings"`},
		{"duplicate section", "bindings: []\nbindings: []", 2, `"bindings" stands twice; the first is in line 1`},
		{"section empty", "bindings:", 1, "leave the key out"},
		{"section of a wrong type", "bindings: {a: b}", 1, "write a list of bindings"},
		{"binding of a wrong type", "bindings: [x]", 1, "write a mapping with the keys name"},
		{"unknown key", with(good + "    repository: [a]\n"), 6, `unknown key "repository"; known are name, role`},
		{"near key", with(good + "    registrys: [a]\n"), 6, `did you mean "registries"`},
		{"duplicate key", with(good + "    role: pusher\n"), 6, `"role" stands twice; the first is in line 4`},
		{"key that is no string", with(good + "    1: x\n"), 6, `put it in quotes if it is one: "1"`},
		{"merge key", "bindings:\n  - <<: {name: x}", 2, "a merge key"},
		{"alias", "bindings:\n  - name: &n x\n    role: *n\n", 2, "anchors"},
		{"alias alone", "roles: {a: &a [pull]}\nbindings: *a\n", 2, "aliases"},
		{"tag", with("    role: !!str puller\n    repositories: [a]\n"), 4, "tags"},
		{"own tag", with("    role: !x puller\n    repositories: [a]\n"), 4, "tags"},
		{"missing name", "bindings: [{role: puller, subjects: [anonymous], repositories: [a]}]", 1, `"name" is missing`},
		{"missing role", "bindings: [{name: x, subjects: [anonymous], repositories: [a]}]", 1, `"role" is missing`},
		{"missing subjects", "bindings: [{name: x, role: puller, repositories: [a]}]", 1, `"subjects" is missing`},
		{"missing repositories", with("    role: puller\n"), 2, `add repositories, ["**"] for all`},
		{"empty repositories", with("    role: puller\n    repositories: []\n"), 5, "the list is empty"},
		{"empty subjects", "bindings: [{name: x, role: puller, subjects: [], repositories: [a]}]", 1, "the list is empty"},
		{"empty registries", with(good + "    registries: []\n"), 6, "the list is empty"},
		{"string for a list", with("    role: puller\n    repositories: a/**\n"), 5, "write a list of repositories"},
		{"number for a name", "bindings: [{name: 7, role: puller, subjects: [anonymous], repositories: [a]}]", 1, `put it in quotes if it is one: "7"`},
		{"boolean for a pattern", with("    role: puller\n    repositories: [true]\n"), 5, "this is a boolean"},
		{"null for a subject", "bindings:\n- name: x\n  role: puller\n  subjects: [~]\n  repositories: [a]\n", 4, "this is empty"},
		{"empty name", "bindings: [{name: '', role: puller, subjects: [anonymous], repositories: [a]}]", 1, "the name is empty"},
		{"unknown role", with("    role: pushr\n    repositories: [a]\n"), 4, `did you mean "pusher"`},
		{"role in another case", with("    role: Puller\n    repositories: [a]\n"), 4, `did you mean "puller"`},
		{"bad subject", "bindings:\n- name: x\n  role: puller\n  subjects:\n  - anonymous\n  - group:dev\n  repositories: [a]\n", 6, "write the connector too"},
		{"bad pattern", with("    role: puller\n    repositories:\n    - ok\n    - a/**/b\n"), 7, "last segment"},
		{"date without a time", with(good + "    expires: 2027-01-31\n"), 6, "write date, time and zone"},
		{"time without a zone", with(good + "    expires: 2027-01-31T00:00:00\n"), 6, "write date, time and zone"},
		{"no such day", with(good + "    expires: 2027-02-30T00:00:00Z\n"), 6, "write date, time and zone"},
		{"zero time", with(good + "    expires: 0001-01-01T00:00:00Z\n"), 6, "write date, time and zone"},
		{"list for a time", with(good + "    expires: [a]\n"), 6, "write date, time and zone"},
		{"same binding twice", "bindings:\n- {name: x, role: puller, subjects: [anonymous], repositories: [a]}\n- {name: x, role: puller, subjects: [anonymous], repositories: [a]}\n", 3, `binding "x" stands twice; the first is in line 2`},
		{"policy-admin of some", with("    role: policy-admin\n    repositories: [a/**]\n"), 2, "is not limited to repositories"},
		{"auditor of one registry", with("    role: auditor\n    registries: [a]\n"), 2, "is not limited to registries"},
		{"catalog of some", with("    role: catalog-reader\n    repositories: [a/**]\n"), 2, "is not limited to repositories"},
		{"built-in role", "roles: {puller: [pull]}", 1, "built in"},
		{"role twice", "roles: {a: [pull], a: [push]}", 1, "stands twice"},
		{"role without actions", "roles: {a: []}", 1, "the list is empty"},
		{"role of a wrong type", "roles: {a: pull}", 1, "write a list of actions"},
		{"unknown action", "roles: {a: [write]}", 1, `unknown action "write": use pull, push, delete or catalog`},
		{"near action", "roles: {a: [pul]}", 1, `did you mean "pull"`},
		{"star action", "roles: {a: ['*']}", 1, "unknown action"},
		{"capability as an action", "roles: {a: [policy-admin]}", 1, "unknown action"},
		{"action twice", "roles: {a: [pull, pull]}", 1, "stands twice"},
		{"guardrail without deny", "guardrails: [{name: g, repositories: [a]}]", 1, `"deny" is missing`},
		{"guardrail without repositories", "guardrails: [{name: g, deny: [push]}]", 1, "names no repositories"},
		{"guardrail of the catalog of some", "guardrails: [{name: g, deny: [catalog], repositories: [a]}]", 1, "not limited to repositories"},
		{"guardrail for nobody", "guardrails: [{name: g, deny: [push], repositories: [a], except: [anonymous]}]", 1, "would deny nothing"},
		{"guardrail twice", "guardrails:\n- {name: g, deny: [catalog]}\n- {name: g, deny: [catalog]}", 3, `guardrail "g" stands twice`},
		{"guardrail with a role", "guardrails: [{name: g, role: puller}]", 1, `unknown key "role"`},
		{"test of nobody", "tests: [{as: {}, repository: a, allow: [pull]}]", 1, "say who asks"},
		{"test of no groups", "tests: [{as: {groups: []}, repository: a, allow: [pull]}]", 1, "say who asks"},
		{"test without as", "tests: [{repository: a, allow: [pull]}]", 1, `"as" is missing`},
		{"test of two", "tests: [{as: {user: corp/a, anonymous: true}, repository: a, allow: [pull]}]", 1, "one test has one caller"},
		{"test of a user and a robot", "tests: [{as: {user: corp/a, robot: b}, repository: a, allow: [pull]}]", 1, "one test has one caller"},
		{"test of anonymous: false", "tests: [{as: {anonymous: false}, repository: a, allow: [pull]}]", 1, "write true"},
		{"test of a foreign group", "tests: [{as: {user: corp/a, groups: [sso/b]}, repository: a, allow: [pull]}]", 1, "of another connector"},
		{"test of any connector", "tests: [{as: {user: '*/a'}, repository: a, allow: [pull]}]", 1, "a test names one connector"},
		{"test of a bare user", "tests: [{as: {user: a}, repository: a, allow: [pull]}]", 1, "write the connector too"},
		{"test of nothing", "tests: [{as: {anonymous: true}, allow: [pull]}]", 1, "a test is about one thing"},
		{"test of both", "tests: [{as: {anonymous: true}, repository: a, catalog: true, allow: [pull]}]", 1, "a test is about one thing"},
		{"test that expects nothing", "tests: [{as: {anonymous: true}, repository: a}]", 1, "expects nothing"},
		{"test that contradicts itself", "tests: [{as: {anonymous: true}, repository: a, allow: [pull], deny: [pull]}]", 1, "both under allow and under deny"},
		{"test of a pattern", "tests: [{as: {anonymous: true}, repository: 'a/*', allow: [pull]}]", 1, "no legal repository name"},
		{"test of catalog on a repository", "tests: [{as: {anonymous: true}, repository: a, allow: [catalog]}]", 1, "does not concern"},
		{"test of pull on the catalog", "tests: [{as: {anonymous: true}, catalog: true, deny: [pull]}]", 1, "does not concern"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := ""
			if tt.line > 0 {
				want = fmt.Sprintf("%d:", tt.line)
			}
			got := faults(t, tt.text)
			for _, line := range got {
				if strings.HasPrefix(line, want) && strings.Contains(line, tt.hint) {
					return
				}
			}
			t.Errorf("want line %d with %q, got\n%s", tt.line, tt.hint, strings.Join(got, "\n"))
		})
	}
}

func TestParseReportsEveryFault(t *testing.T) {
	data, err := os.ReadFile("testdata/broken.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("broken.yaml", data)
	want, readErr := os.ReadFile("testdata/broken.txt")
	if readErr != nil {
		t.Fatal(readErr)
	}
	if diff := cmp.Diff(string(want), fmt.Sprintln(err)); diff != "" {
		t.Error(diff)
	}
}

func TestParseIsBounded(t *testing.T) {
	if got := faults(t, "# "+strings.Repeat("x", MaxDocumentBytes)); !strings.Contains(got[0], "at most") {
		t.Errorf("got %v", got)
	}
	many := faults(t, "roles: {a: ["+strings.Repeat("write, ", 10_000)+"]}")
	if len(many) != maxProblems+1 || !strings.Contains(many[maxProblems], "9800 further problems") {
		t.Errorf("got %d, the last %q", len(many), many[len(many)-1])
	}
	bomb := "roles:\n  a: &a [pull]\n"
	for i := range 30 {
		bomb += fmt.Sprintf("  b%d: &b%d [*a, *a, *a]\n", i, i)
	}
	if got := faults(t, bomb); len(got) < 30 {
		t.Errorf("got %v", got)
	}
	if got := faults(t, "bindings: "+strings.Repeat("[", 100_000)); len(got) != 1 {
		t.Errorf("got %d faults", len(got))
	}
	squared := "bindings:\n- name: x\n  role: puller\n  subjects: [" + strings.Repeat("robot:a, ", 3000) + "]\n  repositories: [" + strings.Repeat("a, ", 3000) + "]\n"
	d, err := Parse("", []byte(squared))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Compile(Options{}); err == nil || !strings.Contains(err.Error(), "name groups instead") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	design, err := os.ReadFile("testdata/design.yaml")
	if err != nil {
		f.Fatal(err)
	}
	broken, err := os.ReadFile("testdata/broken.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(design)
	f.Add(broken)
	f.Add([]byte("bindings: []\n---\n"))
	f.Add([]byte("roles: {a: &x [pull]}\nbindings: *x"))
	f.Add([]byte("tests: [{as: {anonymous: true}, catalog: true, deny: [catalog]}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse("p", data)
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 || d != nil {
				t.Fatalf("got %v, %T", d, err)
			}
			return
		}
		results, err := d.RunTests(Options{HomeConnector: "corp"})
		if err != nil || len(results) != len(d.Tests) {
			t.Fatalf("%d tests, %d results, %v", len(d.Tests), len(results), err)
		}
		for _, r := range results {
			if r.Passed != (r.Reason == "") {
				t.Fatalf("%+v", r)
			}
		}
	})
}
