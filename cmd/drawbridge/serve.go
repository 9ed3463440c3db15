package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"drawbridge/configs"
	"drawbridge/server"
	"drawbridge/server/registry"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

func newServe() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Answer registries' token requests",
		Long: `Runs until SIGTERM or SIGINT, then lets running requests finish. SIGHUP reads the
policy and the htpasswd files again, which also happens by itself within a second
of a change.

Without a configuration file it serves HTTPS on port 5001 with a self-signed
certificate, keeps its keys under ./data, makes an admin account there and prints
its password once, together with the settings to paste into a registry.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
}

// serve runs the server until ctx ends.
func serve(ctx context.Context, cfg *configs.Config, stdout, stderr io.Writer) (err error) {
	log := newLogger(cfg.Log, stderr)
	for _, setting := range notYetInForce(cfg) {
		log.Warn("this setting is accepted but not in force in this version", "setting", setting)
	}
	// The addresses first: a start that fails on them must not have made an
	// account whose password nobody was told.
	main, telemetry, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // else they are closed by now
			_, _ = main.Close(), telemetry.Close()
		}
	}()
	if err := prepareEmbedded(cfg, stderr); err != nil {
		return err
	}
	// Watched from before they are read, so that no change falls in between.
	watcher := configs.NewWatcher(watchedFiles(cfg))
	a, err := open(cfg, stdout, log)
	if err != nil {
		return err
	}
	defer a.close()
	tlsConfig, err := serverTLS(cfg)
	if err != nil {
		return err
	}
	return a.run(ctx, watcher, main, telemetry, tlsConfig)
}

// listen opens both listeners, or neither.
func listen(ctx context.Context, cfg *configs.Config) (main, telemetry net.Listener, err error) {
	if main, err = server.Listen(ctx, "server.addr", cfg.Server.Addr); err != nil {
		return nil, nil, err
	}
	if telemetry, err = server.Listen(ctx, "server.telemetry_addr", cfg.Server.TelemetryAddr); err != nil {
		return nil, nil, errors.Join(err, main.Close())
	}
	return main, telemetry, nil
}

// run serves both listeners and the background work until ctx ends or one fails.
func (a *app) run(ctx context.Context, watcher *configs.Watcher, main, telemetry net.Listener, tlsConfig *tls.Config) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(ctx, main, tlsConfig, a.handler(), a.log) })
	// The telemetry listener outlives the main one by the time that takes to
	// drain, so that probes do not read a drain as a crash.
	group.Go(func() error {
		return server.Serve(ctx, telemetry, nil, server.Telemetry(a.metrics, a.ready), a.log)
	})
	group.Go(func() error { a.keys.Run(ctx); return nil })
	group.Go(func() error { watcher.Run(ctx, configs.WatchInterval, a.reloads.all); return nil })
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hup:
				a.reloads.all()
			}
		}
	})
	a.log.Info("ready", "addr", main.Addr().String(), "telemetry_addr", telemetry.Addr().String(),
		"external_url", a.cfg.Server.ExternalURL, "tls", a.cfg.Server.TLS.Mode, "version", version)
	err := group.Wait()
	a.log.Info("stopped")
	return err
}

// handler is everything on the main listener.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	trusted := make([]netip.Prefix, 0, len(a.cfg.Server.TrustedProxies))
	for _, cidr := range a.cfg.Server.TrustedProxies {
		trusted = append(trusted, netip.MustParsePrefix(cidr)) // configs has checked them
	}
	(&registry.Handler{
		Bridge: a.bridge, ClientAddr: server.ClientAddr(trusted), RequestID: server.RequestID,
		TokenUsernames: registry.DefaultTokenUsernames(), Log: a.log,
	}).Mount(mux)
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", "max-age=300")
		_, _ = w.Write(a.keys.JWKS())
	})
	mux.HandleFunc("GET /.well-known/signing-ca.pem", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(a.keys.SigningCA())
	})
	return server.WithRequestID(server.WithMetrics(a.metrics, "registry", mux))
}

func newLogger(cfg configs.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Level)) // configs has checked it
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

// serverTLS returns the main listener's TLS configuration, nil for plain HTTP.
func serverTLS(cfg *configs.Config) (*tls.Config, error) {
	switch cfg.Server.TLS.Mode {
	case configs.TLSOff:
		return nil, nil //nolint:nilnil // documented: no TLS
	case configs.TLSFiles:
		cert, err := server.LoadCertificate(cfg.Server.TLS.CertFile, cfg.Server.TLS.KeyFile)
		if err != nil {
			return nil, err
		}
		return server.TLSConfig(cert), nil
	case configs.TLSSelfSigned:
		cert, _, err := server.SelfSigned(filepath.Join(cfg.DataDir, "tls"), server.SelfSignedHosts(cfg.Server.ExternalURL), time.Now())
		if err != nil {
			return nil, err
		}
		return server.TLSConfig(cert), nil
	}
	return nil, fmt.Errorf("server.tls.mode %q is not in this version yet: use files with the certificate of an ACME client, or self-signed",
		cfg.Server.TLS.Mode)
}

// notYetInForce names settings that differ from their default and that this
// version reads, checks and does not act on.
func notYetInForce(cfg *configs.Config) []string {
	var settings []string
	add := func(used bool, setting string) {
		if used {
			settings = append(settings, setting)
		}
	}
	add(len(cfg.Server.CORS.AllowedOrigins) > 0, "server.cors.allowed_origins")
	add(!cfg.Store.URL.Empty(), "store.url")
	add(cfg.Limits.RequestsPerSecond != 0, "limits.requests_per_second")
	return settings
}
