package authz

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

const explained = `
bindings:
  - name: payments-developers
    role: pusher
    subjects: ["group:corp/payments-dev", "robot:payments-ci"]
    repositories: ["payments/**"]
  - name: contractors
    role: pusher
    subjects: ["group:corp/contractors"]
    repositories: ["payments/**"]
    expires: 2026-01-01T00:00:00Z
  - name: staging
    role: maintainer
    subjects: [authenticated]
    repositories: ["payments/*"]
    registries: [staging]
  - name: readers
    role: puller
    subjects: [authenticated]
    repositories: ["payments/api"]
  - name: own
    role: maintainer
    subjects: [authenticated]
    repositories: ["users/${user}/**", "payments/api/${user}"]
guardrails:
  - name: no-deletes
    deny: [delete]
    repositories: ["payments/**"]
  - name: release
    deny: [push]
    repositories: ["payments/release"]
    except: ["group:corp/release-managers"]
`

func explain(t testing.TB, id identity.Identity, registry, scope string) Explanation {
	t.Helper()
	p := compile(t, explained, Options{HomeConnector: "corp"})
	s := p.Subject(id)
	return p.Explain(&s, registry, scopeOf(t, scope), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
}

func TestExplainIsAStableStructure(t *testing.T) {
	got, err := json.MarshalIndent(explain(t, user("corp/eve", "contractors"), "main", "repository:payments/api:pull,push,delete,odd"), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "subject": "corp/eve",
  "groups": [
    "contractors"
  ],
  "registry": "main",
  "scope": "repository:payments/api:pull,push,delete,odd",
  "granted": [
    "pull"
  ],
  "actions": [
    {
      "action": "pull",
      "verdict": "allowed",
      "bindings": [
        "readers"
      ],
      "guardrails": []
    },
    {
      "action": "push",
      "verdict": "no_grant",
      "bindings": [],
      "guardrails": []
    },
    {
      "action": "delete",
      "verdict": "no_grant",
      "bindings": [],
      "guardrails": [
        "no-deletes"
      ]
    }
  ],
  "unknown_actions": [
    "odd"
  ],
  "near_misses": [
    {
      "binding": "contractors",
      "line": 7,
      "actions": [
        "push"
      ],
      "reason": "expired",
      "detail": "it expired at 2026-01-01T00:00:00Z"
    },
    {
      "binding": "staging",
      "line": 12,
      "actions": [
        "push",
        "delete"
      ],
      "reason": "registry",
      "detail": "it is limited to the registries \"staging\", and this one is \"main\""
    },
    {
      "binding": "readers",
      "line": 17,
      "actions": [
        "push",
        "delete"
      ],
      "reason": "role",
      "detail": "its role puller grants pull only"
    },
    {
      "binding": "payments-developers",
      "line": 3,
      "actions": [
        "push"
      ],
      "reason": "subject",
      "detail": "it is for group:corp/payments-dev, robot:payments-ci, and the caller is none of these"
    },
    {
      "binding": "own",
      "line": 21,
      "actions": [
        "push",
        "delete"
      ],
      "reason": "pattern",
      "detail": "its pattern payments/api/${user} wants more segments than the name has"
    }
  ]
}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestExplainVerdicts(t *testing.T) {
	dev := user("corp/d", "payments-dev")
	for _, tt := range []struct {
		name       string
		id         identity.Identity
		scope      string
		want       Verdict
		bindings   string
		guardrails string
	}{
		{"allowed", dev, "repository:payments/x:push", Allowed, "payments-developers", ""},
		{"allowed twice", dev, "repository:payments/api:pull", Allowed, "payments-developers readers", ""},
		{"blocked", dev, "repository:payments/release:push", BlockedBy, "payments-developers", "release"},
		{"excepted", user("corp/d", "payments-dev", "release-managers"), "repository:payments/release:push", Allowed, "payments-developers", ""},
		{"no grant", dev, "repository:other:pull", NoGrant, "", ""},
		{"no grant and blocked", dev, "repository:payments/x:delete", NoGrant, "", "no-deletes"},
		{"catalog", dev, "registry:catalog:*", NoGrant, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := explain(t, tt.id, "main", tt.scope).Actions[0]
			if a.Verdict != tt.want || strings.Join(a.Bindings, " ") != tt.bindings || strings.Join(a.Guardrails, " ") != tt.guardrails {
				t.Errorf("got %+v", a)
			}
		})
	}
}

func TestExplainSaysWhyAScopeIsNothing(t *testing.T) {
	for scope, want := range map[string]string{
		"nonsense":               "malformed",
		"artifact:a:pull":        "resource type is unknown",
		"registry:x:*":           "only resource of type registry is catalog",
		"repository:A:pull":      "no legal repository name",
		"repository:a:fly":       "no known action",
		"repository::push":       "no known action",
		"repository:payments/x:": "no known action",
	} {
		e := explain(t, user("corp/d", "payments-dev"), "main", scope)
		if !strings.Contains(e.Fault, want) || len(e.Granted)+len(e.Actions) != 0 {
			t.Errorf("%s: got %+v", scope, e)
		}
	}
}

func TestNearMissNamesTheSegment(t *testing.T) {
	for scope, want := range map[string]string{
		"repository:users/bob/x:push": `its pattern users/${user}/** fails at segment 2, "bob"`,
		"repository:users/eve:push":   "its pattern users/${user}/** wants more segments than the name has",
		"repository:userz/eve/x:push": `its pattern users/${user}/** fails at segment 1, "userz"`,
	} {
		for _, m := range explain(t, user("corp/eve"), "main", scope).NearMisses {
			if m.Binding == "own" && m.Detail != want {
				t.Errorf("%s: got %q, want %q", scope, m.Detail, want)
			}
		}
	}
}

func TestNearMissesAreCapped(t *testing.T) {
	text := "bindings:\n"
	for _, name := range strings.Fields("a b c d e f g h") {
		text += "- {name: " + name + ", role: puller, subjects: ['group:corp/" + name + "'], repositories: ['**']}\n"
	}
	p := compile(t, text, Options{})
	s := p.Subject(anonymous())
	if got := p.Explain(&s, "", scopeOf(t, "repository:a:pull"), never()).NearMisses; len(got) != maxNearMisses {
		t.Errorf("got %d", len(got))
	}
}

func TestClientReason(t *testing.T) {
	dev := user("corp/d", "payments-dev")
	for _, tt := range []struct {
		id    identity.Identity
		scope string
		want  string
	}{
		{dev, "repository:payments/x:push", ""},
		{dev, "repository:payments/release:push", `The guardrail "release" denies push on payments/release to corp/d.`},
		{dev, "repository:other/x:pull,push", "No rule of the policy grants pull and push on other/x to corp/d."},
		{robot("ci"), "repository:other/x:pull", "No rule of the policy grants pull on other/x to robot:ci."},
		{anonymous(), "repository:other/x:pull", "No rule of the policy grants pull on other/x to anonymous callers."},
		{dev, "registry:catalog:*", "No rule of the policy grants catalog on the registry to corp/d."},
		{
			dev, "repository:payments/release:push,delete",
			`The guardrail "release" denies push on payments/release to corp/d, and no rule of the policy grants delete on payments/release to corp/d.`,
		},
		{dev, "repository:A\x1b[2J\u202e:pull", `Nothing can be granted on "repository:A\x1b[2J\u202e": it is no legal repository name.`},
		{dev, strings.Repeat("x", 500), `Nothing can be granted on "` + strings.Repeat("x", maxClientName) + `": it is malformed: a scope is <type>:<name>:<actions>.`},
	} {
		if got := explain(t, tt.id, "main", tt.scope).ClientReason(); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.scope, got, tt.want)
		}
	}
}

// TestClientReasonTellsNothingAboutOthers: no binding, subject, group or pattern
// of the policy is in what a caller reads.
func TestClientReasonTellsNothingAboutOthers(t *testing.T) {
	for _, scope := range []string{"repository:payments/api:*", "repository:payments/release:*", "repository:users/bob/x:*", "registry:catalog:*"} {
		got := explain(t, user("corp/eve", "contractors"), "main", scope).ClientReason()
		for _, secret := range []string{"payments-dev", "payments-ci", "contractors", "staging", "readers", "own", "release-managers", "**"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s: %q tells %q", scope, got, secret)
			}
		}
	}
}
