package console

import (
	"context"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "the folder for pictures of every page; empty: none are kept")

// acme is a policy as a company has one.
const acme = `# Who may do what in our registries. Changes go through the platform team.
roles:
  releaser: [pull, push]

bindings:
  - name: platform-admins
    role: policy-admin
    subjects: ["user:corp/alice"]
    reason: "the platform team"
  - { name: internal-audit, role: auditor, subjects: ["user:corp/bob"], reason: "SOX-2026" }
  - { name: payments-leads, role: namespace-owner, subjects: ["user:corp/dave"], repositories: ["payments/**"] }
  - name: payments-developers
    role: pusher
    subjects: ["group:corp/payments-dev", "robot:payments-ci"]
    repositories: ["payments/**"]
    reason: "JIRA-123"
  - { name: shop-developers, role: pusher, subjects: ["group:corp/ops", "group:corp/web-frontend-and-design-system"], repositories: ["shop/**", "design-system/**"] }
  - { name: contractors, role: puller, subjects: ["group:corp/contractors"], repositories: ["payments/sandbox/**"], expires: 2026-01-31T00:00:00Z, reason: "PO 4711" }
  - { name: migration-2026, role: maintainer, subjects: ["user:corp/carol"], repositories: ["legacy/**"], expires: 2099-01-31T00:00:00Z }
  - { name: releases, role: releaser, subjects: ["group:corp/division", "robot:release-pipeline"], repositories: ["release/**"] }
  - { name: own-namespace, role: maintainer, subjects: [authenticated], repositories: ["users/${user}/**"] }
  - { name: everyone-reads-public, role: puller, subjects: [anonymous, authenticated], repositories: ["public/**"] }
  - { name: catalog, role: catalog-reader, subjects: ["group:corp/ops"] }

guardrails: # the only deny; wins over every binding
  - name: releases-stay
    deny: [delete, push]
    repositories: ["release/**"]
    except: ["group:corp/division"]
    reason: "what is released is never changed"

tests:
  - as: { user: corp/alice, groups: [corp/payments-dev] }
    repository: payments/api
    allow: [pull, push]
    deny: [delete]
  - as: { user: corp/x, groups: [corp/ops] }
    repository: payments/api
    deny: [pull]
`

// furnish fills the server with what has happened at a company.
func furnish(t *testing.T, s *testbed.Server) {
	t.Helper()
	for _, step := range []struct{ text, reason string }{
		{strings.Replace(acme, "PO 4711", "PO 0815", 1), "JIRA-101: contractors until January"},
		{strings.Replace(acme, "  - { name: catalog", "  # for the search page\n  - { name: catalog", 1), "the catalog for operations"},
		{acme, "JIRA-123: payments"},
	} {
		s.WriteFile("next.yaml", step.text)
		run(t, s, "policy", "apply", "next.yaml", "--reason", step.reason)
	}
	run(t, s, "robot", "create", "payments-ci", "--owner", "corp/payments-dev", "--description", "builds of the payments team", "--cidr", "10.0.0.0/8")
	run(t, s, "robot", "create", "release-pipeline", "--owner", "corp/division", "--ttl", "10d")
	run(t, s, "robot", "create", "old-jenkins", "--owner", "corp/ops")
	run(t, s, "robot", "disable", "old-jenkins")
	s.Await("the policy is in force", func() bool {
		return strings.Contains(s.Token("alice", testbed.SeedPassword("alice"), "repository:payments/api:push").Scope, "push")
	})
	for _, uid := range []string{"alice", "bob", "carol", "jürgen"} {
		for _, scope := range []string{"repository:payments/api:pull,push", "repository:shop/cart:pull", "repository:release/app:delete"} {
			s.Token(uid, testbed.SeedPassword(uid), scope)
		}
		s.Ask(testbed.TokenRequest{Form: true, Offline: true, Service: service, User: uid, Password: testbed.SeedPassword(uid)})
	}
	s.Token("bob", "a wrong password")
}

// picture is one page that is looked at.
type picture struct{ name, path string }

func pictures() []picture {
	return []picture{
		{"overview", "/console/"},
		{"explain", "/console/access?ask=explain&who=corp/carol&actions=*&repository=payments/api"},
		{"who-can", "/console/access?ask=who-can&actions=push&repository=payments/api"},
		{"what-can", "/console/access?ask=what-can&who=corp/alice"},
		{"policy", "/console/policy"},
		{"history", "/console/policy/history"},
		{"revision", "/console/policy/revisions/2"},
		{"bindings", "/console/bindings"},
		{"bindings-none", "/console/bindings?q=nothing"},
		{"binding", "/console/bindings/edit?name=payments-developers"},
		{"guardrails", "/console/guardrails"},
		{"people", "/console/people?who=corp/" + url.QueryEscape("jürgen")},
		{"robots", "/console/robots"},
		{"robot", "/console/robots/payments-ci"},
		{"new-robot", "/console/new-robot"},
		{"sessions", "/console/sessions"},
		{"audit", "/console/audit"},
		{"audit-filtered", "/console/audit?action=token_denied&reason=no_grant"},
		{"connectors", "/console/connectors?username=alice"},
		{"keys", "/console/keys"},
		{"registries", "/console/registries"},
		{"nothing", "/console/nothing"},
	}
}

// look is a way to look at a page.
type look struct {
	name, scheme string
	width        int64
}

// TestPages opens every page in light and dark and on a telephone: nothing is wider
// than the screen, and the browser has nothing to complain about. With -screenshots
// it keeps pictures.
func TestPages(t *testing.T) {
	s, _ := start(t)
	furnish(t, s)
	window := chromium(t)
	for _, l := range []look{{"light", "light", 1280}, {"dark", "dark", 1280}, {"narrow", "light", 390}} {
		alice, out := open(window, t, s.URL), open(window, t, s.URL)
		for _, b := range []*browser{alice, out} {
			b.complain()
			b.run("look", chromedp.EmulateViewport(l.width, 900), emulate(l.scheme))
		}
		out.visit("/console/")
		out.picture(l, "sign-in")
		out.signIn("carol")
		out.picture(l, "no-role")
		alice.signIn("alice")
		for _, p := range pictures() {
			alice.visit(p.path)
			alice.picture(l, p.name)
		}
		alice.drafts(l)
		dave := open(window, t, s.URL)
		dave.run("look", chromedp.EmulateViewport(l.width, 900), emulate(l.scheme))
		dave.signIn("dave")
		dave.picture(l, "namespace-owner")
	}
}

// drafts are what forms answer.
func (b *browser) drafts(l look) {
	b.t.Helper()
	b.visit("/console/policy")
	b.fill("#text", strings.Replace(acme, "role: pusher", "role: pushr", 1))
	b.click("button[value=save]")
	b.picture(l, "policy-fault")
	b.fill("#text", strings.Replace(strings.Replace(acme, "role: pusher", "role: puller", 1), "allow: [pull, push]", "allow: [pull]", 1))
	b.click("button[value=plan]")
	b.picture(l, "policy-plan")
	b.visit("/console/new-robot")
	b.fill("#name", "shop-ci-"+l.name)
	b.fill("#owner", "corp/ops")
	b.click("main button.main")
	b.picture(l, "robot-secret")
}

func emulate(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// complain fails the test when the browser reports something, such as a violation
// of the Content-Security-Policy.
func (b *browser) complain() {
	ctx, cancel := context.WithCancel(b.ctx)
	messages := chromedp.Console(ctx)
	done := make(chan struct{})
	b.t.Cleanup(func() {
		cancel()
		<-done
	})
	go func() {
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return
			}
			if !strings.Contains(m.String(), "the server responded with a status of 4") { // pages that are meant to be refusals
				b.t.Errorf("the browser says: %s", m)
			}
		}
	}()
}

// picture checks what a person would see at once, and keeps it.
func (b *browser) picture(l look, name string) {
	b.t.Helper()
	if wide := ask(b, "measure", chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)); wide > l.width {
		culprit := ask(b, "measure", chromedp.Evaluate[string](`[...document.querySelectorAll("body *")]
			.filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, pre, .hidden")).map((e) => e.outerHTML.slice(0, 120)).slice(0, 3).join("\n")`))
		b.t.Errorf("%s is %d wide on a screen of %d:\n%s", name, wide, l.width, culprit)
	}
	if *screenshots == "" {
		return
	}
	data := ask(b, "picture", chromedp.FullScreenshot(100))
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screenshots, l.name+"-"+name+".png"), data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
