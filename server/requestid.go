package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
)

type requestIDKey struct{}

// requestIDHeader is answered to everybody, and read from trusted proxies alone: an ID
// that any caller chooses could imitate another request in the log.
const requestIDHeader = "X-Request-Id"

// maxRequestID bounds an ID that a proxy gives.
const maxRequestID = 128

// WithRequestID gives each request an ID, which the answer carries: the one that a
// trusted proxy has given it, so that its log and ours fit together, or else a random
// one.
func WithRequestID(trusted Proxies, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := givenID(trusted, r)
		if !ok {
			id = rand.Text()
		}
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// givenID is what a trusted proxy calls the request. It must be one, and of letters
// that neither end a log line nor need quotes anywhere.
func givenID(trusted Proxies, r *http.Request) (string, bool) {
	given := r.Header.Values(requestIDHeader)
	if len(given) != 1 || given[0] == "" || len(given[0]) > maxRequestID || !trusted.Forwarded(r) {
		return "", false
	}
	for _, c := range given[0] {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+=@", c) {
			return "", false
		}
	}
	return given[0], true
}

// RequestID returns the request's ID, or the empty string outside [WithRequestID].
func RequestID(r *http.Request) string { return requestID(r.Context()) }

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// ProblemInstance names the occurrence that a problem is about (RFC 9457 section
// 3.1.5), by the ID under which the log has it.
func ProblemInstance(r *http.Request) string {
	id := RequestID(r)
	if id == "" {
		return ""
	}
	return "urn:drawbridge:request:" + id
}
