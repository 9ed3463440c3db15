package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"

	"github.com/chromedp/chromedp"
)

// TestConsole is what administrators do with a browser, from a mistake in the
// policy to a robot that pushes.
func TestConsole(t *testing.T) {
	s, _ := start(t)
	registry := registryFor(t, s)
	window := chromium(t)
	alice := open(window, t, s.URL)
	alice.signIn("alice")
	alice.says("corp/alice", "Overview")

	bobs, picture := newSkopeo(t, s.CAFile), image(t)
	if out, err := bobs.login(registry, "bob", testbed.SeedPassword("bob")); err != nil {
		t.Fatalf("skopeo login: %v\n%s", err, out)
	}
	if out, err := bobs.push(picture, registry+"/payments/api:1"); err == nil {
		t.Fatalf("the push is not refused\n%s", out)
	}
	fixPolicy(t, alice)
	s.Await("the push that was refused now works", func() bool {
		out, err := bobs.push(picture, registry+"/payments/api:1")
		t.Logf("skopeo copy: %v %s", err, out)
		return err == nil
	})
	robotPushes(t, s, alice, registry, picture)
	endSession(t, s, alice)

	bob := open(window, t, s.URL)
	bob.signIn("bob")
	auditorReads(t, bob)
	dave := open(window, t, s.URL)
	dave.signIn("dave")
	ownerStays(t, s, dave)
	carol := open(window, t, s.URL)
	carol.signIn("carol")
	carol.visit("/console/policy")
	carol.says("You have no role here")
	if text := carol.text(); strings.Contains(text, "payments") || strings.Contains(text, "corp/alice") {
		t.Errorf("somebody without a role reads\n%s", text)
	}
	run(t, s, "session", "revoke", "--user", "corp/carol", "--reason", "left")
	s.Await("a person who was revoked is out", func() bool {
		carol.visit("/console/sessions")
		return strings.Contains(carol.text(), "Your session was ended")
	})
	alice.click("header.top button")
	alice.says("You are signed out")
	alice.visit("/console/policy")
	if alice.count("#password") != 1 {
		t.Errorf("after the sign-out there is\n%s", alice.text())
	}
}

// fixPolicy gives the developers push, with a mistake at first.
func fixPolicy(t *testing.T, alice *browser) {
	t.Helper()
	alice.visit("/console/policy")
	text := alice.value("#text")
	if text != policy {
		t.Fatalf("the editor has\n%s", text)
	}
	const before, after = "payments-developers, role: puller", "payments-developers, role: pusher"
	alice.fill("#text", strings.Replace(text, before, "payments-developers, role: pushr", 1))
	alice.fill("#reason", "JIRA-42")
	alice.click("button[value=save]")
	alice.says("The document has faults", "Line 6", `did you mean "pusher"?`)
	if alice.count(".gutter .faulty") != 1 || alice.value("#reason") != "JIRA-42" {
		t.Errorf("the line is not marked, or what was typed is gone:\n%s", alice.text())
	}
	alice.fill("#text", strings.Replace(text, before, after, 1))
	alice.click("button[value=plan]")
	alice.says("1 person gains push on payments/**", "corp/bob", "+  - { name: "+after)
	alice.click("button[value=save]")
	alice.says("It is in force on every replica", "JIRA-42")
	if got := alice.value("#text"); got != strings.Replace(text, before, after, 1) {
		t.Errorf("saved is\n%s", got)
	}
}

// robotPushes makes a robot, gives it a right and logs in with it.
func robotPushes(t *testing.T, s *testbed.Server, alice *browser, registry, picture string) {
	t.Helper()
	alice.visit("/console/robots")
	alice.click("a.button.main")
	alice.fill("#name", "payments-ci")
	alice.fill("#owner", "corp/payments-dev")
	alice.click("main button.main")
	alice.says("this once", "robot.payments-ci")
	secret := alice.content("#robot-secret")
	alice.visit("/console/bindings/edit")
	alice.fill("#name", "payments-build")
	alice.fill("#role", "pusher")
	alice.fill("#subjects", "robot:payments-ci")
	alice.fill("#repositories", "payments/ci/**")
	alice.click("button[value=save]")
	alice.says("Saved", "payments-build")
	robot := newSkopeo(t, s.CAFile)
	s.Await("the robot logs in and pushes", func() bool {
		if out, err := robot.login(registry, "robot.payments-ci", secret); err != nil {
			t.Logf("skopeo login: %v %s", err, out)
			return false
		}
		_, err := robot.push(picture, registry+"/payments/ci/build:1")
		return err == nil
	})
	alice.visit("/console/robots/payments-ci")
	if strings.Contains(alice.text(), secret) {
		t.Error("the secret is shown again")
	}
}

// endSession ends a login that lasts.
func endSession(t *testing.T, s *testbed.Server, alice *browser) {
	t.Helper()
	refresh := func(form url.Values) testbed.TokenAnswer {
		form.Set("service", service)
		form.Set("client_id", "docker")
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return s.Do(r)
	}
	login := refresh(url.Values{
		"grant_type": {"password"}, "access_type": {"offline"}, "username": {"jürgen"}, "password": {testbed.SeedPassword("jürgen")},
	})
	if login.RefreshToken == "" {
		t.Fatalf("no refresh token: %d %s", login.Status, login.Body)
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {login.RefreshToken}}
	if a := refresh(form); a.Token == "" {
		t.Fatalf("the refresh token is refused: %d %s", a.Status, a.Body)
	}
	alice.visit("/console/sessions?person=" + url.QueryEscape("corp/jürgen"))
	alice.says("corp/jürgen", "docker")
	alice.click("button[value=session]")
	alice.says("Ended")
	s.Await("the refresh token is refused", func() bool { return refresh(form).Token == "" })
}

// auditorReads sees everything and cannot save, also not by force.
func auditorReads(t *testing.T, bob *browser) {
	t.Helper()
	bob.visit("/console/policy")
	bob.says("A draft to try")
	if bob.count("button[value=save]") != 0 {
		t.Error("an auditor has a button to save")
	}
	before := bob.value("input[name=base]")
	bob.run("force a save", chromedp.SetAttributeValue(chromedp.CSS("button[value=plan]"), "value", "save"))
	bob.fill("#text", policy+"# forced\n")
	bob.click("button[value=save]")
	bob.says("Not allowed", "policy-admin")
	bob.visit("/console/policy")
	if bob.value("input[name=base]") != before {
		t.Error("the policy was changed")
	}
	bob.visit("/console/access?ask=explain&who=corp/bob&actions=push&repository=web/shop")
	bob.says("no binding grants it", "Near misses", "web-developers")
}

// ownerStays inside the prefix.
func ownerStays(t *testing.T, s *testbed.Server, dave *browser) {
	t.Helper()
	dave.says("You look after payments/**", "payments-developers")
	if strings.Contains(dave.text(), "web-developers") {
		t.Error("a namespace owner sees other bindings")
	}
	dave.visit("/console/bindings/edit")
	dave.fill("#name", "mine")
	dave.fill("#role", "pusher")
	dave.fill("#subjects", "user:corp/dave")
	dave.fill("#repositories", "web/**")
	dave.click("button[value=save]")
	dave.says("Not allowed", "payments/**")
	dave.fill("#repositories", "payments/dave/**")
	dave.click("button[value=save]")
	dave.says("Saved", "payments/dave/**")
	s.Await("the binding is in force", func() bool {
		return strings.Contains(s.Token("dave", testbed.SeedPassword("dave"), "repository:payments/dave/x:push").Scope, "push")
	})
	dave.visit("/console/policy")
	dave.says("Not allowed")
}
