package configs

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"drawbridge/identity"
	"drawbridge/server"
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
	found.ownAudience(c)
	found.tokens(c.Tokens)
	found.connectors(c)
	// What is to end after more than five years never ends.
	found.between("robots.max_ttl", c.Robots.MaxTTL, time.Hour, 5*maxYear)
	if c.Policy.File != "" {
		found.file("policy.file", c.Policy.File)
	}
	found.cache(c.Cache)
	found.store(c.Store)
	found.limits(c.Limits)
	found.auditLog(c.Audit)
	found.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	found.oneOf("log.format", c.Log.Format, "json", "text")
	found.tracing(c.Tracing)
	return found.found
}

// serverAddr reports an address that cannot be listened on: beside host:port it may
// be a socket's.
func (c *check) serverAddr(addr string) {
	const key = "server.addr"
	if path, ok := strings.CutPrefix(addr, server.UnixPrefix); ok {
		if dir := filepath.Dir(path); path == "" || strings.HasSuffix(path, "/") {
			c.fault(key, "%q has no path; write unix:/run/drawbridge/drawbridge.sock", addr)
		} else if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			c.fault(key, "the directory %s does not exist", dir)
		}
		return
	}
	if name, ok := strings.CutPrefix(addr, server.SystemdPrefix); ok {
		if name == "" {
			c.fault(key, "%q has no name; write systemd: and the FileDescriptorName= of the socket unit", addr)
		}
		return
	}
	c.listenAddr(key, addr)
}

func (c *check) server(s Server) {
	c.serverAddr(s.Addr)
	if s.TelemetryAddr != "" {
		c.listenAddr("server.telemetry_addr", s.TelemetryAddr)
		if s.TelemetryAddr == s.Addr && !strings.HasSuffix(s.Addr, ":0") {
			c.fault("server.telemetry_addr", "is the same as server.addr; metrics have a listener of their own")
		}
	}
	c.between("server.drain_delay", s.DrainDelay, 0, 5*time.Minute)
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

func (c *check) externalURL(s Server) {
	const key = "server.external_url"
	if s.ExternalURL == "" {
		c.fault(key, "is required, since server.addr does not say how clients reach it")
		return
	}
	u := c.origin(key, s.ExternalURL, "https", "http")
	if u == nil {
		return
	}
	c.below(key, u)
	switch {
	case u.Scheme == "https":
	case s.TLS.Mode != TLSOff:
		c.fault(key, "must begin with https://, since server.tls.mode is %s", s.TLS.Mode)
	case !identity.Loopback(u.Hostname()):
		c.fault(key, "must begin with https://: clients would send passwords in the clear; "+
			"server.tls.mode: off is for a TLS proxy in front, whose URL belongs here")
	}
	if s.TLS.Mode == TLSACME && !isPublicName(u) {
		c.fault(key, "%s cannot get an ACME certificate; server.tls.mode: acme needs a public DNS name here", u.Hostname())
	}
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
	c.rate("limits.requests_per_second", l.RequestsPerSecond)
	c.rate("limits.account_requests_per_second", l.AccountRequestsPerSecond)
	if l.Connections < 0 || l.Connections > maxConnections {
		c.fault("limits.connections", "must be a number of 0 to %d; 0 turns the limit off", maxConnections)
	}
}

// maxConnections is more than a process has files for.
const maxConnections = 1_000_000

// rate reports what is no number of times a second. Further below it would be a
// ban.
func (c *check) rate(key string, perSecond float64) {
	// Written so that NaN is refused too.
	if perSecond != 0 && (!(perSecond >= 0.001) || perSecond > 1e6) {
		c.fault(key, "must be a number of 0.001 to 1000000; 0 turns the limit off")
	}
}

// maxRetention is ten years.
const maxRetention = 10 * 365 * 24 * time.Hour

// auditLog reports a file that could not be made, and times nobody can mean.
func (c *check) auditLog(a Audit) {
	c.between("audit.retention", a.Retention, time.Hour, maxRetention)
	if a.MaxEvents < 0 {
		c.fault("audit.max_events", "it cannot be negative; 0 is any number")
	}
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
