package verify_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"drawbridge/server/verify"
	"drawbridge/store/feed"
	"drawbridge/tokens/revocation"
)

// nowhere is a ResponseWriter that keeps nothing, so that the benchmark measures
// the handler.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(status int)      { n.status = status }

// BenchmarkHandler is what a request of a gateway costs beside HTTP.
func BenchmarkHandler(b *testing.B) {
	w := newWorld(b)
	good, _ := w.mint(docker)
	stopped, id := w.mint(docker)
	w.revoked.set(id, &revocation.RevokedError{Kind: feed.RevokeToken})
	handler := verify.Before(w.Handler, http.NotFoundHandler())
	for _, c := range []struct {
		name, authorization string
		status              int
	}{
		{"no token", "", 200}, {"good", "Bearer " + good, 200}, {"revoked", "Bearer " + stopped, 403}, {"forged", "Bearer " + good + "x", 401},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/verify", nil)
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			out := &nowhere{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(out.header)
				handler.ServeHTTP(out, r)
			}
			if out.status != c.status {
				b.Fatalf("status %d, want %d", out.status, c.status)
			}
		})
	}
}
