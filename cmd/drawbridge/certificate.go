package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"time"

	"drawbridge/configs"
	"drawbridge/server"
	"drawbridge/trust"

	"golang.org/x/sync/errgroup"
)

// renewEvery is how often a self-signed certificate is looked at.
const renewEvery = 12 * time.Hour

// certificate is the main listener's own.
type certificate struct {
	// own is nil for plain HTTP, and config with it.
	own    *server.Certificate
	config *tls.Config
	// acme is set in that mode, with httpAddr where it answers on port 80 as well.
	acme     *server.ACME
	httpAddr string
	mode     string
	log      *slog.Logger
}

// openCertificate returns what server.tls asks for.
func openCertificate(cfg *configs.Config, log *slog.Logger) (certificate, error) {
	settings := cfg.Server.TLS
	c := certificate{mode: settings.Mode, httpAddr: settings.ACME.HTTPAddr, log: log}
	var err error
	switch settings.Mode {
	case configs.TLSOff:
		return c, nil
	case configs.TLSFiles:
		c.own, err = server.NewCertificate(func() (tls.Certificate, error) {
			return server.LoadCertificate(settings.CertFile, settings.KeyFile)
		})
	case configs.TLSACME:
		if c.acme, err = openACME(cfg, log); err == nil {
			c.own = c.acme.Certificate
		}
	default:
		dir, hosts := filepath.Join(cfg.DataDir, "tls"), server.SelfSignedHosts(cfg.Server.ExternalURL)
		c.own, err = server.NewCertificate(func() (tls.Certificate, error) {
			cert, _, err := server.SelfSigned(dir, hosts, time.Now())
			return cert, err
		})
	}
	if err != nil {
		return c, err
	}
	clients, err := pool(settings.AdminClientCAFile)
	if err != nil {
		return c, fmt.Errorf("server.tls.admin_client_ca_file: %w", err)
	}
	c.config = c.own.TLSConfig(clients)
	return c, nil
}

func openACME(cfg *configs.Config, log *slog.Logger) (*server.ACME, error) {
	settings := cfg.Server.TLS.ACME
	roots, err := pool(settings.CAFile)
	if err != nil {
		return nil, fmt.Errorf("server.tls.acme.ca_file: %w", err)
	}
	external, err := url.Parse(cfg.Server.ExternalURL)
	if err != nil {
		return nil, fmt.Errorf("server.external_url: %w", err)
	}
	return server.NewACME(server.ACMEOptions{
		Host: external.Hostname(), Email: settings.Email, DirectoryURL: settings.DirectoryURL, Roots: roots,
		Dir: filepath.Join(cfg.DataDir, "acme"), Log: log,
	}), nil
}

// pool returns the certificates of a file, nil where none is named.
func pool(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // documented: none
	}
	return trust.Load(file)
}

// useCertificate has the certificate read again with the other files, and its end
// among the metrics.
func (a *app) useCertificate(c certificate) {
	a.metrics.MustRegister(newKeyExpiry(a.keys, c.own))
	if c.mode == configs.TLSFiles {
		a.reloads.add("server certificate", c.own.Reload)
	}
}

// serve does what the certificate needs while it is used.
func (c certificate) serve(ctx context.Context, group *errgroup.Group) {
	switch c.mode {
	case configs.TLSSelfSigned:
		group.Go(func() error { c.renew(ctx); return nil })
	case configs.TLSACME:
		group.Go(func() error { c.acme.Run(ctx); return nil })
		if c.httpAddr == "" {
			return
		}
		group.Go(func() error {
			var listeners server.Listeners
			l, err := listeners.Listen(ctx, "server.tls.acme.http_addr", c.httpAddr)
			if err != nil {
				return err
			}
			return server.Serve(ctx, l, c.acme.Challenges(), server.Options{Log: c.log})
		})
	}
}

// renew makes a self-signed certificate anew before it ends, also while the server
// runs for more than a year.
func (c certificate) renew(ctx context.Context) {
	ticker := time.NewTicker(renewEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := c.own.Reload(); err != nil {
				c.log.ErrorContext(ctx, "the self-signed certificate stays as it is", "error", err)
			}
		}
	}
}
