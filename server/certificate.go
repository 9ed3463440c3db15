package server

import (
	"crypto/tls"
	"crypto/x509"
	"sync/atomic"
	"time"
)

// Certificate is the server's own, which can change while it serves.
type Certificate struct {
	// load returns the certificate as it is now; nil: somebody else renews it.
	load    func() (tls.Certificate, error)
	current atomic.Pointer[tls.Certificate]
	// renewed answers a handshake in the place of current; nil: current.
	renewed func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// protocols are those to offer beside HTTP's.
	protocols []string
}

// NewCertificate returns a certificate that load returns, now and at each
// [Certificate.Reload].
func NewCertificate(load func() (tls.Certificate, error)) (*Certificate, error) {
	c := &Certificate{load: load}
	return c, c.Reload()
}

// Reload loads the certificate again. When that fails the one before stays.
func (c *Certificate) Reload() error {
	if c.load == nil {
		return nil
	}
	cert, err := c.load()
	if err != nil {
		return err
	}
	c.current.Store(&cert)
	return nil
}

// NotAfter returns the certificate's end, the zero time when there is none yet.
func (c *Certificate) NotAfter() time.Time {
	if cert := c.current.Load(); cert != nil && cert.Leaf != nil {
		return cert.Leaf.NotAfter
	}
	return time.Time{}
}

// TLSConfig returns the configuration every listener uses: TLS 1.2 or later with
// Go's choice of cipher suites. With clients, a caller may show a certificate,
// which one of these authorities must have issued.
func (c *Certificate) TLSConfig(clients *x509.CertPool) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: c.protocols}
	if clients != nil {
		config.ClientCAs, config.ClientAuth = clients, tls.VerifyClientCertIfGiven
	}
	return config
}

func (c *Certificate) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.renewed != nil {
		return c.renewed(hello)
	}
	return c.current.Load(), nil
}
