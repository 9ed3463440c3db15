package console

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/identity"
)

// problem is an error as a page shows it.
type problem struct {
	Status  int
	Title   string
	Message string
	// Faults are those of a policy document.
	Faults authz.Problems
	// Stale says that somebody else saved meanwhile.
	Stale *revisions.Stale
	// Wait is how long to wait before another try.
	Wait time.Duration
}

// problemOf is the one place that maps errors to pages.
func problemOf(err error) *problem {
	if faults, ok := errors.AsType[authz.Problems](err); ok {
		return &problem{
			Status: http.StatusUnprocessableEntity, Title: "The document has faults",
			Message: "The policy in force stays as it is.", Faults: faults,
		}
	}
	if stale, ok := errors.AsType[*revisions.Stale](err); ok {
		return &problem{
			Status: http.StatusConflict, Title: "Somebody else saved meanwhile", Stale: stale,
			Message: fmt.Sprintf("Yours is based on r%d, and r%d is in force by now. Nothing was saved, and what you typed is still here.",
				stale.Seen, stale.Newest),
		}
	}
	if errors.Is(err, revisions.ErrUnchanged) {
		return &problem{Status: http.StatusOK, Title: "Nothing to save", Message: "This text is in force already."}
	}
	e := identity.AsError(err)
	p := &problem{Message: strings.TrimSpace(e.Message + " " + e.Detail)}
	p.Status, p.Title = statusOf(e.Kind)
	if e.Kind == identity.Unavailable || e.Kind == identity.RateLimited {
		p.Wait = max(e.RetryAfter, time.Second)
	}
	return p
}

func statusOf(kind identity.ErrorKind) (status int, title string) {
	switch kind {
	case identity.Invalid:
		return http.StatusUnprocessableEntity, "That cannot be done"
	case identity.TooLarge:
		return http.StatusRequestEntityTooLarge, "Too large"
	case identity.Unauthenticated:
		return http.StatusUnauthorized, "Not signed in"
	case identity.Forbidden:
		return http.StatusForbidden, "Not allowed"
	case identity.Unavailable:
		return http.StatusServiceUnavailable, "Not available now"
	case identity.RateLimited:
		return http.StatusTooManyRequests, "Too many attempts"
	case identity.NotFound:
		return http.StatusNotFound, "Not found"
	case identity.Conflict:
		return http.StatusConflict, "Not possible now"
	case identity.Stale:
		return http.StatusConflict, "Somebody else changed it meanwhile"
	case identity.Unsupported:
		return http.StatusNotImplemented, "Not supported"
	case identity.Internal:
	}
	return http.StatusInternalServerError, "Something went wrong"
}

// headers tells programs what the page tells people.
func (p *problem) headers(w http.ResponseWriter) {
	if p.Wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.Seconds()))
	}
}

// Seconds is Wait, rounded up.
func (p *problem) Seconds() int { return int(math.Ceil(p.Wait.Seconds())) }

// errorPage is a page that has nothing else to show.
type errorPage struct {
	Problem *problem
	// Typed is what was sent with a request that came to nothing.
	Typed string
	// SignIn leads to where one can go on.
	SignIn string
}

// logged writes down what its reader cannot be told.
func (v *visit) logged(err error) {
	if problemOf(err).Status == http.StatusInternalServerError {
		v.Log.ErrorContext(v.r.Context(), "console request failed", "error", err)
	}
}

// fail answers a request that came to nothing.
func (v *visit) fail(err error) {
	over, isOver := errors.AsType[*ended](err)
	if isOver || errors.Is(err, errNoSession) {
		v.toSignIn(over)
		return
	}
	v.logged(err)
	p := problemOf(err)
	p.headers(v.w)
	_ = v.show(p.Status, "error", p.Title, errorPage{Problem: p, Typed: v.typed()})
}

// typed is the long text of a form that was sent in vain.
func (v *visit) typed() string {
	if v.r.Method != http.MethodPost {
		return ""
	}
	_ = v.r.ParseForm() // what could not be read is not there
	return v.text("text")
}

// toSignIn has somebody sign in and come back. What they sent is not lost: it is
// shown for copying.
func (v *visit) toSignIn(over *ended) {
	next := basePath
	if v.r.Method == http.MethodGet {
		next = localPath(v.r.URL.RequestURI())
	}
	message := "Sign in to go on."
	if over != nil {
		message = over.why
		setCookie(v.w, sessionCookie, "")
	}
	signIn := basePath + "sign-in?note=needed"
	if next != basePath {
		signIn += "&next=" + url.QueryEscape(next)
	}
	if v.r.Method == http.MethodGet && over == nil {
		http.Redirect(v.w, v.r, signIn, http.StatusSeeOther)
		return
	}
	p := &problem{Status: http.StatusUnauthorized, Title: "You are signed out", Message: message}
	_ = v.show(p.Status, "error", p.Title, errorPage{Problem: p, Typed: v.typed(), SignIn: signIn})
}

func isEnded(err error) bool {
	_, is := errors.AsType[*ended](err)
	return is
}

// lost answers for what is no page.
func (v *visit) lost() error {
	return &identity.Error{Kind: identity.NotFound, Message: "There is no such page in the console."}
}

// crossOrigin answers a request that another site made the browser send.
func (v *visit) crossOrigin() error {
	return &identity.Error{
		Kind: identity.Forbidden, Message: "Another site sent this request, so nothing was changed. Use the console's own pages.",
	}
}

// noRole answers somebody who may not see the page.
func (v *visit) noRole() error {
	if v.actor.Capabilities == 0 {
		return v.show(http.StatusForbidden, "norole", "No role", nil)
	}
	return &identity.Error{
		Kind:    identity.Forbidden,
		Message: "Your roles do not include this page. Reading everything takes the role auditor or policy-admin.",
	}
}
