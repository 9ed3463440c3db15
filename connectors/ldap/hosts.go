package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// host is one directory server.
type host struct {
	addr     string      // host:port
	tls      *tls.Config // nil for plain LDAP; its ServerName is this host's
	startTLS bool
	metrics  Metrics // may be nil
	breaker
}

// loopback reports whether the host is this machine by its name.
func (h *host) loopback() bool {
	name, _, err := net.SplitHostPort(h.addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(name)
	return name == "localhost" || (ip != nil && ip.IsLoopback())
}

// hosts are the servers in the order of the configuration.
type hosts []*host

// order returns the hosts to try: in their order, but what failed comes later for
// the time of its backoff, and the one to avoid comes last. No host is left out, so
// a directory that is back is used without a restart.
func (hs hosts) order(now time.Time, avoid *host) []*host {
	rank := make(map[*host]int, len(hs))
	for _, h := range hs {
		switch {
		case h == avoid:
			rank[h] = 2
		case !h.preferred(now):
			rank[h] = 1
		}
	}
	ordered := slices.Clone(hs)
	slices.SortStableFunc(ordered, func(a, b *host) int { return rank[a] - rank[b] })
	return ordered
}

// parseHosts reads the urls of the configuration. The pool is nil for the
// system's certificate authorities.
func parseHosts(urls []string, startTLS bool, pool *x509.CertPool) (hosts, error) {
	if len(urls) == 0 {
		return nil, errors.New("urls: name at least one ldaps:// or ldap:// URL")
	}
	var hs hosts
	for _, raw := range urls {
		h, err := parseHost(raw, startTLS, pool)
		if err != nil {
			return nil, fmt.Errorf("urls: %q: %w", raw, err)
		}
		hs = append(hs, h)
	}
	return hs, nil
}

func parseHost(raw string, startTLS bool, pool *x509.CertPool) (*host, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("not a URL; write ldaps://host or ldap://host, with :port if it is not the usual one")
	}
	port := ldap3.DefaultLdapsPort
	switch u.Scheme {
	case "ldaps":
		if startTLS {
			return nil, errors.New("start_tls is for ldap:// URLs; ldaps:// is encrypted from the first byte")
		}
	case "ldap":
		port = ldap3.DefaultLdapPort
	default:
		return nil, errors.New("the scheme must be ldaps or ldap")
	}
	switch {
	case u.Hostname() == "":
		return nil, errors.New("the host is missing")
	case u.User != nil:
		return nil, errors.New("credentials belong into bind_dn and bind_password_file")
	case (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("only scheme, host and port are allowed; the search base is user.base_dn")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	h := &host{addr: net.JoinHostPort(u.Hostname(), port), startTLS: startTLS}
	if u.Scheme == "ldaps" || startTLS {
		h.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname(), RootCAs: pool}
	}
	return h, nil
}

// loadCA reads a PEM bundle; nil stands for the system's authorities.
func loadCA(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: %s holds no PEM certificate", file)
	}
	return pool, nil
}
