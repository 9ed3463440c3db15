package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Options configures [Serve].
type Options struct {
	// TLS is the listener's configuration; nil serves plain HTTP.
	TLS *tls.Config
	// DrainDelay is how long it goes on accepting after it was told to end: see the
	// package documentation.
	DrainDelay time.Duration
	// MaxConnections bounds those that are open at once; 0 is any number. Open is told
	// of each that is opened, with 1, or closed, with -1; nil: nobody is.
	MaxConnections int
	Open           func(change float64)
	Log            *slog.Logger // required
}

// times bound how long clients may take.
type times struct{ header, request, answer, idle time.Duration }

// standard are the times that everybody has.
func standard() times { return times{readHeaderTimeout, readTimeout, writeTimeout, idleTimeout} }

// Serve answers requests on the listener until ctx ends, then drains as the
// package documentation says, and returns nil.
func Serve(ctx context.Context, l net.Listener, handler http.Handler, opts Options) error {
	return serveWithin(ctx, l, handler, opts, standard())
}

func serveWithin(ctx context.Context, l net.Listener, handler http.Handler, opts Options, within times) error {
	var draining atomic.Bool
	closing, track := draining.Load, (func(net.Conn, http.ConnState))(nil)
	if opts.MaxConnections > 0 {
		if opts.Open == nil {
			opts.Open = func(float64) {}
		}
		conns := newConnections(l, opts.MaxConnections, opts.Open)
		l, track = conns, conns.track
		closing = func() bool { return draining.Load() || conns.crowded() }
	}
	srv := &http.Server{
		Handler: closeWhen(closing, handler), TLSConfig: opts.TLS, ConnState: track,
		ReadHeaderTimeout: within.header, ReadTimeout: within.request,
		WriteTimeout: within.answer, IdleTimeout: within.idle, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(opts.Log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() {
		if opts.TLS != nil {
			failed <- srv.ServeTLS(l, "", "")
		} else {
			failed <- srv.Serve(l)
		}
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	draining.Store(true)
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-time.After(opts.DrainDelay):
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := srv.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("drain %s: requests were still running after %s", l.Addr(), drainTimeout)
	}
	return err
}

// closeWhen has clients close their connection after the answer while closing says so.
// Closing idle ones of a server that drains would cut off requests on their way.
func closeWhen(closing func() bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if closing() {
			w.Header().Set("Connection", "close") // over HTTP/2 it becomes a GOAWAY
		}
		next.ServeHTTP(w, r)
	})
}
