package authz

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const edited = `# The policy of Acme.
roles:
  releaser: [pull]   # only pull

bindings:
  # payments
  - name: dev          # developers
    role: pusher
    subjects: ["group:corp/dev"]
    repositories: ["payments/**"]

  # everybody
  - {name: public, role: puller, subjects: [anonymous], repositories: ["public/**"]}

# the end
guardrails:
  - {name: g, deny: [push], repositories: ["x/**"]}
`

func spec() BindingSpec {
	return BindingSpec{
		Name: "new: #1", Role: "puller", Subjects: []string{"user:corp/o'neil \"x\"", "group:corp/a: b"},
		Repositories: []string{"a/**", "${user}/*"}, Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Reason: "yes",
	}
}

func TestEditBindings(t *testing.T) {
	b := spec()
	const item = "  - name: 'new: #1'\n    role: puller\n    subjects: ['user:corp/o''neil \"x\"', 'group:corp/a: b']\n" +
		"    repositories: [a/**, '${user}/*']\n    expires: 2030-01-02T03:04:05Z\n    reason: \"yes\"\n"
	for _, tt := range []struct {
		name, text, want string
		edit             func(string) (string, error)
	}{
		{"add", edited, cut(edited, "\n# the end", item+"\n# the end"), func(s string) (string, error) { return SetBinding(s, b) }},
		{"remove the first", edited, cut(edited, edited[len("# The policy of Acme.\nroles:\n  releaser: [pull]   # only pull\n\nbindings:\n  # payments\n"):strings.Index(edited, "\n  # everybody")], ""), func(s string) (string, error) { return RemoveBinding(s, "dev") }},
		{"remove nothing", edited, edited, func(s string) (string, error) { return RemoveBinding(s, "nobody") }},
		{"an empty list", "bindings: [] # none\ntests: []\n", "bindings:\n" + item + "tests: []\n", func(s string) (string, error) { return SetBinding(s, b) }},
		{"no list, no newline", "tests: []", "tests: []\nbindings:\n" + item, func(s string) (string, error) { return SetBinding(s, b) }},
		{"the last one", "bindings:\n- {name: x, role: puller, subjects: [anonymous], repositories: [a]}\n", "bindings: []\n", func(s string) (string, error) { return RemoveBinding(s, "x") }},
		{"no newline at the end", "bindings:\n  - {name: x, role: puller, subjects: [anonymous], repositories: [a]}", "bindings:\n  - {name: x, role: puller, subjects: [anonymous], repositories: [a]}\n" + item, func(s string) (string, error) { return SetBinding(s, b) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.edit(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if _, err := Parse("edited", []byte(got)); err != nil {
				t.Error(err)
			}
		})
	}
}

func cut(s, old, replacement string) string {
	i := strings.Index(s, old)
	return s[:i] + replacement + s[i+len(old):]
}

// TestEditedBindingReadsBack replaces each binding of documents in several styles
// and wants exactly that binding changed.
func TestEditedBindingReadsBack(t *testing.T) {
	for _, text := range []string{
		edited,
		"bindings: [{name: dev, role: puller, subjects: [anonymous], repositories: [a]}, {name: public, role: puller,\n  subjects: [anonymous], repositories: [b]}]\ntests: []\n",
		"bindings:\n- name: dev\n  role: puller\n  subjects:\n  - anonymous\n  repositories:\n  - a/b\n- name: public\n  role: puller\n  subjects: [anonymous]\n  repositories: [b]\n  reason: |-\n    x\n",
	} {
		before, err := Parse("before", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for i := range before.Bindings {
			b := spec()
			b.Name = before.Bindings[i].Name
			got, err := SetBinding(text, b)
			if err != nil {
				t.Fatal(err)
			}
			after, err := Parse("after", []byte(got))
			if err != nil {
				t.Fatalf("%v\n%s", err, got)
			}
			for j := range before.Bindings {
				want := before.Bindings[j].Spec()
				if i == j {
					want = b
				}
				if diff := cmp.Diff(want, after.Bindings[j].Spec()); diff != "" {
					t.Errorf("%s\n%s", diff, got)
				}
			}
		}
	}
}

func TestTrespass(t *testing.T) {
	var namespaces []Pattern
	for _, text := range []string{"payments/**", "shared/libs/**"} {
		p, err := ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		namespaces = append(namespaces, p)
	}
	base := "bindings:\n  - {name: theirs, role: pusher, subjects: [authenticated], repositories: [\"web/**\"]}\n" +
		"  - {name: mine, role: pusher, subjects: [authenticated], repositories: [\"payments/**\"]}\n"
	parse := func(text string) *Document {
		d, err := Parse("p", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	item := func(name, role, repositories string) string {
		return "  - {name: " + name + ", role: " + role + ", subjects: [anonymous], repositories: [" + repositories + "]}\n"
	}
	for _, tt := range []struct {
		name, text string
		allowed    bool
	}{
		{"nothing", base, true},
		{"add inside", base + item("new", "maintainer", `"payments/api", "payments/x-*/**", "payments/${user}/**", "shared/libs/**"`), true},
		{"remove own", cut(base, "  - {name: mine, role: pusher, subjects: [authenticated], repositories: [\"payments/**\"]}\n", ""), true},
		{"change own", cut(base, "mine, role: pusher", "mine, role: maintainer"), true},
		{"add everything", base + item("new", "puller", `"**"`), false},
		{"add a sibling", base + item("new", "puller", `"payments-old/**"`), false},
		{"add the namespace's own name", base + item("new", "puller", `"payments"`), false},
		{"add a glob in front", base + item("new", "puller", `"pay*/**"`), false},
		{"add a variable in front", base + item("new", "puller", `"${user}/payments/**"`), false},
		{"half inside", base + item("new", "puller", `"payments/a", "web/a"`), false},
		{"a namespace in the namespace", base + item("new", "namespace-owner", `"payments/x/**"`), false},
		{"a capability", base + "  - {name: new, role: policy-admin, subjects: [anonymous]}\n", false},
		{"the catalog", base + "  - {name: new, role: catalog-reader, subjects: [anonymous]}\n", false},
		{"widen own", cut(base, `["payments/**"]`, `["payments/**", "web/**"]`), false},
		{"take theirs", cut(base, "[\"web/**\"]", `["payments/y"]`), false},
		{"remove theirs", cut(base, "  - {name: theirs, role: pusher, subjects: [authenticated], repositories: [\"web/**\"]}\n", ""), false},
		{"a guardrail", base + "guardrails:\n  - {name: g, deny: [push], repositories: [\"payments/**\"]}\n", false},
		{"a role", base + "roles:\n  all: [pull]\n", false},
		{"a test", base + "tests:\n  - {as: {anonymous: true}, repository: web/a, deny: [pull]}\n", false},
	} {
		if got := Trespass(parse(base), parse(tt.text), namespaces); (got == "") != tt.allowed {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

func TestNamespaceOwnersAreBoundToAPart(t *testing.T) {
	for _, repositories := range []string{`"**"`, `"payments"`, `"pay*/**"`, `"${user}/**"`, `"payments/*"`} {
		text := "bindings:\n  - {name: x, role: namespace-owner, subjects: [authenticated], repositories: [" + repositories + "]}\n"
		if _, err := Parse("p", []byte(text)); err == nil {
			t.Errorf("%s was taken", repositories)
		}
	}
	p := compile(t, "bindings:\n  - {name: x, role: namespace-owner, subjects: [\"group:corp/leads\"], repositories: [\"payments/**\"], expires: 2030-01-01T00:00:00Z}\n", Options{HomeConnector: "corp"})
	lead, other := p.Subject(user("corp/l", "leads")), p.Subject(user("corp/o", "dev"))
	now := time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)
	if got := p.Namespaces(&lead, now); len(got) != 1 || got[0].String() != "payments/**" || !p.Capabilities(&lead, now).Has(OwnNamespace) {
		t.Errorf("got %v", got)
	}
	if got := p.Namespaces(&lead, now.AddDate(1, 0, 0)); len(got) != 0 {
		t.Errorf("after the end: %v", got)
	}
	if got := p.Namespaces(&other, now); len(got) != 0 || p.Capabilities(&other, now) != 0 {
		t.Errorf("somebody else: %v", got)
	}
	scope := scopeOf(t, "repository:payments/api:pull,push,delete")
	if got := p.Decide(&lead, "main", scope, now); got != 0 {
		t.Errorf("owning grants %v in the registry", got)
	}
}
