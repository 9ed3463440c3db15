package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// host is one directory server.
type host struct {
	addr     string      // host:port
	tls      *tls.Config // nil for plain LDAP; its ServerName is this host's
	startTLS bool
	dial     dialFunc
	metrics  Metrics // may be nil
	last     lastAddress
	breaker
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// hosts and known make a host that the settings name a [source].
func (h *host) hosts(context.Context) ([]*host, error) { return []*host{h}, nil }
func (h *host) known() []*host                         { return []*host{h} }

// inClear is empty where passwords to the host are encrypted or stay on this
// machine, and the host otherwise.
func (h *host) inClear() string {
	name, _, err := net.SplitHostPort(h.addr)
	if err != nil {
		return h.addr
	}
	ip := net.ParseIP(name)
	if h.tls != nil || name == "localhost" || (ip != nil && ip.IsLoopback()) {
		return ""
	}
	return h.addr
}

// source is one entry of urls: a host, or a domain whose hosts DNS names.
type source interface {
	// hosts are those to try, the best first.
	hosts(ctx context.Context) ([]*host, error)
	// known are those that are known now, without asking anybody.
	known() []*host
	// inClear is empty, or what would get passwords in the clear.
	inClear() string
}

// sources are the entries in the order of the configuration.
type sources []source

// hosts returns the hosts of all. An error says that some source has none now.
func (ss sources) hosts(ctx context.Context) ([]*host, error) {
	var all []*host
	var errs []error
	for _, s := range ss {
		some, err := s.hosts(ctx)
		all, errs = append(all, some...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

func (ss sources) known() []*host {
	var all []*host
	for _, s := range ss {
		all = append(all, s.known()...)
	}
	return all
}

// order returns the hosts to try: in their order, but what failed comes later for
// the time of its backoff, and the one to avoid comes last. No host is left out, so
// a directory that is back is used without a restart.
func order(hosts []*host, now time.Time, avoid *host) []*host {
	rank := make(map[*host]int, len(hosts))
	for _, h := range hosts {
		switch {
		case h == avoid:
			rank[h] = 2
		case !h.preferred(now):
			rank[h] = 1
		}
	}
	ordered := slices.Clone(hosts)
	slices.SortStableFunc(ordered, func(a, b *host) int { return rank[a] - rank[b] })
	return ordered
}

// transport is how every host of a connector is spoken to.
type transport struct {
	tls      *tls.Config // without a ServerName
	startTLS bool
	dial     dialFunc
	metrics  Metrics
}

// host makes a host. Its certificate must be for the name, which is a DNS name or
// an address.
func (t *transport) host(name, port string, ldaps bool) *host {
	h := &host{addr: net.JoinHostPort(name, port), startTLS: t.startTLS, dial: t.dial, metrics: t.metrics}
	if ldaps || t.startTLS {
		h.tls = t.tls.Clone()
		h.tls.ServerName = name
	}
	return h
}

// parseSources reads the urls of the configuration.
func (c *Connector) parseSources(urls []string, t *transport, resolver *net.Resolver) (sources, error) {
	if len(urls) == 0 {
		return nil, errors.New("urls: name at least one ldaps:// or ldap:// URL")
	}
	var ss sources
	for _, raw := range urls {
		u, err := parseURL(raw)
		if err != nil {
			return nil, fmt.Errorf("urls: %q: %w", raw, err)
		}
		scheme, domain := strings.CutSuffix(u.Scheme, "+srv")
		ldaps := scheme == "ldaps"
		switch {
		case ldaps && t.startTLS:
			return nil, fmt.Errorf("urls: %q: start_tls is for ldap:// URLs; ldaps:// is encrypted from the first byte", raw)
		case domain:
			d, err := c.newSRVDomain(u, ldaps, t, resolver)
			if err != nil {
				return nil, fmt.Errorf("urls: %q: %w", raw, err)
			}
			ss = append(ss, d)
		default:
			ss = append(ss, t.host(u.Hostname(), cmp.Or(u.Port(), defaultPort(ldaps)), ldaps))
		}
	}
	return ss, nil
}

func defaultPort(ldaps bool) string {
	if ldaps {
		return ldap3.DefaultLdapsPort
	}
	return ldap3.DefaultLdapPort
}

func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("not a URL; write ldaps://host or ldap://host, with :port if it is not the usual one")
	case !slices.Contains([]string{"ldaps", "ldap", "ldaps+srv", "ldap+srv"}, u.Scheme):
		return nil, errors.New("the scheme must be ldaps, ldap, ldaps+srv or ldap+srv")
	case u.Hostname() == "":
		return nil, errors.New("the host is missing")
	case u.User != nil:
		return nil, errors.New("credentials belong into bind_dn and bind_password_file")
	case (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("only scheme, host and port are allowed; the search base is user.base_dn")
	}
	return u, nil
}
