package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"drawbridge/identity"
)

// Rate says how long somebody has to wait for their next request; zero is not at all.
type Rate interface {
	Allow(ctx context.Context, key string) (time.Duration, error)
}

// RateLimit refuses requests that come too often from one address, or from one /64 of
// IPv6.
type RateLimit struct {
	Rate       Rate
	ClientAddr func(*http.Request) string
}

// rateKey begins the keys of addresses.
const rateKey = "rate:address:"

// Before answers 429 with Retry-After to who comes too often, and lets next answer
// everybody else. A limit that cannot be asked refuses nobody.
func (l *RateLimit) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wait, err := l.Rate.Allow(r.Context(), rateKey+identity.Network(l.ClientAddr(r)))
		if err != nil || wait <= 0 {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", RetryAfter(wait))
		const message = "Too many requests from your address. Wait as long as Retry-After says."
		if strings.HasPrefix(r.URL.Path, apiPath) {
			writeProblem(w, r, http.StatusTooManyRequests, "Too Many Requests", message)
			return
		}
		WriteJSON(w, http.StatusTooManyRequests, RegistryErrors{Errors: []RegistryError{{Code: "TOOMANYREQUESTS", Message: message}}})
	})
}
