package console

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"drawbridge/authz"
	"drawbridge/bridge/manage"
	"drawbridge/tokens/revocation"

	"github.com/prometheus/client_golang/prometheus"
)

// Revoker ends sessions; revocation.Revoker is one.
type Revoker interface {
	Session(ctx context.Context, id string, o revocation.Order) error
}

// Handler serves the console. All fields are required but those that say so.
type Handler struct {
	Desk *manage.Desk
	Door *manage.Door
	// People is asked at every request about whose session it is.
	People      Rechecker
	Revocations Revocations
	Revoker     Revoker
	// Secret returns the key for sessions, 32 bytes that all replicas share.
	Secret func() []byte
	Clock  func() time.Time
	Rand   io.Reader
	// Prefix is the path below which browsers reach the console, such as /drawbridge;
	// requests come without it.
	Prefix string
	// ClientAddr returns the caller's address, RequestID the ID under which the
	// request is logged.
	ClientAddr func(*http.Request) string
	RequestID  func(*http.Request) string
	Version    string
	// Metrics are the process's own, for the overview; nil: none.
	Metrics prometheus.Gatherer
	Log     *slog.Logger

	pages  pages
	assets assets
	tidy   tidiness
}

const basePath = "/console/"

// Limits on a form, in bytes: one of somebody who has signed in, with a document for
// which a browser is the right tool, and one of anybody.
const (
	maxForm       = 4 << 20
	maxSignInForm = 64 << 10
)

// audience is who may come to a page at all.
type audience int

const (
	// anyone is also who has not signed in.
	anyone audience = iota
	// person is everybody who has signed in.
	person
	// owner is who looks after a namespace, and whoever may read everything.
	owner
	// reader is an auditor or a policy-admin.
	reader
)

func (who audience) admits(c authz.Capabilities) bool {
	switch who {
	case anyone, person:
		return true
	case owner:
		return c.Has(authz.OwnNamespace) || c.Has(authz.ReadAudit) || c.Has(authz.WritePolicy)
	case reader:
	}
	return c.Has(authz.ReadAudit)
}

// route is one page or form.
type route struct {
	pattern string
	who     audience
	serve   func(*visit) error
}

func (h *Handler) routes() []route {
	return []route{
		{"GET /console/{$}", person, (*visit).overview},
		{"GET /console/sign-in", anyone, (*visit).signInForm},
		{"POST /console/sign-in", anyone, (*visit).signIn},
		{"POST /console/sign-out", person, (*visit).signOut},
		{"GET /console/access", reader, (*visit).access},
		{"GET /console/policy", reader, (*visit).policy},
		{"POST /console/policy", reader, (*visit).changePolicy},
		{"GET /console/policy/history", reader, (*visit).history},
		{"GET /console/policy/revisions/{number}", reader, (*visit).revision},
		{"POST /console/policy/revisions/{number}", reader, (*visit).rollBack},
		{"GET /console/bindings", owner, (*visit).bindings},
		{"GET /console/bindings/edit", owner, (*visit).editBinding},
		{"POST /console/bindings/edit", owner, (*visit).changeBinding},
		{"GET /console/guardrails", reader, (*visit).guardrails},
		{"GET /console/people", reader, (*visit).people},
		{"GET /console/robots", owner, (*visit).robots},
		{"GET /console/new-robot", owner, (*visit).newRobot},
		{"POST /console/new-robot", owner, (*visit).createRobot},
		{"GET /console/robots/{name}", owner, (*visit).robot},
		{"POST /console/robots/{name}", owner, (*visit).changeRobot},
		{"GET /console/sessions", person, (*visit).sessions},
		{"POST /console/sessions", person, (*visit).endSessions},
		{"GET /console/audit", reader, (*visit).audit},
		{"GET /console/connectors", reader, (*visit).connectors},
		{"GET /console/keys", reader, (*visit).keys},
		{"POST /console/keys", reader, (*visit).rotateKeys},
		{"GET /console/registries", reader, (*visit).registries},
	}
}

// Mount registers the console.
func (h *Handler) Mount(mux *http.ServeMux) {
	h.pages, h.assets = loadPages(), loadAssets()
	inner := http.NewServeMux()
	for _, r := range h.routes() {
		inner.Handle(r.pattern, h.visited(r))
	}
	inner.Handle("GET "+assetPath, h.assets)
	inner.Handle("/console/", h.visited(route{who: anyone, serve: (*visit).lost}))
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(h.visited(route{who: anyone, serve: (*visit).crossOrigin}))
	mux.Handle(basePath, secured(protection.Handler(inner)))
	mux.Handle("GET /console", http.RedirectHandler(basePath, http.StatusMovedPermanently))
}

// secured adds what every answer has.
func secured(next http.Handler) http.Handler {
	policy := strings.Join([]string{
		"default-src 'none'", "style-src 'self'", "script-src 'self'", "img-src 'self' data:", "form-action 'self'",
		"base-uri 'none'", "frame-ancestors 'none'",
	}, "; ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Frame-Options", "DENY")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// visit is one request, by somebody who may be there.
type visit struct {
	*Handler
	w       http.ResponseWriter
	r       *http.Request
	actor   manage.Actor
	session session
}

// visited finds out whose request it is and lets through whom the route admits.
func (h *Handler) visited(route route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Handler: h, w: w, r: r, actor: manage.Actor{Address: h.ClientAddr(r), RequestID: h.RequestID(r), UserAgent: r.UserAgent()}}
		if err := v.enter(route); err != nil {
			v.fail(err)
		}
	})
}

func (v *visit) enter(route route) error {
	err := v.identify()
	most := int64(maxForm)
	if err != nil && !isEnded(err) || route.who == anyone {
		most = maxSignInForm
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, most)
	if route.who == anyone && (errors.Is(err, errNoSession) || isEnded(err)) {
		err = nil // a page for whoever is there
	}
	if err != nil {
		return err
	}
	if !route.who.admits(v.actor.Capabilities) {
		return v.noRole()
	}
	if v.r.Method == http.MethodPost && route.who != anyone {
		if err := v.checkForm(v.session.FormToken); err != nil {
			return err
		}
	}
	return route.serve(v)
}

// identify resumes the session, if the request shows one.
func (v *visit) identify() error {
	s, err := v.readSession(v.r)
	if err != nil {
		return err
	}
	if v.actor, err = v.resume(v.r.Context(), s, v.actor); err != nil {
		return err
	}
	v.session = s
	if now := v.Clock(); now.Sub(s.SeenAt) >= seenEvery {
		v.session.SeenAt = now
		return v.writeSession(v.w, v.session)
	}
	return nil
}
