package server

import (
	"context"
	"net"
	"net/http"
	"time"
)

// ServeWithin is [Serve] for clients that have less time.
func ServeWithin(ctx context.Context, l net.Listener, handler http.Handler, opts Options, header, request, answer, idle time.Duration) error {
	return serveWithin(ctx, l, handler, opts, times{header, request, answer, idle})
}

// TimesOfThePage are what [Serve] gives clients, by their names in docs/limits.md.
func TimesOfThePage() map[string]time.Duration {
	return map[string]time.Duration{
		"header-time": standard().header, "request-time": standard().request,
		"answer-time": standard().answer, "idle-time": standard().idle,
	}
}
