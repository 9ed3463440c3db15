package authz

import (
	"strings"
	"testing"
)

func patterns(t *testing.T, texts ...string) []Pattern {
	t.Helper()
	list := make([]Pattern, len(texts))
	for i, text := range texts {
		var err error
		if list[i], err = ParsePattern(text); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

func TestNamesRobot(t *testing.T) {
	for _, tt := range []struct {
		namespaces, robot string
		want              bool
	}{
		{"payments/**", "payments", true},
		{"payments/**", "payments-ci", true},
		{"payments/**", "payments.ci", true},
		{"payments/**", "payments_ci", false},
		{"payments/**", "paymentsx", false},
		{"payments/**", "paymentsx-ci", false},
		{"payments/**", "payment", false},
		{"payments/**", "x-payments-ci", false},
		{"payments/**", "", false},
		{"corp/payments/**", "corp-payments-ci", true},
		{"corp/payments/**", "corp.payments.ci", true},
		{"corp/payments/**", "corp-payments", true},
		{"corp/payments/**", "corp-ci", false},
		{"corp/payments/**", "payments-ci", false},
		{"web/** payments/**", "payments-ci", true},
		{"**", "payments-ci", false}, // no namespace: nothing is given away with it
		{"pay*/**", "pay-ci", false},
		{"payments/*", "payments-ci", false},
		{"payments/api", "payments-api", false},
	} {
		if got := NamesRobot(patterns(t, strings.Fields(tt.namespaces)...), tt.robot); got != tt.want {
			t.Errorf("%s in %s: got %t", tt.robot, tt.namespaces, got)
		}
	}
}

func TestRobotReach(t *testing.T) {
	doc, err := Parse("policy", []byte(`bindings:
  - {name: own, role: pusher, subjects: ["robot:payments-ci", "robot:payments-far"], repositories: ["payments/**"]}
  - {name: far, role: puller, subjects: ["robot:payments-far"], repositories: ["base/**"], expires: 2020-01-01T00:00:00Z}
  - {name: all, role: catalog-reader, subjects: ["robot:payments-list"]}
  - {name: audit, role: auditor, subjects: ["robot:payments-audit"]}
  - {name: everybody, role: puller, subjects: [anonymous, authenticated], repositories: ["**"]}
guardrails:
  - {name: releases, deny: [push], repositories: ["payments/release/**"], except: ["robot:payments-release"]}
`))
	if err != nil {
		t.Fatal(err)
	}
	for robot, want := range map[string]string{
		"payments-ci": "", "payments-new": "", "payments-far": `binding "far"`, "payments-list": `binding "all"`,
		"payments-audit": `binding "audit"`, "payments-release": `guardrail "releases"`,
	} {
		got := doc.RobotReach(patterns(t, "payments/**"), robot)
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", robot, got, want)
		}
	}
}
