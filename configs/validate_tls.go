package configs

import (
	"crypto/tls"
	"net"
	"net/url"
	"strings"

	"drawbridge/identity"
	"drawbridge/trust"
)

func (c *check) tls(t TLS) {
	c.oneOf("server.tls.mode", t.Mode, TLSSelfSigned, TLSFiles, TLSACME, TLSOff)
	for _, f := range []struct{ key, name string }{
		{"server.tls.cert_file", t.CertFile},
		{"server.tls.key_file", t.KeyFile},
	} {
		switch {
		case t.Mode == TLSFiles:
			c.required(f.key, f.name)
		case f.name != "":
			c.fault(f.key, "is used only with server.tls.mode: files, and the mode is %s", t.Mode)
		}
	}
	c.acme(t)
	if t.AdminClientCAFile != "" && t.Mode == TLSOff {
		c.fault("server.tls.admin_client_ca_file", "needs a server.tls.mode other than off: the proxy in front has to ask for certificates")
	}
	c.certificates("server.tls.admin_client_ca_file", t.AdminClientCAFile)
	if t.Mode == TLSFiles && t.CertFile != "" && t.KeyFile != "" {
		c.keyPair("server.tls.cert_file", t.CertFile, "server.tls.key_file", t.KeyFile)
	}
}

// acme reports settings of another mode, and those that cannot work.
func (c *check) acme(t TLS) {
	a := t.ACME
	for _, setting := range []struct{ key, value string }{
		{"server.tls.acme.email", a.Email}, {"server.tls.acme.directory_url", a.DirectoryURL},
		{"server.tls.acme.ca_file", a.CAFile}, {"server.tls.acme.http_addr", a.HTTPAddr},
	} {
		if setting.value != "" && t.Mode != TLSACME {
			c.fault(setting.key, "is used only with server.tls.mode: acme, and the mode is %s", t.Mode)
		}
	}
	if a.DirectoryURL != "" {
		if u, err := url.Parse(a.DirectoryURL); err != nil || u.Scheme != "https" || u.Host == "" {
			c.fault("server.tls.acme.directory_url", "must be a URL that begins with https://, where the authority's directory is (RFC 8555 section 7.1.1)")
		}
	}
	c.certificates("server.tls.acme.ca_file", a.CAFile)
	if a.HTTPAddr != "" {
		c.listenAddr("server.tls.acme.http_addr", a.HTTPAddr)
	}
	if a.Email != "" && !strings.Contains(a.Email, "@") {
		c.fault("server.tls.acme.email", "%q is no mail address", a.Email)
	}
}

// keyPair reports a certificate and a key that cannot be used together.
func (c *check) keyPair(certKey, certFile, keyKey, keyFile string) {
	certOK, keyOK := c.file(certKey, certFile), c.file(keyKey, keyFile)
	if !certOK || !keyOK {
		return
	}
	if _, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		if _, certErr := trust.Load(certFile); certErr != nil {
			c.fault(certKey, "%v", certErr)
			return
		}
		c.fault(certKey, "the certificate in %s and the key in %s cannot be used together: %v", certFile, keyFile, err)
	}
}

// isPublicName reports whether an ACME server could issue a certificate for the
// URL's host: a DNS name with a dot that is not this machine.
func isPublicName(u *url.URL) bool {
	host := u.Hostname()
	return net.ParseIP(host) == nil && strings.Contains(strings.Trim(host, "."), ".") && !identity.Loopback(host)
}
