package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
)

// Listen opens a TCP listener and turns the usual mistakes into advice.
func Listen(ctx context.Context, key, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %q (is another server running there? set %s to a free host:port): %w",
			key, addr, key, err)
	}
	return l, nil
}

// Serve answers requests on the listener until ctx ends, then drains: it stops
// accepting, lets running requests finish within 20 s, and returns nil. A nil
// tlsConfig serves plain HTTP.
func Serve(ctx context.Context, l net.Listener, tlsConfig *tls.Config, handler http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler: handler, TLSConfig: tlsConfig,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() {
		if tlsConfig != nil {
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
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := srv.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("drain %s: requests were still running after %s", l.Addr(), drainTimeout)
	}
	return err
}
