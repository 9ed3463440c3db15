package console_test

import (
	"crypto/sha256"
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/connectors"
	"drawbridge/connectors/breakglass"
	"drawbridge/identity"
	"drawbridge/server/console"
)

func insecure() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
}

func (a answer) expect(t *testing.T, what string, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: %d, want %d\n%s", what, a.status, status, a.text)
	}
	for _, text := range texts {
		if !strings.Contains(a.text, text) {
			t.Errorf("%s: %q is not in\n%s", what, text, a.text)
		}
	}
}

func TestSignInAndOut(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	a := b.get("/console/policy")
	if a.expect(t, "before the sign-in", http.StatusSeeOther); a.header.Get("Location") != "/console/sign-in?note=needed&next=%2Fconsole%2Fpolicy" {
		t.Errorf("it leads to %s", a.header.Get("Location"))
	}
	b.signIn("root", "wrong", "/console/policy").expect(t, "a wrong password", http.StatusUnauthorized, `value="root"`, "wrong")
	a = b.signIn("root", "root", "/console/policy")
	if a.expect(t, "the sign-in", http.StatusSeeOther); a.header.Get("Location") != "/console/policy" {
		t.Errorf("it leads to %s", a.header.Get("Location"))
	}
	b.get("/console/policy").expect(t, "after the sign-in", http.StatusOK, "corp/root", `value="save"`)
	stolen := b.cookie()
	b.send("/console/sign-out").expect(t, "the sign-out", http.StatusSeeOther)
	if b.cookie() != "" {
		t.Error("the cookie is still there")
	}
	w.with(stolen).get("/console/policy").expect(t, "a copy of the cookie", http.StatusUnauthorized, "Your session was ended")

	var seen []string
	for _, e := range w.events {
		seen = append(seen, string(e.Action)+" "+string(e.Outcome)+" "+e.User)
	}
	want := []string{"admin_sign_in failure ", "admin_sign_in success corp/root", "admin_sign_out success corp/root"}
	if strings.Join(seen, ",") != strings.Join(want, ",") {
		t.Errorf("audited %q, want %q", seen, want)
	}
	if in, out := w.events[1], w.events[2]; in.SessionID == "" || in.SessionID != out.SessionID || in.SourceIP != "192.0.2.1" || in.Action != audit.AdminSignIn {
		t.Errorf("audited %+v and %+v", in, out)
	}
}

func TestCookieIsKeptFromScriptsAndOtherSites(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	form := b.get("/console/sign-in")
	a := b.post("/console/sign-in", url.Values{"username": {"root"}, "password": {"root"}, "form_token": {tokenIn(form.text)}})
	found := false
	for _, c := range a.header.Values("Set-Cookie") {
		if !strings.HasPrefix(c, "__Host-drawbridge=") {
			continue
		}
		found = true
		for _, attribute := range []string{"; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"} {
			if !strings.Contains(c, attribute) {
				t.Errorf("%s lacks %s", c, attribute)
			}
		}
		if strings.Contains(c, "Domain") || strings.Contains(c, "root") {
			t.Errorf("the cookie is %s", c)
		}
	}
	if !found {
		t.Error("no session cookie")
	}
}

// A session that somebody had planted in the browser is not the one that begins at
// the sign-in, and is worth nothing afterwards.
func TestSessionFixation(t *testing.T) {
	w := newWorld(t)
	attacker := w.as("bob")
	planted := attacker.cookie()
	victim := w.with(planted)
	form := victim.get("/console/")
	form.expect(t, "the planted session", http.StatusForbidden, "corp/bob")
	// The sign-in page sends on who is signed in; the form is posted all the same.
	other := w.browser()
	token := tokenIn(other.get("/console/sign-in").text)
	u, _ := url.Parse(w.url)
	victim.jar.SetCookies(u, other.jar.Cookies(u))
	victim.post("/console/sign-in", url.Values{"username": {"root"}, "password": {"root"}, "form_token": {token}}).
		expect(t, "the sign-in", http.StatusSeeOther)
	if victim.cookie() == planted {
		t.Error("the session is the planted one")
	}
	victim.get("/console/policy").expect(t, "the victim", http.StatusOK, "corp/root")
	attacker.get("/console/policy").expect(t, "the attacker", http.StatusUnauthorized)
	ids := map[string]bool{}
	for _, e := range w.events {
		if e.SessionID != "" && ids[e.SessionID] {
			t.Errorf("the session ID %s is used twice", e.SessionID)
		}
		ids[e.SessionID] = true
	}
}

func TestOpenRedirect(t *testing.T) {
	for _, next := range []string{
		"https://evil.example/", "//evil.example", "/\\evil.example", "///evil.example", "/console//evil.example/..//..", "javascript:alert(1)",
		"/console/../../evil", "/console/\\evil.example", "/console/%0d%0aSet-Cookie:x", "http:/console/policy", "", "/token", "console/policy",
		"/console/sign-out", "/console/sign-in?next=/console/sign-in", " /console/policy", "/console/\tpolicy", "https:///console/policy", "/consolex/",
		"//evil.example/console/policy", "/console/..//evil.example",
	} {
		got := console.LocalPath(next)
		u, err := url.Parse(got)
		if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(got, "/console/") || strings.Contains(got, "sign-") || strings.Contains(got, "..") {
			t.Errorf("%q leads to %q", next, got)
		}
	}
	w := newWorld(t)
	for _, next := range []string{"https://evil.example/", "//evil.example/console/policy", "/\\evil.example"} {
		b := w.browser()
		if a := b.signIn("root", "root", next); a.status != http.StatusSeeOther || a.header.Get("Location") != "/console/" {
			t.Errorf("next=%q: %d to %q", next, a.status, a.header.Get("Location"))
		}
		if a := b.get("/console/sign-in?next=" + url.QueryEscape(next)); a.header.Get("Location") != "/console/" {
			t.Errorf("next=%q of somebody signed in: %q", next, a.header.Get("Location"))
		}
	}
	if got := console.LocalPath("/console/access?ask=who-can&repository=a%2Fb"); got != "/console/access?ask=who-can&repository=a%2Fb" {
		t.Errorf("a good one became %q", got)
	}
}

func TestCookiesThatAreNotOurs(t *testing.T) {
	w := newWorld(t)
	b := w.as("root")
	good := b.cookie()
	w.with(good).get("/console/policy").expect(t, "the cookie itself", http.StatusOK)
	for i := range len(good) {
		if i%7 != 0 {
			continue
		}
		tampered := []byte(good)
		tampered[i] = map[bool]byte{true: 'A', false: 'B'}[tampered[i] != 'A']
		if a := w.with(string(tampered)).get("/console/policy"); a.status != http.StatusSeeOther {
			t.Fatalf("byte %d changed: %d", i, a.status)
		}
	}
	for name, cookie := range map[string]string{"nothing": "", "cut": good[:len(good)-4], "text": "root", "twice": good + good} {
		w.with(cookie).get("/console/policy").expect(t, name, http.StatusSeeOther)
	}
	other := sha256.Sum256([]byte("another installation"))
	w.set(func() { w.secret = other[:] })
	w.with(good).get("/console/policy").expect(t, "under another key", http.StatusSeeOther)
}

func TestSessionLimits(t *testing.T) {
	w := newWorld(t)
	idle, busy := w.as("root"), w.as("root")
	start := w.clock()
	for elapsed := time.Duration(0); elapsed < console.AbsoluteLimit-time.Minute; elapsed += 20 * time.Minute {
		w.set(func() { w.now = start.Add(elapsed) })
		if a := busy.get("/console/policy"); a.status != http.StatusOK {
			t.Fatalf("after %s of use: %d", elapsed, a.status)
		}
	}
	w.set(func() { w.now = start.Add(console.AbsoluteLimit) })
	busy.get("/console/policy").expect(t, "after 8 hours of use", http.StatusUnauthorized, "longest time")
	w.set(func() { w.now = start.Add(console.IdleLimit - time.Second) })
	kept := w.with(idle.cookie())
	kept.get("/console/policy").expect(t, "just within the idle limit", http.StatusOK)
	w.set(func() { w.now = start.Add(console.IdleLimit) })
	idle.get("/console/policy").expect(t, "idle", http.StatusUnauthorized, "nothing was done")
	if idle.cookie() != "" {
		t.Error("the cookie of a session that is over is kept")
	}
}

// What was typed into a form whose session had ended is shown for copying.
func TestNothingTypedIsLost(t *testing.T) {
	w := newWorld(t)
	b := w.as("root")
	token := b.token()
	w.set(func() { w.now = w.now.Add(console.IdleLimit) })
	a := b.post("/console/policy", url.Values{"form_token": {token}, "text": {"roles: </textarea>"}, "do": {"save"}})
	a.expect(t, "a save after the end", http.StatusUnauthorized, "roles: &lt;/textarea&gt;", "/console/sign-in?note=needed")
}

func TestRevokedAndRechecked(t *testing.T) {
	w := newWorld(t)
	w.set(func() { w.groups = []string{"auditors", "x"} })
	b := w.as("bob")
	b.get("/console/policy").expect(t, "by a group", http.StatusOK)
	w.set(func() { w.groups = []string{"x"} })
	b.get("/console/policy").expect(t, "the group is gone", http.StatusForbidden, "no role")
	w.set(func() { w.groups = []string{"auditors"} })
	b.get("/console/policy").expect(t, "the group is back", http.StatusOK)

	granted := w.verdict
	w.set(func() {
		w.verdict = func(identity.Identity) connectors.Outcome { return connectors.Unavailable(http.ErrServerClosed) }
	})
	b.get("/console/policy").expect(t, "the directory is down", http.StatusServiceUnavailable)
	w.set(func() { w.verdict = granted })
	b.get("/console/policy").expect(t, "the directory is back", http.StatusOK)
	w.set(func() { w.unsure = true })
	b.get("/console/policy").expect(t, "revocations are not known", http.StatusServiceUnavailable, "cannot be told")
	w.set(func() { w.unsure = false })

	for what, outcome := range map[string]connectors.Outcome{
		"the account is disabled": connectors.Denied(connectors.AccountDisabled), "the password is another one": connectors.Denied(connectors.PasswordChanged),
		"the person is gone": connectors.NotMine(), "the connector is gone": connectors.Denied(connectors.CannotRecheck),
	} {
		w.set(func() { w.verdict = granted })
		b := w.as("bob")
		w.set(func() { w.verdict = func(identity.Identity) connectors.Outcome { return outcome } })
		b.get("/console/policy").expect(t, what, http.StatusUnauthorized)
	}
	w.set(func() { w.verdict = granted })
	b = w.as("bob")
	w.set(func() { w.revoked["corp/bob"] = true })
	b.get("/console/policy").expect(t, "all of the person is revoked", http.StatusUnauthorized, "was ended")
}

// A connector that cannot tell anything without a password vouches for a short time.
func TestUncheckedSession(t *testing.T) {
	w := newWorld(t)
	w.set(func() { w.silent, w.groups = true, []string{"auditors", strings.Repeat("long", 2000)} })
	b := w.as("bob")
	w.set(func() { w.groups = nil })
	b.get("/console/policy").expect(t, "with the groups of the sign-in", http.StatusOK)
	w.set(func() { w.now = w.now.Add(console.UncheckedLimit) })
	b.get("/console/policy").expect(t, "after a quarter of an hour", http.StatusUnauthorized)
}

// Two windows with the form do not get in each other's way.
func TestSignInInTwoWindows(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	first := tokenIn(b.get("/console/sign-in").text)
	if second := tokenIn(b.get("/console/sign-in").text); second != first {
		t.Errorf("the token went from %s to %s", first, second)
	}
	b.post("/console/sign-in", url.Values{"username": {"root"}, "password": {"root"}, "form_token": {first}}).
		expect(t, "the first window", http.StatusSeeOther)
}

func FuzzLocalPath(f *testing.F) {
	for _, next := range []string{"/console/policy?x=1", "//evil.example", "/\\evil", "/console/..//evil", "/console/%2e%2e/%2f", "/console//x"} {
		f.Add(next)
	}
	base, err := url.Parse("https://auth.example.com/console/sign-in")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		to, err := base.Parse(console.LocalPath(next))
		if err != nil || to.Scheme != "https" || to.Host != "auth.example.com" || !strings.HasPrefix(to.Path, "/console/") {
			t.Errorf("%q leads to %v, %v", next, to, err)
		}
	})
}

func TestSignInRefusals(t *testing.T) {
	w := newWorld(t)
	w.browser().signIn("robot.ci", "robot.ci", "").expect(t, "a robot", http.StatusForbidden, "The console is for people")
	w.browser().signIn("", "", "").expect(t, "nothing", http.StatusUnauthorized, "Type your username")
	w.set(func() { w.limited = 42 * time.Second })
	a := w.browser().signIn("root", "root", "")
	a.expect(t, "too many wrong passwords", http.StatusTooManyRequests, "Try again in 42 seconds")
	if a.header.Get("Retry-After") != "42" {
		t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
	}
}

// The break-glass account is in while it is armed, and everybody sees that it is.
func TestBreakGlass(t *testing.T) {
	w := newWorld(t)
	arming := breakglass.Arming{ID: "a1", By: "cli:root", Reason: "LDAP <b>is down", ExpiresAt: w.clock().Add(time.Hour)}
	armed := true
	w.handler.Desk.BreakGlass = func() (breakglass.Arming, bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return arming, armed
	}
	for who, page := range map[string]string{"nobody": w.browser().get("/console/sign-in").text, "no role": w.as("bob").get("/console/").text} {
		if strings.Contains(page, "armed") {
			t.Errorf("%s is told that it is armed", who)
		}
	}
	w.as("eve").get("/console/policy").expect(t, "every page", http.StatusOK, "Break-glass is armed until", "by cli:root: LDAP &lt;b&gt;is down")
	b := w.as("breakglass")
	b.get("/console/policy").expect(t, "armed", http.StatusOK, `value="save"`)
	w.set(func() { arming.ID = "a2" })
	w.with(b.cookie()).get("/console/policy").expect(t, "armed anew", http.StatusUnauthorized, "not armed any more")
	w.set(func() { arming.ID, armed = "a1", false })
	b.get("/console/policy").expect(t, "disarmed", http.StatusUnauthorized, "not armed any more")
}
