package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACMEOptions configures [NewACME].
type ACMEOptions struct {
	// Host is the public DNS name to get a certificate for. Others are not asked for,
	// whatever a client says it wants.
	Host string
	// Email is whom the authority writes to; empty: nobody.
	Email string
	// DirectoryURL is the authority's (RFC 8555 section 7.1.1), empty: Let's Encrypt.
	DirectoryURL string
	// Roots is whom to trust when talking to it; nil: whom the machine trusts.
	Roots *x509.CertPool
	// Dir keeps the account and the certificates, for the next start.
	Dir string
	Log *slog.Logger // required
}

// ACME gets and renews a certificate from an authority.
type ACME struct {
	*Certificate
	host    string
	manager *autocert.Manager
	log     *slog.Logger
}

// NewACME returns a certificate that is fetched when it is first needed, see
// [ACME.Run]. The authority verifies the name with a TLS handshake on port 443
// (RFC 8737) or, where [ACME.Challenges] is served, a request to port 80.
func NewACME(opts ACMEOptions) *ACME {
	client := &acme.Client{DirectoryURL: cmp.Or(opts.DirectoryURL, autocert.DefaultACMEDirectory), UserAgent: "drawbridge"}
	if opts.Roots != nil {
		client.HTTPClient = &http.Client{
			Timeout:   time.Minute,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: opts.Roots, MinVersion: tls.VersionTLS12}},
		}
	}
	a := &ACME{host: opts.Host, log: opts.Log, manager: &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(opts.Dir), HostPolicy: only(opts.Host),
		Email: opts.Email, Client: client,
	}}
	a.Certificate = &Certificate{renewed: a.get, protocols: []string{"h2", "http/1.1", acme.ALPNProto}}
	return a
}

// only accepts the host, with or without a port: requests for challenges name the
// one that they were sent to.
func only(host string) autocert.HostPolicy {
	allowed := autocert.HostWhitelist(host)
	return func(ctx context.Context, asked string) error {
		if name, _, err := net.SplitHostPort(asked); err == nil {
			asked = name
		}
		return allowed(ctx, asked)
	}
}

// Challenges answers the authority's requests to port 80 and sends everybody else
// to HTTPS.
func (a *ACME) Challenges() http.Handler { return a.manager.HTTPHandler(nil) }

// get answers a handshake. Clients that name no host mean the only one there is.
func (a *ACME) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if challenge(hello) {
		return a.manager.GetCertificate(hello)
	}
	if hello.ServerName != "" && !strings.EqualFold(hello.ServerName, a.host) {
		return nil, fmt.Errorf("no certificate for %.100q", hello.ServerName)
	}
	cert, err := a.manager.GetCertificate(a.wanted())
	if err == nil {
		a.current.Store(cert)
	}
	return cert, err
}

// wanted is a handshake that calls for the one certificate there is: with an ECDSA
// key, whatever the client says, since all that speak TLS 1.2 can verify it, and a
// second certificate would count against the authority's limits.
func (a *ACME) wanted() *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName: a.host, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		SupportedCurves: []tls.CurveID{tls.CurveP256}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
	}
}

func challenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProto
}

// The times between tries to get the first certificate: the library remembers a
// failure for a minute, and authorities limit them to a few an hour.
const (
	acmeFirstRetry = 65 * time.Second
	acmeLastRetry  = 15 * time.Minute
)

// Run gets the certificate without waiting for the first client, until ctx ends.
// Renewals are made in the background by then.
func (a *ACME) Run(ctx context.Context) {
	for wait := acmeFirstRetry; ; wait = min(2*wait, acmeLastRetry) {
		cert, err := a.get(a.wanted())
		if err == nil {
			a.log.InfoContext(ctx, "the server certificate is there", "host", a.host, "not_after", cert.Leaf.NotAfter)
			return
		}
		a.log.ErrorContext(ctx, "no certificate yet: "+acmeAdvice(err), "host", a.host, "next_try", wait.String(), "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// acmeAdvice says what to look at.
func acmeAdvice(err error) string {
	refused, ok := errors.AsType[*acme.Error](err)
	switch {
	case ok && refused.StatusCode == http.StatusTooManyRequests:
		return "the authority limits how often it is asked, wait"
	case ok:
		return fmt.Sprintf("the authority refuses it (%s)", refused.ProblemType)
	}
	return "its name must lead here, and the authority must reach port 443 (or port 80 with server.tls.acme.http_addr)"
}
