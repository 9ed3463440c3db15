package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"drawbridge/backup"
	"drawbridge/configs"
	"drawbridge/server"

	"github.com/coreos/go-systemd/v22/daemon"
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
	if err := backup.Interrupted(cfg.DataDir); err != nil {
		return err
	}
	log := newLogger(cfg.Log, stderr)
	// The addresses first: a start that fails on them must not have made an
	// account whose password nobody was told.
	main, telemetry, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // else they are closed by now
			_ = main.Close()
			if telemetry != nil {
				_ = telemetry.Close()
			}
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
	cert, err := openCertificate(cfg, log)
	if err != nil {
		return err
	}
	a.useCertificate(cert)
	return a.run(ctx, watcher, main, telemetry, cert)
}

// listen opens both listeners, or neither. telemetry is nil where none is wanted.
func listen(ctx context.Context, cfg *configs.Config) (main, telemetry net.Listener, err error) {
	var listeners server.Listeners
	if main, err = listeners.Listen(ctx, "server.addr", cfg.Server.Addr); err != nil {
		return nil, nil, err
	}
	if cfg.Server.TelemetryAddr == "" {
		return main, nil, nil
	}
	if telemetry, err = listeners.Listen(ctx, "server.telemetry_addr", cfg.Server.TelemetryAddr); err != nil {
		return nil, nil, errors.Join(err, main.Close())
	}
	return main, telemetry, nil
}

// run serves both listeners and the background work until ctx ends or one fails.
func (a *app) run(ctx context.Context, watcher *configs.Watcher, main, telemetry net.Listener, cert certificate) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	// What is revoked and which robots there are is known before the first answer, if
	// the store can tell soon.
	soon, cancel := context.WithTimeout(ctx, time.Second)
	if a.feed.Look(soon) == nil {
		_ = a.robots.Load(soon) // a failure is tried again, and logged, by what runs below
	}
	cancel()
	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	// Everything else goes on until the last request is answered: a request needs
	// it, and probes must not read a drain as a crash.
	group, ctx := errgroup.WithContext(context.WithoutCancel(ctx))
	ctx, drained := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, stopServing)() // one of them failed
	group.Go(func() error {
		<-serving.Done() // at the latest with ctx
		_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
		a.log.Info("draining", "delay", a.cfg.Server.DrainDelay.String())
		return nil
	})
	group.Go(func() error {
		defer drained()
		return server.Serve(serving, main, a.handler(), server.Options{
			TLS: cert.config, DrainDelay: a.cfg.Server.DrainDelay, MaxConnections: a.cfg.Limits.Connections, Open: a.limits.open.Add, Log: a.log,
		})
	})
	if telemetry != nil {
		group.Go(func() error {
			return server.Serve(ctx, telemetry, server.Telemetry(a.metrics, a.readyWhile(serving)), server.Options{Log: a.log})
		})
	}
	cert.serve(ctx, group)
	group.Go(func() error { a.keys.Run(ctx); return nil })
	group.Go(func() error { a.feed.Run(ctx); return nil })
	group.Go(func() error { a.followPolicy(ctx, a.policy); return nil })
	group.Go(func() error { a.revoked.Run(ctx); return nil })
	group.Go(func() error { a.robots.Run(ctx); return nil })
	group.Go(func() error { a.robotUses.Run(ctx); return nil })
	group.Go(func() error { a.glass.Run(ctx); return nil })
	group.Go(func() error { a.sessions.Run(ctx); return nil })
	group.Go(func() error { a.pruneAudit(ctx); return nil })
	group.Go(func() error { watcher.Run(ctx, configs.WatchInterval, a.reloads.all); return nil })
	group.Go(func() error { a.reloadOn(ctx, hup); return nil })
	group.Go(func() error { collectSlowly(ctx); return nil })
	a.log.Info("ready", "addr", main.Addr().String(), "telemetry_addr", addrOf(telemetry),
		"external_url", a.cfg.Server.ExternalURL, "tls", a.cfg.Server.TLS.Mode, "version", version)
	// Nothing happens where no systemd waits for it (sd_notify(3)).
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		a.log.Warn("systemd cannot be told that the server is ready", "error", err)
	}
	err := group.Wait()
	a.log.Info("stopped")
	return err
}

// reloadOn reloads whenever a signal comes, until ctx ends.
func (a *app) reloadOn(ctx context.Context, hup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			a.reloads.all()
		}
	}
}

func addrOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// readyWhile is ready until serving ends: the server then drains.
func (a *app) readyWhile(serving context.Context) func() error {
	return func() error {
		if serving.Err() != nil {
			return errors.New("the server was told to end and drains")
		}
		return a.ready()
	}
}

func newLogger(cfg configs.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Level)) // configs has checked it
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" {
		return slog.New(server.LogHandler(slog.NewTextHandler(w, opts)))
	}
	return slog.New(server.LogHandler(slog.NewJSONHandler(w, opts)))
}

// errorLog is the log of a command: what it did it prints itself.
func errorLog(w io.Writer) *slog.Logger {
	return newLogger(configs.Log{Level: "error", Format: "text"}, w)
}
