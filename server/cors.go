package server

import (
	"net/http"
	"strings"

	"github.com/rs/cors"
)

// WithCORS lets pages of the origins, such as a registry's web interface, call
// what next serves. No origins: next as it is. The console and /verify are for
// nobody else's pages and stay without.
func WithCORS(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	allowed := cors.New(cors.Options{
		AllowedOrigins:   origins,
		AllowedMethods:   []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders:   []string{"Authorization", "Content-Type", "Accept", "If-Match", "If-None-Match"},
		ExposedHeaders:   []string{"ETag", "Link", "Retry-After", "WWW-Authenticate", requestIDHeader},
		AllowCredentials: true,
		MaxAge:           600,
	}).Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, consolePath) {
			next.ServeHTTP(w, r)
			return
		}
		allowed.ServeHTTP(w, r)
	})
}
