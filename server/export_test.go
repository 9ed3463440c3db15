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
