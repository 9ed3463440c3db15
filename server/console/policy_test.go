package console_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"drawbridge/bridge/manage"
)

func TestEditPolicy(t *testing.T) {
	w := newWorld(t)
	b := w.as("root")
	b.get("/console/policy").expect(t, "the editor", http.StatusOK, "\n"+html.EscapeString(document)+"</textarea>", `name="base" value="1"`)

	faulty := strings.Replace(document, "role: pusher", "role: pushr", 1)
	a := b.send("/console/policy", "do", "save", "base", "1", "text", strings.ReplaceAll(faulty, "\n", "\r\n"), "reason", "JIRA-7")
	a.expect(t, "a mistake", http.StatusUnprocessableEntity, "Line 6", "role: pushr", `data-lines="6"`, "JIRA-7", "stays as it is")
	failing := strings.Replace(document, "role: pusher, subjects: [\"group:corp/dev\"]", "role: puller, subjects: [\"group:corp/dev\"]", 1)
	b.send("/console/policy", "do", "plan", "base", "1", "text", failing).
		expect(t, "a failing test", http.StatusOK, "1 person loses push on payments/**"[0:0], "failed", "cannot be saved")

	good := strings.Replace(document, "repositories: [\"payments/**\"]}\nguardrails", "repositories: [\"payments/api/**\"]}\nguardrails", 1)
	good = good[:strings.Index(good, "tests:")]
	b.send("/console/policy", "do", "plan", "base", "1", "text", good).
		expect(t, "a plan", http.StatusOK, "1 person loses push on payments/**", "corp/bob", "binding dev", `class="del"`)
	if w.inForce().ID != "r1" {
		t.Fatal("a plan changed the policy")
	}
	a = b.send("/console/policy", "do", "save", "base", "1", "text", strings.ReplaceAll(good, "\n", "\r\n"), "reason", "JIRA-7")
	if a.expect(t, "the save", http.StatusSeeOther); a.header.Get("Location") != "/console/policy?done=saved" {
		t.Errorf("it leads to %s", a.header.Get("Location"))
	}
	if now := w.inForce(); now.ID != "r2" || now.Text != good {
		t.Errorf("in force is %s:\n%s", now.ID, now.Text)
	}
	b.get("/console/policy?done=saved").expect(t, "afterwards", http.StatusOK, "It is in force on every replica", "JIRA-7", "corp/root")
	b.send("/console/policy", "do", "save", "base", "2", "text", good).expect(t, "nothing new", http.StatusOK, "in force already")
}

// A save over somebody else's keeps the text and shows what they did.
func TestStaleSave(t *testing.T) {
	w := newWorld(t)
	b := w.as("root")
	w.save(document + "# theirs\n")
	mine := document + "# mine\n"
	a := b.send("/console/policy", "do", "save", "base", "1", "text", mine, "reason", "JIRA-8")
	a.expect(t, "a stale save", http.StatusConflict, "# mine", "# theirs", "JIRA-8", `name="base" value="2"`, "What was changed meanwhile")
	b.send("/console/policy", "do", "save", "base", "2", "text", mine).expect(t, "again", http.StatusSeeOther)
	if now := w.inForce(); now.ID != "r3" || now.Text != mine {
		t.Errorf("in force is %s", now.ID)
	}
}

func TestHistoryAndRollback(t *testing.T) {
	w := newWorld(t)
	b := w.as("root")
	for i := 2; i <= 53; i++ {
		w.save(document + fmt.Sprintf("# %d\n", i))
	}
	first := b.get("/console/policy/history")
	first.expect(t, "the history", http.StatusOK, ">r53<", ">r4<", "in force", "history?before=4")
	if strings.Contains(first.text, ">r3<") {
		t.Error("the first page has too many")
	}
	b.get("/console/policy/history?before=4").expect(t, "older ones", http.StatusOK, ">r3<", ">r1<")
	b.get("/console/policy/revisions/53").expect(t, "one revision", http.StatusOK, "-# 52", "&#43;# 53")
	b.get("/console/policy/revisions/53?from=1").expect(t, "against the first", http.StatusOK, "&#43;# 53", "Compared with")
	for _, path := range []string{"99", "0", "x", "-1"} {
		b.get("/console/policy/revisions/"+path).expect(t, path, http.StatusNotFound)
	}
	b.send("/console/policy/revisions/2", "do", "plan", "base", "53").expect(t, "a plan", http.StatusOK, "What this would change")
	b.send("/console/policy/revisions/2", "do", "save", "base", "52").expect(t, "a stale one", http.StatusConflict)
	b.send("/console/policy/revisions/2", "do", "save", "base", "53", "reason", "back").expect(t, "the rollback", http.StatusSeeOther)
	if now := w.inForce(); now.ID != "r54" || !strings.HasSuffix(now.Text, "# 2\n") {
		t.Errorf("in force is %s", now.ID)
	}
	b.get("/console/policy/history").expect(t, "afterwards", http.StatusOK, "rollback to r2", "back")
}

func TestEditBindings(t *testing.T) {
	w := newWorld(t)
	b := w.as("root")
	b.get("/console/bindings?role=pusher&repository=WEB").expect(t, "a filter", http.StatusOK, "1 of 5 bindings", "group:corp/web")
	b.get("/console/bindings?q=payments").expect(t, "managed by", http.StatusOK, "user:corp/lead")
	b.get("/console/bindings?q=nonsense").expect(t, "none", http.StatusOK, "No binding matches")
	b.get("/console/bindings/edit?name=dev").expect(t, "the form", http.StatusOK, "group:corp/dev", `<option value="pusher" selected>`)

	fields := []string{
		"new", "yes", "base", "1", "name", "ops", "role", "maintainer", "subjects", "user:corp/x\r\n\r\ngroup:corp/ops", "repositories", "ops/**",
		"registries", "other", "expires", "2030-01-31T18:00", "reason", "JIRA-9", "because", "new team",
	}
	b.send("/console/bindings/edit", append(fields, "do", "plan")...).expect(t, "a plan", http.StatusOK, "&#43;", "ops/**", "JIRA-9")
	b.send("/console/bindings/edit", append(fields, "do", "save")...).expect(t, "the save", http.StatusSeeOther)
	const line = `{name: ops, role: maintainer`
	if text := w.inForce().Text; !strings.Contains(text, "name: ops") || !strings.HasPrefix(text, "# the policy") {
		t.Errorf("%s is not in\n%s", line, text)
	}
	a := b.get("/console/bindings/edit?name=ops")
	a.expect(t, "again", http.StatusOK, "user:corp/x\ngroup:corp/ops", "2030-01-31T18:00", `value="other" checked`, `value="maintainer" selected`)
	b.send("/console/bindings/edit", append(fields, "do", "save")...).expect(t, "the same name", http.StatusConflict, "already", "JIRA-9")
	b.send("/console/bindings/edit", "base", "2", "name", "ops", "role", "maintainer", "subjects", "ops", "repositories", "ops/**", "do", "save").
		expect(t, "a faulty one", http.StatusUnprocessableEntity, "ops</textarea>")
	b.send("/console/bindings/edit", "base", "2", "name", "ops", "expires", "soon", "do", "save").expect(t, "a faulty day", http.StatusUnprocessableEntity, "2027-01-31T18:00")
	b.send("/console/bindings/edit", "base", "1", "name", "ops", "do", "remove").expect(t, "a stale removal", http.StatusConflict)
	b.send("/console/bindings/edit", "base", "2", "name", "ops", "do", "plan-remove").expect(t, "the plan of a removal", http.StatusOK, "group:corp/ops", `class="del"`)
	b.send("/console/bindings/edit", "base", "2", "name", "ops", "do", "remove").expect(t, "the removal", http.StatusSeeOther)
	if strings.Contains(w.inForce().Text, "ops") {
		t.Error("it is still there")
	}
}

func TestQuestions(t *testing.T) {
	w := newWorld(t)
	b := w.as("eve")
	b.get("/console/access?who=corp/bob&actions=push&repository=payments/api").
		expect(t, "explain", http.StatusOK, "allowed", "as the connector corp told them at", "bindings?q=dev", "&lt;b&gt;bold&lt;/b&gt;")
	b.get("/console/access?who=corp/bob&actions=push&repository=web/shop").expect(t, "a near miss", http.StatusOK, "no binding grants it", "Near misses", "group:corp/web")
	b.get("/console/access?who=corp/bob&groups=web%0D%0A&actions=push&repository=web/shop").expect(t, "as if", http.StatusOK, "allowed")
	b.get("/console/access?ask=who-can&actions=push&repository=payments/api").expect(t, "who can", http.StatusOK, "group:corp/dev")
	b.get("/console/access?ask=what-can&who=corp/bob").expect(t, "what can", http.StatusOK, "payments/**", "group:corp/dev")
	b.get("/console/access?who=bob&actions=push&repository=web/shop").expect(t, "a bare name", http.StatusUnprocessableEntity, "is nobody", `value="bob"`)
	b.get("/console/access?ask=what-can&who=corp/gone").expect(t, "nobody", http.StatusNotFound, "does not know")
	b.get("/console/people?who=corp/bob").expect(t, "look up", http.StatusOK, "Fetched at", "dev")
	b.get("/console/guardrails").expect(t, "guardrails", http.StatusOK, "releases-stay")
}

// Where a file holds the policy there is nothing to save with.
func TestReadOnlyPolicy(t *testing.T) {
	w := newWorld(t)
	h := w.newHandler()
	h.Desk.Policies, h.Desk.File = nil, "/etc/policy.yaml"
	h.Door = &manage.Door{Connectors: w, Desk: h.Desk}
	w.url = w.serve(h)
	b := w.as("root")
	for _, path := range []string{"/console/policy", "/console/bindings", "/console/guardrails", "/console/policy/history"} {
		a := b.get(path)
		a.expect(t, path, http.StatusOK, "read-only", "/etc/policy.yaml")
		if strings.Contains(a.text, `value="save"`) || strings.Contains(a.text, "Add a binding") {
			t.Errorf("%s has an editor", path)
		}
	}
	b.get("/console/bindings/edit").expect(t, "the form", http.StatusConflict, "read-only")
	form := url.Values{"form_token": {b.token()}, "do": {"save"}, "text": {"bindings: []"}, "base": {"1"}}
	b.post("/console/policy", form).expect(t, "a save", http.StatusConflict, "read-only")
}
