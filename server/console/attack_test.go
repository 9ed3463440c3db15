package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// posts are all routes that change something, as paths.
func (w *world) posts() []string {
	var paths []string
	for _, pattern := range w.handler.Routes() {
		if path, ok := strings.CutPrefix(pattern, "POST "); ok {
			paths = append(paths, concrete(path))
		}
	}
	if len(paths) < 5 {
		w.t.Fatalf("only %d forms", len(paths))
	}
	return paths
}

// gets are all pages, as paths.
func (w *world) gets() []string {
	var paths []string
	for _, pattern := range w.handler.Routes() {
		if path, ok := strings.CutPrefix(pattern, "GET "); ok {
			paths = append(paths, concrete(path))
		}
	}
	return paths
}

func concrete(path string) string {
	return strings.NewReplacer("{$}", "", "{number}", "1", "{name}", "x").Replace(path)
}

// everything is a form that would do something everywhere.
func everything(token string) url.Values {
	return url.Values{
		"form_token": {token}, "do": {"save"}, "text": {"bindings: []\n"}, "base": {"1"}, "name": {"evil"}, "new": {"yes"}, "role": {"pusher"},
		"subjects": {"anonymous"}, "repositories": {"payments/**"}, "username": {"root"}, "password": {"root"}, "owner": {"corp/root"}, "days": {"30"}, "overlap": {"1"},
		"person": {"corp/root"}, "id": {"x"},
	}
}

func TestCrossSiteRequestForgery(t *testing.T) {
	w := newWorld(t)
	b := w.as("root")
	foreign := w.as("bob").token()
	before := w.inForce().ID
	for _, path := range w.posts() {
		token := b.token()
		if path == "/console/sign-in" {
			token = tokenIn(w.browser().get(path).text)
		}
		for what, answer := range map[string]answer{
			"without a token":              b.post(path, everything("")),
			"with a wrong token":           b.post(path, everything("x")),
			"with somebody else's token":   b.post(path, everything(foreign)),
			"from another site":            b.post(path, everything(token), "Sec-Fetch-Site", "cross-site"),
			"from a sibling domain":        b.post(path, everything(token), "Sec-Fetch-Site", "same-site"),
			"from another origin, old way": b.do(http.MethodPost, path, everything(token).Encode(), []string{"Content-Type", "application/x-www-form-urlencoded", "Origin", "https://evil.example"}),
		} {
			if answer.status != http.StatusForbidden {
				t.Errorf("POST %s %s: %d\n%s", path, what, answer.status, answer.text)
			}
		}
		a := b.do(http.MethodPost, path, `{"form_token":"`+token+`"}`, []string{"Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin"})
		if a.status != http.StatusUnprocessableEntity {
			t.Errorf("POST %s as text: %d", path, a.status)
		}
	}
	if after := w.inForce().ID; after != before {
		t.Errorf("the policy went from %s to %s", before, after)
	}
	b.get("/console/policy").expect(t, "still signed in", http.StatusOK)
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	b := w.as("root")
	for _, path := range append(w.gets(), "/console/nothing", "/console/assets/console.css", "/console/bindings?format=csv") {
		a := b.get(path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Frame-Options":         "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
	}
}

// Names that others choose come back as text, wherever a page shows them.
func TestScriptsInNames(t *testing.T) {
	w := newWorld(t)
	const evil = `<script>alert(1)</script>`
	const quote = `"onfocus="alert(1)`
	w.save(document + `# ` + evil + `
roles:
  "evilrole": [pull]
` + "")
	w.save(strings.Replace(document, "guardrails:", `  - {name: '`+evil+`', role: puller, subjects: ['user:corp/`+evil+`', 'group:corp/`+quote+`'], repositories: ["x/**"], reason: '`+evil+quote+`'}
guardrails:
  - {name: '`+evil+`', deny: [push], repositories: ["x/**"], except: ['user:corp/`+evil+`'], reason: '`+evil+`'}`, 1) + "# " + evil + "\n")
	b := w.as("root")
	mallory := w.as("root<img src=x onerror=alert(1)>")
	text := url.QueryEscape(evil + quote)
	pages := map[string]answer{
		"somebody's own name": mallory.get("/console/"),
		"a draft":             b.send("/console/policy", "do", "plan", "base", "3", "text", evil+"</textarea>"+evil, "reason", quote+evil),
		"a binding's form":    b.send("/console/bindings/edit", "do", "plan", "new", "yes", "base", "3", "name", quote+evil, "role", "puller", "subjects", evil+"</textarea>"+evil, "repositories", evil+"</textarea>"+evil, "reason", quote+evil, "because", quote),
		"a wrong sign-in":     w.browser().signIn(quote+evil, "x", quote+evil),
	}
	for _, path := range w.gets() {
		pages[path] = b.get(path)
		for _, query := range []string{"q", "who", "repository", "actions", "registry", "groups", "subject", "role", "name", "next", "note", "done", "before", "from"} {
			pages[path+"?"+query] = b.get(path + "?" + query + "=" + text)
		}
		pages[path+" asked"] = b.get(path + "?ask=what-can&who=corp/" + text + "&groups=" + text + "&repository=x/y&name=" + url.QueryEscape(evil))
		pages[path+" explained"] = b.get(path + "?who=corp/" + text + "&groups=" + text + "&repository=x/y")
		pages[path+" held"] = b.get(path + "?ask=who-can&repository=x/y")
	}
	shown := 0
	for what, a := range pages {
		for _, raw := range []string{evil, "<img src=x", `="` + quote, "<b>bold"} {
			if strings.Contains(a.text, raw) {
				t.Errorf("%s holds %s:\n%s", what, raw, a.text)
			}
		}
		shown += strings.Count(a.text, "&lt;script&gt;alert(1)")
	}
	if shown < 20 {
		t.Errorf("the names are shown only %d times, so that the test tells nothing", shown)
	}
	csv := b.get("/console/bindings?format=csv")
	if !strings.HasPrefix(csv.header.Get("Content-Type"), "text/csv") {
		t.Errorf("CSV as %s", csv.header.Get("Content-Type"))
	}
}

func TestFormulasInCSV(t *testing.T) {
	w := newWorld(t)
	w.save(strings.Replace(document, "guardrails:", `  - {name: "=cmd|'/c calc'!A1", role: puller, subjects: [anonymous], repositories: ["x/**"], reason: "@SUM(1)"}
guardrails:`, 1))
	a := w.as("root").get("/console/bindings?format=csv&q=calc")
	a.expect(t, "CSV", http.StatusOK, "'=cmd|", "'@SUM(1)")
	if strings.Count(a.text, "\n") != 2 {
		t.Errorf("the filter does not apply:\n%s", a.text)
	}
}

// Somebody without a role sees nothing and changes nothing, on any route.
func TestNoRole(t *testing.T) {
	w := newWorld(t)
	b := w.as("bob")
	for _, path := range w.gets() {
		if path == "/console/sign-in" || path == "/console/sessions" { // everybody has their own
			continue
		}
		a := b.get(path)
		if a.status != http.StatusForbidden || !strings.Contains(a.text, "You have no role here") {
			t.Errorf("GET %s: %d\n%s", path, a.status, a.text)
		}
		for _, secret := range []string{"payments", "releases-stay", "auditors"} {
			if strings.Contains(a.text, secret) {
				t.Errorf("GET %s shows %s", path, secret)
			}
		}
	}
	for _, path := range w.posts() {
		if strings.Contains(path, "sign-") {
			continue
		}
		form := everything(b.token())
		if path == "/console/sessions" {
			form.Set("do", "person")
		}
		if a := b.post(path, form); a.status != http.StatusForbidden {
			t.Errorf("POST %s: %d", path, a.status)
		}
	}
	if w.inForce().ID != "r1" {
		t.Error("the policy was changed")
	}
}

// An auditor sees no button that saves, and a form that is sent all the same is
// refused.
func TestAuditorCannotSave(t *testing.T) {
	w := newWorld(t)
	b := w.as("eve")
	for _, path := range w.gets() {
		if a := b.get(path); strings.Contains(a.text, `value="save"`) || strings.Contains(a.text, `class="danger"`) {
			t.Errorf("%s has a button that saves", path)
		}
	}
	for _, path := range w.posts() {
		if strings.Contains(path, "sign-") {
			continue
		}
		dos := map[string][]string{
			"/console/bindings/edit": {"save", "remove"}, "/console/robots/x": {"rotate", "edit", "disable", "enable", "delete"},
			"/console/sessions": {"person"}, "/console/keys": {"rotate", "emergency"},
		}[path]
		if dos == nil {
			dos = []string{"save"}
		}
		for _, do := range dos {
			form := everything(b.token())
			form.Set("do", do)
			if a := b.post(path, form); a.status != http.StatusForbidden {
				t.Errorf("POST %s, %s: %d\n%s", path, do, a.status, a.text)
			}
		}
	}
	b.send("/console/policy", "do", "plan", "base", "1", "text", "bindings: []\n").expect(t, "a plan", http.StatusOK, "1 person loses push on payments/**")
	if w.inForce().ID != "r1" {
		t.Error("the policy was changed")
	}
}

// A namespace owner changes bindings inside the prefix and nothing else.
func TestNamespaceOwner(t *testing.T) {
	w := newWorld(t)
	b := w.as("lead")
	if a := b.get("/console/"); a.header.Get("Location") != "/console/bindings" {
		t.Errorf("the overview: %d to %q", a.status, a.header.Get("Location"))
	}
	list := b.get("/console/bindings")
	list.expect(t, "the bindings", http.StatusOK, "payments/**", ">dev<")
	for _, hidden := range []string{"web/**", "auditors", "corp/eve"} {
		if strings.Contains(list.text, hidden) {
			t.Errorf("the list shows %s", hidden)
		}
	}
	token := tokenIn(list.text)
	form := func(pairs ...string) url.Values {
		f := url.Values{"form_token": {token}, "base": {"1"}, "do": {"save"}, "role": {"pusher"}, "subjects": {"user:corp/x"}}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	for what, f := range map[string]url.Values{
		"another prefix":             form("new", "yes", "name", "x", "repositories", "web/**"),
		"one pattern of two":         form("new", "yes", "name", "x", "repositories", "payments/x\nweb/**"),
		"everything":                 form("new", "yes", "name", "x", "repositories", "**"),
		"a glob that reaches beyond": form("new", "yes", "name", "x", "repositories", "pay*/x"),
		"a look-alike":               form("new", "yes", "name", "x", "repositories", "payments-2/**"),
		"a role of Drawbridge":       form("new", "yes", "name", "x", "role", "policy-admin"),
		"the catalog":                form("new", "yes", "name", "x", "role", "catalog-reader"),
		"somebody else's binding":    form("name", "web", "repositories", "payments/**"),
		"their own grant":            form("name", "leads", "role", "namespace-owner", "repositories", "payments/**\nweb/**"),
		"removing another's":         form("name", "web", "do", "remove"),
		"removing their own grant":   form("name", "leads", "do", "remove"),
		"a plan beyond":              form("new", "yes", "name", "x", "repositories", "web/**", "do", "plan"),
	} {
		if a := b.post("/console/bindings/edit", f); a.status != http.StatusForbidden {
			t.Errorf("%s: %d\n%s", what, a.status, a.text)
		}
	}
	for _, path := range []string{"/console/policy", "/console/access?who=corp/x&repository=a/b", "/console/guardrails", "/console/people", "/console/policy/revisions/1"} {
		b.get(path).expect(t, path, http.StatusForbidden)
	}
	b.get("/console/bindings/edit?name=web").expect(t, "the form of another's", http.StatusNotFound)
	if w.inForce().ID != "r1" {
		t.Fatal("the policy was changed")
	}
	b.post("/console/bindings/edit", form("new", "yes", "name", "mine", "repositories", "payments/mine/**")).expect(t, "inside", http.StatusSeeOther)
	b.get("/console/bindings").expect(t, "afterwards", http.StatusOK, "payments/mine/**")
}
