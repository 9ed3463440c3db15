package server

import (
	"net/http"
	"strings"
)

// WithClientCertificates lets nobody come to the administration, the API and the
// console, who has not shown a client certificate in the handshake, which has
// verified it. Everything else, registries and their clients, goes on without.
func WithClientCertificates(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !administration(r.URL.Path) || r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
			next.ServeHTTP(w, r)
			return
		}
		const message = "The administration takes a client certificate here (server.tls.admin_client_ca_file), and none was shown."
		if strings.HasPrefix(r.URL.Path, apiPath) {
			writeProblem(w, r, http.StatusForbidden, "Forbidden", message)
			return
		}
		http.Error(w, message, http.StatusForbidden)
	})
}

// The administration's paths.
const (
	apiPath     = "/api/"
	consolePath = "/console"
)

func administration(path string) bool {
	return strings.HasPrefix(path, apiPath) || strings.HasPrefix(path, consolePath)
}

// writeProblem answers as the API does (RFC 9457).
func writeProblem(w http.ResponseWriter, r *http.Request, status int, title, detail string) {
	writeJSON(w, "application/problem+json", status, struct {
		Title    string `json:"title"`
		Status   int    `json:"status"`
		Detail   string `json:"detail"`
		Instance string `json:"instance,omitempty"`
	}{title, status, detail, ProblemInstance(r)})
}
