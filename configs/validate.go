package configs

import (
	"crypto/tls"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Validate checks everything that the types cannot say: values, what belongs
// together, and that the files exist. It opens files and no connection. [Load]
// has called it; a Config made by hand has defaults nowhere, so most zero values
// are faults.
func (c *Config) Validate() Problems {
	var found check
	found.server(c.Server)
	found.dataDir(c.DataDir)
	found.registries(c.Registries, c.Tokens)
	found.tokens(c.Tokens)
	found.connectors(c)
	if c.Policy.File != "" {
		found.file("policy.file", c.Policy.File)
	}
	found.cache(c.Cache)
	found.store(c.Store)
	found.limits(c.Limits)
	found.auditLog(c.Audit)
	found.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	found.oneOf("log.format", c.Log.Format, "json", "text")
	return found.found
}

func (c *check) server(s Server) {
	c.listenAddr("server.addr", s.Addr)
	if s.TelemetryAddr != "" {
		c.listenAddr("server.telemetry_addr", s.TelemetryAddr)
		if s.TelemetryAddr == s.Addr && !strings.HasSuffix(s.Addr, ":0") {
			c.fault("server.telemetry_addr", "is the same as server.addr; metrics have a listener of their own")
		}
	}
	c.tls(s.TLS)
	c.externalURL(s)
	for i, cidr := range s.TrustedProxies {
		key := index("server.trusted_proxies", i)
		if _, err := netip.ParsePrefix(cidr); err == nil {
			continue
		}
		if ip, err := netip.ParseAddr(cidr); err == nil {
			c.fault(key, "%q is an address, not a CIDR; write %s/%d", cidr, cidr, ip.BitLen())
			continue
		}
		c.fault(key, "%q is not a CIDR such as 10.0.0.0/8", cidr)
	}
	for i, origin := range s.CORS.AllowedOrigins {
		key := index("server.cors.allowed_origins", i)
		if origin == "*" {
			c.fault(key, "every origin may not be allowed; list the ones that need it")
		} else if u := c.origin(key, origin, "https", "http"); u != nil {
			c.bare(key, u)
		}
	}
}

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
	if t.Mode == TLSFiles && t.CertFile != "" && t.KeyFile != "" {
		c.keyPair("server.tls.cert_file", t.CertFile, "server.tls.key_file", t.KeyFile)
	}
}

// keyPair reports a certificate and a key that cannot be used together.
func (c *check) keyPair(certKey, certFile, keyKey, keyFile string) {
	certOK, keyOK := c.file(certKey, certFile), c.file(keyKey, keyFile)
	if !certOK || !keyOK {
		return
	}
	if _, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		c.fault(certKey, "the certificate in %s and the key in %s cannot be used together: %v", certFile, keyFile, err)
	}
}

func (c *check) externalURL(s Server) {
	const key = "server.external_url"
	u := c.origin(key, s.ExternalURL, "https", "http")
	if u == nil {
		return
	}
	c.bare(key, u)
	switch {
	case u.Scheme == "https":
	case s.TLS.Mode != TLSOff:
		c.fault(key, "must begin with https://, since server.tls.mode is %s", s.TLS.Mode)
	case !isLoopback(u.Hostname()):
		c.fault(key, "must begin with https://: clients would send passwords in the clear; "+
			"server.tls.mode: off is for a TLS proxy in front, whose URL belongs here")
	}
	if s.TLS.Mode == TLSACME && !isPublicName(u) {
		c.fault(key, "%s cannot get an ACME certificate; server.tls.mode: acme needs a public DNS name here", u.Hostname())
	}
}

// isPublicName reports whether an ACME server could issue a certificate for the
// URL's host: a DNS name with a dot that is not this machine.
func isPublicName(u *url.URL) bool {
	host := u.Hostname()
	return net.ParseIP(host) == nil && strings.Contains(strings.Trim(host, "."), ".") && !isLoopback(host)
}

// dataDir need not exist, the server makes it; but it cannot replace a file.
func (c *check) dataDir(dir string) {
	if !c.required("data_dir", dir) {
		return
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		c.fault("data_dir", "%s is a file, not a directory", dir)
	}
}

func (c *check) limits(l Limits) {
	if l.LoginFailuresPerMinute < 0 {
		c.fault("limits.login_failures_per_minute", "may not be negative; 0 turns the limit off")
	}
	// Written so that NaN is refused too.
	if !(l.RequestsPerSecond >= 0) || l.RequestsPerSecond > 1e9 {
		c.fault("limits.requests_per_second", "must be a number of 0 or more; 0 turns the limit off")
	}
}

// auditLog reports a file that could not be made.
func (c *check) auditLog(a Audit) {
	const key = "audit.file"
	if a.File == "-" || !c.required(key, a.File) {
		return
	}
	if info, err := os.Stat(a.File); err == nil {
		if info.IsDir() {
			c.fault(key, "%s is a directory, not a file", a.File)
		}
		return
	}
	dir := filepath.Dir(a.File)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		c.fault(key, "the directory %s does not exist", dir)
	}
}
