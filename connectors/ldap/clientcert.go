package ldap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// clientCert is the certificate that this connector shows to directories. Files
// that change, as certificates that live for days do, are read again by the next
// handshake; files that then do not fit leave the certificate that was.
type clientCert struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	changed [2]time.Time // of the files, when they were read last
}

// loadClientCert reads the pair; nil stands for no certificate.
func loadClientCert(certFile, keyFile string, log *slog.Logger) (*clientCert, error) {
	switch {
	case certFile == "" && keyFile == "":
		return nil, nil
	case certFile == "" || keyFile == "":
		return nil, errors.New("client_cert_file: belongs together with client_key_file")
	}
	c := &clientCert{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("client_cert_file: %w", err)
	}
	return c, nil
}

// read loads the files when they have changed. The caller holds the lock or is
// the only user.
func (c *clientCert) read() error {
	var changed [2]time.Time
	for i, file := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		changed[i] = info.ModTime()
	}
	if changed == c.changed {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair, c.changed = &pair, changed
	return nil
}

// get is for [tls.Config.GetClientCertificate].
func (c *clientCert) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.read(); err != nil {
		c.log.Warn("the client certificate cannot be read again; the one in use stays", "error", err)
	}
	return c.pair, nil
}
