package authz

import (
	"errors"
	"strings"
	"testing"
)

const tested = `
bindings:
  - {name: dev, role: pusher, subjects: ["group:corp/dev"], repositories: ["app/**"], registries: [main], expires: 2027-01-01T00:00:00Z}
  - {name: ci, role: catalog-reader, subjects: ["robot:ci"]}
  - {name: all, role: puller, subjects: [anonymous], repositories: ["public/**"], registries: [main, edge]}
guardrails:
  - {name: edge-is-read-only, deny: [push], repositories: ["**"], registries: [edge]}
  - {name: frozen, deny: [push], repositories: ["app/frozen"]}
tests:
`

func TestEmbeddedTests(t *testing.T) {
	for _, tt := range []struct {
		test string
		want string // "" when it passes
	}{
		{"as: {user: corp/a, groups: [corp/dev]}, repository: app/x, allow: [pull, push], deny: [delete]", ""},
		{"as: {groups: [corp/dev]}, repository: app/x, allow: [push]", ""},
		{"as: {user: corp/a, groups: []}, repository: app/x, deny: [pull, push, delete]", ""},
		{"as: {robot: ci}, catalog: true, allow: [catalog]", ""},
		{"as: {anonymous: true}, catalog: true, deny: [catalog]", ""},
		{"as: {anonymous: true}, repository: public/x, allow: [pull], deny: [push, delete]", ""},
		{"as: {groups: [corp/dev]}, repository: app/x, registry: main, allow: [push]", ""},
		{"as: {groups: [corp/dev]}, repository: app/x, registry: edge, deny: [pull, push]", ""},
		{"as: {groups: [corp/dev]}, repository: app/x, at: 2026-12-31T23:59:59Z, allow: [push]", ""},
		{"as: {groups: [corp/dev]}, repository: app/x, at: 2027-01-01T00:00:00Z, deny: [pull, push]", ""},

		{
			"as: {user: corp/a, groups: [corp/ops]}, repository: app/x, allow: [pull, push]",
			`pull,push is not granted to corp/a on app/x and the test allows it; pull: no binding grants it; push: no binding grants it`,
		},
		{
			"as: {user: corp/a, groups: [corp/ops]}, repository: app/x, registry: main, allow: [push]",
			`(registry "main"); push: no binding grants it; closest is "dev": it is for group:corp/dev, and the caller is none of these`,
		},
		{
			"as: {groups: [corp/dev]}, repository: app/frozen, registry: main, allow: [push]",
			`push is not granted to somebody in corp/dev on app/frozen and the test allows it (registry "main"); push: blocked by guardrail "frozen"`,
		},
		{
			"as: {groups: [corp/dev]}, repository: app/x, deny: [push]",
			`push is granted to somebody in corp/dev on app/x and the test denies it (registry "main"); push: granted by "dev"`,
		},
		{
			"as: {anonymous: true}, repository: public/x, registry: edge, deny: [pull]",
			`pull is granted to anonymous on public/x and the test denies it (registry "edge"); pull: granted by "all"`,
		},
		{"as: {robot: ci}, catalog: true, deny: [catalog]", `catalog is granted to robot:ci on the registry and the test denies it`},
		{"as: {groups: [corp/dev]}, repository: app/x, registry: edge, allow: [pull]", "limited to the registries"},
		{"as: {groups: [corp/dev]}, repository: app/x, at: 2027-01-01T00:00:00Z, allow: [pull]", "pull: no binding grants it"},
	} {
		t.Run(tt.test, func(t *testing.T) {
			d, err := Parse("p.yaml", []byte(tested+"  - {"+tt.test+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			results, err := d.RunTests(Options{HomeConnector: "corp"})
			if err != nil {
				t.Fatal(err)
			}
			if r := results[0]; r.Passed != (tt.want == "") || !strings.Contains(r.Reason, tt.want) || r.Line != 10 {
				t.Errorf("got %+v\nwant %s", r, tt.want)
			}
			_, err = d.Compile(Options{HomeConnector: "corp"})
			if (err == nil) != (tt.want == "") {
				t.Errorf("compile: %v", err)
			}
			var problems Problems
			if err != nil && (!errors.As(err, &problems) || problems[0].Line != 10 || !strings.HasPrefix(err.Error(), "p.yaml:10: tests[0]: ")) {
				t.Errorf("compile: %v", err)
			}
		})
	}
}

func TestCompileReportsEveryFailingTest(t *testing.T) {
	d, err := Parse("p.yaml", []byte(tested+`
  - {as: {anonymous: true}, repository: app/x, allow: [pull]}
  - {as: {anonymous: true}, repository: app/x, deny: [pull]}
  - {as: {anonymous: true}, catalog: true, allow: [catalog]}
`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Compile(Options{})
	if problems, ok := errors.AsType[Problems](err); !ok || len(problems) != 2 {
		t.Errorf("got %v", err)
	}
}

func TestCompileKnowsTheInstallation(t *testing.T) {
	d, err := Parse("p.yaml", []byte(`bindings:
  - {name: a, role: puller, subjects: ["group:crop/dev", "user:*/x", "robot:ci"], repositories: [a], registries: [mian]}
guardrails:
  - {name: g, deny: [push], repositories: [a], except: ["user:old/x"]}
tests:
  - {as: {user: carp/x}, repository: a, registry: maim, allow: [pull]}
`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Compile(Options{HomeConnector: "corp", Connectors: []string{"corp"}, Registries: []string{"main"}})
	want := `p.yaml:2: bindings[0]: subject "group:crop/dev": no connector is called "crop" (did you mean "corp"?)
p.yaml:2: bindings[0]: no registry has the service "mian" (did you mean "main"?)
p.yaml:4: guardrails[0]: subject "user:old/x": no connector is called "old"
p.yaml:6: tests[0]: subject "user:carp/x": no connector is called "carp" (did you mean "corp"?)
p.yaml:6: tests[0]: no registry has the service "maim" (did you mean "main"?)`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if _, err := d.RunTests(Options{HomeConnector: "corp"}); err != nil {
		t.Error(err)
	}
	d.Tests = nil
	for _, home := range []string{"robot", "Corp", "a--b", "a-", "*", "1"} {
		if _, err := d.Compile(Options{HomeConnector: home}); err == nil {
			t.Errorf("the home connector %q is accepted", home)
		}
	}
}
