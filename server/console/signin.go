package console

import (
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"drawbridge/authz"
	"drawbridge/bridge/manage"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/tokens/revocation"
)

// signInCookie binds the form for signing in to one browser, so that nobody can
// sign somebody else in as themselves ("login CSRF").
const signInCookie = "__Host-drawbridge-form"

// signInPage is the form.
type signInPage struct {
	Token, Next, Username string
	// Note says why somebody is here who was somewhere else before.
	Note    string
	Problem *problem
}

// signInForm shows the form, and sends on whoever needs none.
func (v *visit) signInForm() error {
	next := localPath(v.query("next"))
	if v.session.ID != "" {
		return v.redirect(next)
	}
	return v.showSignIn(http.StatusOK, signInPage{Next: next, Note: notes()[v.query("note")]})
}

// notes are what a URL may have the page say.
func notes() map[string]string {
	return map[string]string{
		"out": "You are signed out.",
		"out-here": "You are signed out in this browser. The store does not answer, so a copy of the session would still work " +
			"until its time is over.",
		"needed": "Sign in to go on.",
	}
}

func (v *visit) showSignIn(status int, p signInPage) error {
	cookie, err := v.r.Cookie(signInCookie)
	if err == nil && len(cookie.Value) == textLength {
		p.Token = cookie.Value // of another window, which goes on to work
	} else {
		p.Token = randomText(v.Rand)
		setCookie(v.w, signInCookie, p.Token)
	}
	return v.show(status, "signin", "Sign in", p)
}

// signIn begins a session. Its ID is made here and never taken from the browser, so
// that nobody can know it beforehand.
func (v *visit) signIn() error {
	cookie, err := v.r.Cookie(signInCookie)
	if err != nil {
		cookie = &http.Cookie{}
	}
	if err := v.checkForm(cookie.Value); err != nil {
		return err
	}
	username, next := v.r.PostForm.Get("username"), localPath(v.field("next"))
	a, verdict, err := v.admit(identity.Credential{Username: username, Password: identity.NewSecret(v.r.PostForm.Get("password")), Fresh: true})
	if err != nil {
		p := problemOf(err)
		if p.Status == http.StatusUnauthorized && (username == "" || v.r.PostForm.Get("password") == "") {
			p.Message = "Type your username and your password."
		}
		v.logged(err)
		p.headers(v.w)
		return v.showSignIn(p.Status, signInPage{Username: username, Next: next, Problem: p})
	}
	v.endOld(a)
	s := v.begin(a, verdict)
	if err := v.writeSession(v.w, s); err != nil {
		return err
	}
	setCookie(v.w, signInCookie, "")
	return v.redirect(next)
}

// admit verifies who comes, and that it is a person.
func (v *visit) admit(cred identity.Credential) (manage.Actor, connectors.Verdict, error) {
	person := strings.TrimPrefix(cred.Username, identity.RobotPrefix) == cred.Username
	a := manage.Actor{
		Address: v.actor.Address, RequestID: v.actor.RequestID, UserAgent: v.actor.UserAgent, Session: "c-" + randomText(v.Rand),
	}
	var verdict connectors.Verdict
	var err error
	if person {
		a, verdict, err = v.Door.Admit(v.r.Context(), a, cred)
	}
	if err == nil && (!person || a.Identity.Kind == identity.Robot) {
		err = &identity.Error{Kind: identity.Forbidden, Message: "The console is for people. A robot uses the API under /api/v1."}
	}
	return a, verdict, err
}

// begin makes a session.
func (v *visit) begin(a manage.Actor, verdict connectors.Verdict) session {
	now := v.Clock()
	s := session{ID: a.Session, Person: a.Identity, VerifiedAt: verdict.VerifiedAt, SeenAt: now, FormToken: randomText(v.Rand)}
	s.Person.Method, s.Person.Mail = identity.MethodPassword, ""
	if s.VerifiedAt.IsZero() {
		s.VerifiedAt = now
	}
	if s.Version, s.Rechecks = verdict.Version(); s.Rechecks {
		s.Person.Groups = nil
	} else {
		s.Person.Groups = named(v.Desk.InForce().Policy, a.Identity, v)
	}
	if arming, armed := v.Desk.Armed(); armed && s.Person.Kind == identity.BreakGlass {
		s.Version = arming.ID
	}
	return s
}

// named returns the person's groups that the policy names. No other one gives a
// right in the console, and a cookie has no place for hundreds.
func named(policy *authz.Policy, who identity.Identity, v *visit) []string {
	var groups []string
	for _, held := range policy.Bindings(who, v.Clock()) {
		for _, subject := range held.Through {
			_, name, _ := strings.Cut(subject, "/")
			if strings.HasPrefix(subject, "group:") && slices.Contains(who.Groups, name) {
				groups = append(groups, name)
			}
		}
	}
	return identity.NormalizeGroups(groups)
}

// endOld revokes the session that the browser had before.
func (v *visit) endOld(a manage.Actor) {
	if v.session.ID == "" {
		return
	}
	if err := v.revoke(v.session, a.Name, "signed in again"); err != nil {
		v.Log.WarnContext(v.r.Context(), "a console session that was replaced is not revoked", "error", err)
	}
}

func (v *visit) revoke(s session, by, reason string) error {
	return v.Revoker.Session(v.r.Context(), s.ID, revocation.Order{By: by, Reason: reason, Until: s.VerifiedAt.Add(AbsoluteLimit)})
}

// signOut ends the session on every replica.
func (v *visit) signOut() error {
	note := "out"
	if err := v.revoke(v.session, v.actor.Name, "signed out"); err != nil {
		v.Log.WarnContext(v.r.Context(), "a console session that was signed out is not revoked", "session", v.session.ID, "error", err)
		note = "out-here"
	}
	setCookie(v.w, sessionCookie, "")
	v.actor.Session = v.session.ID
	v.Desk.SignOut(v.actor, "")
	return v.redirect(basePath + "sign-in?note=" + note)
}

// localPath returns the path if it is a page of the console, else the console's
// first one. What a URL asks for after a sign-in may lead to no other site: //host,
// /\host and the like are ways to write one.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || !strings.HasPrefix(next, basePath) ||
		strings.ContainsAny(next, "\\\r\n\t") || path.Clean(u.Path)+"/" == basePath || !strings.HasPrefix(path.Clean(u.Path), basePath) ||
		strings.HasPrefix(path.Clean(u.Path), basePath+"sign-") {
		return basePath
	}
	return next
}

// redirect sends the browser to another page, with GET.
func (v *visit) redirect(to string) error {
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// textLength is that of a [randomText].
const textLength = 32

// randomText returns 160 random bits as text.
func randomText(random io.Reader) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	var bytes [textLength]byte
	if _, err := io.ReadFull(random, bytes[:]); err != nil {
		panic(err) // crypto/rand ends the program instead
	}
	for i, b := range bytes {
		bytes[i] = alphabet[int(b)%len(alphabet)]
	}
	return string(bytes[:])
}
