package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"drawbridge/identity"
	"drawbridge/tokens/sessions"
)

func TestRobots(t *testing.T) {
	w := newWorld(t)
	b := w.as("root")
	fields := []string{"name", "payments-ci", "owner", "corp/dev", "description", "<i>builds</i>", "cidrs", "10.0.0.0/8\r\n", "days", "30"}
	b.send("/console/new-robot", append(fields, "days", "soon")[:8]...).expect(t, "a robot", http.StatusOK)
	b.send("/console/new-robot", "name", "Bad Name", "owner", "corp/dev").expect(t, "a faulty name", http.StatusUnprocessableEntity, `value="Bad Name"`)
	b.send("/console/new-robot", "name", "x", "owner", "corp/dev", "cidrs", "everywhere").expect(t, "a faulty network", http.StatusUnprocessableEntity, "everywhere")
	b.send("/console/new-robot", "name", "x", "owner", "corp/dev", "days", "-1").expect(t, "a faulty time", http.StatusUnprocessableEntity, "number of days")
	b.send("/console/new-robot", fields...).expect(t, "the same name", http.StatusConflict, "already")
	a := b.send("/console/new-robot", "name", "web-ci", "owner", "corp/web")
	a.expect(t, "another one", http.StatusOK, "robot.web-ci", "this once")
	secret := regexp.MustCompile(`id="robot-secret" data-copy>([^<]+)<`).FindStringSubmatch(a.text)
	if secret == nil {
		t.Fatalf("no secret:\n%s", a.text)
	}
	page := b.get("/console/robots/web-ci")
	page.expect(t, "its page", http.StatusOK, "corp/web", "never")
	for _, text := range []string{page.text, b.get("/console/robots").text} {
		if strings.Contains(text, secret[1]) {
			t.Error("the secret is shown again")
		}
	}
	b.get("/console/robots?q=payments").expect(t, "the list", http.StatusOK, "payments-ci", "&lt;i&gt;builds")
	b.get("/console/robots?format=csv").expect(t, "CSV", http.StatusOK, "web-ci,corp/web")
	version := func() string {
		return regexp.MustCompile(`name="version" value="([^"]*)"`).FindStringSubmatch(b.get("/console/robots/web-ci").text)[1]
	}
	old := version()
	b.send("/console/robots/web-ci", "do", "rotate", "overlap", "24", "version", old).expect(t, "a rotation", http.StatusOK, "this once")
	b.send("/console/robots/web-ci", "do", "disable", "version", old).expect(t, "of an older state", http.StatusConflict)
	b.send("/console/robots/web-ci", "do", "disable", "version", version()).expect(t, "disabled", http.StatusSeeOther)
	b.get("/console/robots/web-ci").expect(t, "disabled", http.StatusOK, "disabled", `value="enable"`)
	b.send("/console/robots/web-ci", "do", "edit", "owner", "corp/dev", "cidrs", "x", "version", version()).
		expect(t, "a faulty network", http.StatusUnprocessableEntity, "\nx</textarea>")
	b.send("/console/robots/web-ci", "do", "edit", "owner", "corp/dev", "cidrs", "192.0.2.0/24", "version", version()).expect(t, "changed", http.StatusSeeOther)
	b.get("/console/robots/web-ci").expect(t, "changed", http.StatusOK, "192.0.2.0/24")
	b.send("/console/robots/web-ci", "do", "delete", "version", version()).expect(t, "deleted", http.StatusSeeOther)
	b.get("/console/robots/web-ci").expect(t, "deleted", http.StatusNotFound)
}

// A namespace owner looks after the robots of the namespace and sees no other one.
func TestRobotsOfNamespace(t *testing.T) {
	w := newWorld(t)
	admin := w.as("root")
	admin.send("/console/new-robot", "name", "web-ci", "owner", "corp/web").expect(t, "of others", http.StatusOK)
	w.set(func() { w.groups = []string{"dev"} })
	b := w.as("lead")
	b.send("/console/new-robot", "name", "payments-ci", "owner", "corp/dev").expect(t, "inside", http.StatusOK, "robot.payments-ci")
	b.send("/console/new-robot", "name", "web-2", "owner", "corp/dev").expect(t, "another prefix", http.StatusForbidden)
	b.send("/console/new-robot", "name", "payments-2", "owner", "corp/web").expect(t, "another group's", http.StatusForbidden)
	list := b.get("/console/robots")
	if list.expect(t, "the list", http.StatusOK, "payments-ci"); strings.Contains(list.text, "web-ci") {
		t.Error("it shows others' robots")
	}
	b.get("/console/robots/web-ci").expect(t, "another's page", http.StatusNotFound)
	for _, do := range []string{"rotate", "disable", "delete", "edit"} {
		b.send("/console/robots/web-ci", "do", do, "overlap", "0", "owner", "corp/dev").expect(t, do, http.StatusForbidden)
	}
}

func TestSessionsPage(t *testing.T) {
	w := newWorld(t)
	for _, who := range []string{"bob", "bob", "eve"} {
		s := sessions.Session{
			ID: "s-" + who, Person: identity.Identity{Kind: identity.User, Connector: "corp", Name: who}, Service: "main", ClientID: "docker",
			CreatedAt: w.clock(), LastUsedAt: w.clock(), ExpiresAt: w.clock().Add(time.Hour),
		}
		if _, err := w.store.Session(t.Context(), s.ID); err == nil {
			s.ID += "2"
		}
		s.Token.Session = sessions.Hash(s.ID)
		if _, err := w.store.CreateSession(t.Context(), s, 100); err != nil {
			t.Fatal(err)
		}
	}
	bob := w.as("bob")
	own := bob.get("/console/sessions?person=corp/eve")
	if own.expect(t, "one's own", http.StatusOK, "s-bob", "s-bob2", "End everything of corp/bob"); strings.Contains(own.text, "s-eve") {
		t.Error("others' sessions are shown")
	}
	bob.send("/console/sessions", "do", "session", "id", "s-eve").expect(t, "another's", http.StatusNotFound)
	bob.send("/console/sessions", "do", "person", "person", "corp/eve").expect(t, "all of another", http.StatusForbidden)
	bob.send("/console/sessions", "do", "session", "id", "s-bob").expect(t, "one's own", http.StatusSeeOther)
	if a := bob.get("/console/sessions"); strings.Contains(a.text, ">s-bob<") {
		t.Error("an ended one is listed")
	}
	bob.get("/console/sessions?ended=yes").expect(t, "with ended ones", http.StatusOK, ">s-bob<", "ended")

	eve := w.as("eve")
	page := eve.get("/console/sessions?person=corp/bob")
	if page.expect(t, "an auditor", http.StatusOK, "s-bob2"); strings.Contains(page.text, `value="session"`) || strings.Contains(page.text, `value="person"`) {
		t.Error("an auditor has a button to end another's")
	}
	root := w.as("root")
	root.get("/console/sessions").expect(t, "an admin", http.StatusOK, "s-bob2", "s-eve", `value="session"`)
	root.send("/console/sessions", "do", "person", "person", "corp/bob", "reason", "left").expect(t, "everything of bob", http.StatusSeeOther)
	root.get("/console/sessions?person=corp/bob").expect(t, "afterwards", http.StatusOK, "No session matches")
	for _, person := range []string{"bob", "anonymous"} {
		root.get("/console/sessions?person="+person).expect(t, person, http.StatusUnprocessableEntity)
	}
}

func TestSystemPages(t *testing.T) {
	w := newWorld(t)
	b := w.as("eve")
	b.get("/console/connectors?username=bob").expect(t, "a login test", http.StatusOK, "degraded", "1 of 2 hosts", "user:"[0:0], "corp/bob", "group:corp/dev", ">dev<")
	b.get("/console/registries").expect(t, "registries", http.StatusOK, "service: main")
	if a := b.get("/console/keys"); strings.Contains(a.text, "<form method=\"post\" action=\"/console/keys\"") || !strings.Contains(a.text, "KEY1") {
		t.Errorf("the keys of an auditor:\n%s", a.text)
	}
	root := w.as("root")
	root.send("/console/keys", "do", "rotate", "reason", "yearly").expect(t, "a rotation", http.StatusSeeOther)
	root.send("/console/keys", "do", "emergency").expect(t, "an emergency", http.StatusSeeOther)
	root.send("/console/keys", "do", "x").expect(t, "no button", http.StatusUnprocessableEntity)
	if got := strings.Join(w.rolled, ","); got != "roll by corp/root,revoke by corp/root" {
		t.Errorf("%s", got)
	}
}
