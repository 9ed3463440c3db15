package main

import (
	"crypto/rand"
	"net/http"
	"net/netip"
	"time"

	"drawbridge/bridge/manage"
	"drawbridge/configs"
	"drawbridge/server"
	"drawbridge/server/admin"
	"drawbridge/server/console"
	"drawbridge/server/oauth2"
	"drawbridge/server/registry"
	"drawbridge/server/verify"
	"drawbridge/tokens/revocation"
)

// handler is everything on the main listener. Gateways are answered first: they ask
// about each request to a registry.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	trusted := trustedProxies(a.cfg)
	clientAddr := server.ClientAddr(trusted)
	(&registry.Handler{
		Bridge: a.bridge, ClientAddr: clientAddr, RequestID: server.RequestID,
		TokenUsernames: registry.DefaultTokenUsernames(), Log: a.log,
	}).Mount(mux)
	(&oauth2.Handler{
		Active: a.keys, Honoured: a.verifier, Revocations: a.revoked, Revoker: revocation.NewRevoker(a.changes, time.Now),
		Sessions: a.sessions,
		Door:     &manage.Door{Connectors: a.people, Desk: a.desk, EachRequest: true}, Audit: a.audit, ClientAddr: clientAddr, RequestID: server.RequestID, Clock: time.Now, Log: a.log,
	}).Mount(mux)
	(&admin.Handler{
		Desk: a.desk, Connectors: a.people,
		Bearer: admin.Bearer{
			Keys: a.keys, Revocations: a.revoked, Audience: a.cfg.APIAudience(), Issuer: a.cfg.Server.ExternalURL,
			TTL: a.cfg.Tokens.AccessTTL, NewID: newTokenID, Clock: time.Now,
		},
		ServerURL: a.cfg.Server.ExternalURL, Origins: a.cfg.Server.CORS.AllowedOrigins, ClientAddr: clientAddr, RequestID: server.RequestID, Version: version, Log: a.log,
	}).Mount(mux)
	a.mountConsole(mux, clientAddr)
	a.mountKeys(mux)
	var main http.Handler = mux
	if a.cfg.Server.TLS.AdminClientCAFile != "" {
		main = server.WithClientCertificates(main)
	}
	main = server.WithCORS(a.cfg.Server.CORS.AllowedOrigins, a.limits.before(main, clientAddr))
	gateways := &verify.Handler{
		Tokens: a.verifier, Revocations: a.revoked, Services: services(a.cfg), Realm: a.cfg.Server.ExternalURL + "/token",
		Metrics: verify.NewMetrics(a.metrics), Audit: a.audit, ClientAddr: clientAddr, Clock: time.Now,
	}
	return server.WithPrefix(a.cfg.PathPrefix(), verify.Before(server.WithMetrics(a.metrics, "verify", gateways),
		server.WithRequestID(trusted, server.WithTraces(a.tracer, trusted,
			server.WithRequestLog(a.log, server.WithMetricsByPath(a.metrics, main))))))
}

// mountConsole registers the web console.
func (a *app) mountConsole(mux *http.ServeMux, clientAddr func(*http.Request) string) {
	(&console.Handler{
		Desk: a.desk, Door: &manage.Door{Connectors: a.people, Desk: a.desk}, People: a.people,
		Revocations: a.revoked, Revoker: revocation.NewRevoker(a.changes, time.Now),
		Secret: func() []byte { return a.keys.Derive("console sessions") }, Clock: time.Now, Rand: rand.Reader,
		ClientAddr: clientAddr, RequestID: server.RequestID, Version: version, Metrics: a.metrics, Log: a.log,
		Prefix: a.cfg.PathPrefix(),
	}).Mount(mux)
}

// mountKeys registers the public keys.
func (a *app) mountKeys(mux *http.ServeMux) {
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", "max-age=300")
		_, _ = w.Write(a.keys.JWKS())
	})
	mux.HandleFunc("GET /.well-known/signing-ca.pem", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(a.keys.SigningCA())
	})
}

func trustedProxies(cfg *configs.Config) server.Proxies {
	trusted := make(server.Proxies, 0, len(cfg.Server.TrustedProxies))
	for _, cidr := range cfg.Server.TrustedProxies {
		trusted = append(trusted, netip.MustParsePrefix(cidr)) // configs has checked them
	}
	return trusted
}

// services names the registries that tokens are made for.
func services(cfg *configs.Config) []string {
	out := make([]string, 0, len(cfg.Registries))
	for _, r := range cfg.Registries {
		out = append(out, r.Service)
	}
	return out
}
