package server

import (
	"context"
	"crypto/rand"
	"net/http"
)

type requestIDKey struct{}

// requestIDHeader is read from nobody and answered to everybody: an ID that a
// caller chooses could imitate another request in the log.
const requestIDHeader = "X-Request-Id"

// WithRequestID gives each request a random ID, which the answer carries.
func WithRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// RequestID returns the request's ID, or the empty string outside [WithRequestID].
func RequestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}
