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
	Log        *slog.Logger // required
}

// Serve answers requests on the listener until ctx ends, then drains as the
// package documentation says, and returns nil.
func Serve(ctx context.Context, l net.Listener, handler http.Handler, opts Options) error {
	var draining atomic.Bool
	srv := &http.Server{
		Handler: closeWhen(&draining, handler), TLSConfig: opts.TLS,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
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

// closeWhen has clients close their connection after the answer once draining is
// set. Closing idle ones from here would cut off requests that are on their way.
func closeWhen(draining *atomic.Bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close") // over HTTP/2 it becomes a GOAWAY
		}
		next.ServeHTTP(w, r)
	})
}
