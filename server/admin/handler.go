package admin

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"drawbridge/bridge/manage"
	"drawbridge/identity"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Handler serves the API. All fields but Origins are required.
type Handler struct {
	Desk       *manage.Desk
	Connectors manage.Authenticator
	// Origins are those of web pages that may send requests here, beside our own.
	Origins []string
	// Bearer makes and reads the tokens that callers may show instead of a password.
	Bearer Bearer
	// ServerURL is where the API is, for its description; empty: not said.
	ServerURL string
	// ClientAddr returns the caller's address, RequestID the ID under which the
	// request is logged.
	ClientAddr func(*http.Request) string
	RequestID  func(*http.Request) string
	// Version is the program's, for the OpenAPI document.
	Version string
	Log     *slog.Logger
}

const basePath = "/api/v1"

// Mount registers the API and its OpenAPI document.
func (h *Handler) Mount(mux *http.ServeMux) {
	inner := http.NewServeMux()
	describe(inner, h.api(inner).OpenAPI())
	// Browsers attach Basic credentials they were once asked for, also to
	// requests that another site makes them send.
	sameOrigin := http.NewCrossOriginProtection()
	for _, origin := range h.Origins {
		_ = sameOrigin.AddTrustedOrigin(origin) // configs has checked them
	}
	protected := sameOrigin.Handler(inner)
	mux.Handle("/api/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		protected.ServeHTTP(w, r)
	}))
}

// OpenAPI returns the API's description as JSON.
func OpenAPI(version string) ([]byte, error) {
	api := (&Handler{Version: version}).api(http.NewServeMux())
	return api.OpenAPI().MarshalJSON()
}

func (h *Handler) api(mux *http.ServeMux) huma.API {
	config := huma.DefaultConfig("Drawbridge", h.Version)
	config.Info.Description = "Who may do what in every registry, and why."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // no $schema members
	config.Transformers = append(config.Transformers, h.finish)
	config.RejectUnknownQueryParameters = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"basic": {Type: "http", Scheme: "basic", Description: "The username and password of a registry login."},
	}
	config.Components.SecuritySchemes["token"] = &huma.SecurityScheme{
		Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A token of POST " + tokenPath + ".",
	}
	if h.ServerURL != "" {
		config.Servers = []*huma.Server{{URL: h.ServerURL}}
	}
	config.Security = []map[string][]string{{"basic": {}}, {"token": {}}}
	api := humago.New(mux, config)
	api.UseMiddleware(h.authenticate(api))
	h.registerPolicy(api)
	h.registerBindings(api)
	h.registerAccess(api)
	h.registerAudit(api)
	h.registerRobots(api)
	h.registerSessions(api)
	h.registerPeople(api)
	h.registerKeys(api)
	h.registerConnectors(api)
	h.registerToken(api)
	return api
}

type actorKey struct{}

// actor returns who makes the request.
func actor(ctx context.Context) manage.Actor {
	a, _ := ctx.Value(actorKey{}).(manage.Actor)
	return a
}

// authenticate lets nobody through whom the connectors do not know.
func (h *Handler) authenticate(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, _ := humago.Unwrap(ctx)
		a, err := h.who(r)
		if err != nil {
			h.refuse(api, ctx, err)
			return
		}
		next(huma.WithValue(ctx, actorKey{}, a))
	}
}

// who verifies the caller: by a token, and otherwise the door refuses who shows no
// password.
func (h *Handler) who(r *http.Request) (manage.Actor, error) {
	door := &manage.Door{Connectors: h.Connectors, Desk: h.Desk, EachRequest: true}
	a := manage.Actor{Address: h.ClientAddr(r), RequestID: h.RequestID(r), UserAgent: r.UserAgent()}
	if token, ok := bearerOf(r); ok {
		if r.URL.Path == tokenPath {
			return a, &identity.Error{Kind: identity.Unauthenticated, Message: "A token is made for a password, and not for another token."}
		}
		return h.Bearer.enter(r.Context(), door, a, token)
	}
	username, password, _ := r.BasicAuth()
	return door.Enter(r.Context(), a, identity.Credential{Username: username, Password: identity.NewSecret(password)})
}

// ifMatch reads the one entity tag of an If-Match header; "*" is refused, since
// whoever sends it has seen nothing.
func ifMatch(header string) (string, error) {
	tag := strings.TrimSpace(header)
	if len(tag) > 2 && strings.HasPrefix(tag, `"`) && strings.HasSuffix(tag, `"`) && !strings.Contains(tag[1:len(tag)-1], `"`) {
		return tag[1 : len(tag)-1], nil
	}
	return "", huma.NewError(http.StatusPreconditionRequired,
		`Send If-Match with the ETag of the policy that your change is based on, as in If-Match: "r12".`)
}
