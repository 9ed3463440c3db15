package configs

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"drawbridge/identity"

	"github.com/go-ldap/ldap/v3"
)

func (c *check) ldap(at string, l LDAP) {
	c.ldapURLs(at, l)
	c.certificates(join(at, "ca_file"), l.CAFile)
	c.ldapClientCert(at, l)
	switch {
	case l.BindDN == "" && !l.BindPassword.Empty():
		c.fault(join(at, "bind_dn"), "is required with a bind password")
	case l.BindDN != "" && l.BindPassword.Empty():
		c.fault(join(at, "bind_password"), "is required with bind_dn: a bind without a password succeeds as nobody")
	}
	c.baseDN(join(at, "user.base_dn"), l.User.BaseDN)
	c.ldapFilter(join(at, "user.filter"), l.User.Filter, []string{"{username}"}, "{username}")
	c.attribute(join(at, "user.name_attr"), l.User.NameAttr)
	if l.User.MailAttr != "" {
		c.attribute(join(at, "user.mail_attr"), l.User.MailAttr)
	}
	c.ldapGroups(join(at, "groups"), l.Groups)
}

// ldapClientCert: both files or none, and a connection that can show them.
func (c *check) ldapClientCert(at string, l LDAP) {
	cert, key := join(at, "client_cert_file"), join(at, "client_key_file")
	switch {
	case l.ClientCertFile == "" && l.ClientKeyFile == "":
		return
	case l.ClientCertFile == "":
		c.fault(cert, "is required with client_key_file")
	case l.ClientKeyFile == "":
		c.fault(key, "is required with client_cert_file")
	default:
		c.keyPair(cert, l.ClientCertFile, key, l.ClientKeyFile)
	}
	encrypted := l.StartTLS || slices.ContainsFunc(l.URLs, func(u string) bool { return strings.HasPrefix(u, "ldaps") })
	if !encrypted && len(l.URLs) > 0 {
		c.fault(cert, "is shown on encrypted connections only, and there are none; use ldaps:// or start_tls: true")
	}
}

func (c *check) ldapURLs(at string, l LDAP) {
	if len(l.URLs) == 0 {
		c.fault(join(at, "urls"), "is required: one or more ldaps:// or ldap:// URLs")
	}
	plain := false
	for i, text := range l.URLs {
		if u := c.origin(index(join(at, "urls"), i), text, "ldaps", "ldap", "ldaps+srv", "ldap+srv"); u != nil {
			c.ldapURL(index(join(at, "urls"), i), u, l)
			plain = plain || !encrypted(u) && !l.StartTLS
		}
	}
	if l.Insecure && !plain && len(l.URLs) > 0 {
		c.fault(join(at, "insecure"), "has no use here, every connection is encrypted; for a private CA set ca_file")
	}
}

func (c *check) ldapURL(key string, u *url.URL, l LDAP) {
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		c.fault(key, "must end after the host and port; the base and the filter are keys of their own")
	}
	domain := strings.HasSuffix(u.Scheme, srvSuffix)
	if domain {
		c.ldapDomain(key, u)
	}
	switch {
	case encrypted(u) && l.StartTLS:
		c.fault(key, "start_tls is for ldap:// URLs; this one is encrypted from the start")
	case !encrypted(u) && !l.StartTLS && !l.Insecure && (domain || !identity.Loopback(u.Hostname())):
		c.fault(key, "would send passwords in the clear; use ldaps:// or start_tls: true, or spell insecure: true out")
	}
}

// srvSuffix is the end of a scheme whose host is a domain, to be looked up in DNS.
const srvSuffix = "+srv"

// encrypted reports whether connections are encrypted from their first byte.
func encrypted(u *url.URL) bool { return strings.TrimSuffix(u.Scheme, srvSuffix) == "ldaps" }

func (c *check) ldapDomain(key string, u *url.URL) {
	if u.Port() != "" {
		c.fault(key, "has a port, and DNS says that; a server is written ldaps://host:port")
	}
	if _, err := LDAPDomain(u.Hostname()); err != nil {
		c.fault(key, "%v", err)
	}
}

// maxDomain leaves room for _ldaps._tcp in the 253 characters of a DNS name.
const maxDomain = 240

// LDAPDomain returns the domain in which the servers must lie that DNS names for an
// ldaps+srv:// or ldap+srv:// URL: the URL's host without what Active Directory
// keeps its records under, as in Berlin._sites.corp.example. An error says why the
// name cannot be used: under a top-level domain anybody may have a server.
func LDAPDomain(name string) (string, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(name); err == nil {
		return "", fmt.Errorf("%s is an address; srv is for the name of a domain", name)
	}
	const label = `[a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?`
	if ok, err := regexp.MatchString(`^`+label+`(\.`+label+`)*$`, name); err != nil || !ok || len(name) > maxDomain {
		return "", fmt.Errorf("%q is not the name of a domain", name)
	}
	labels := strings.Split(name, ".")
	start := 0
	for i, label := range labels {
		if strings.HasPrefix(label, "_") {
			start = i + 1
		}
	}
	if len(labels)-start < 2 {
		return "", fmt.Errorf("%q is not below a top-level domain: DNS could name servers of anybody; list them with ldaps://", name)
	}
	return strings.Join(labels[start:], "."), nil
}

func (c *check) ldapGroups(at string, g LDAPGroups) {
	c.oneOf(join(at, "mode"), g.Mode, GroupsNone, GroupsMemberOf, GroupsSearch, GroupsADNested)
	if g.Mode == GroupsADNested {
		c.baseDN(join(at, "base_dn"), g.BaseDN)
		if g.Filter != "" {
			c.fault(join(at, "filter"), "is set but groups.mode is ad_nested, which has a filter of its own")
		}
		if g.Nested {
			c.fault(join(at, "nested"), "has no use with groups.mode ad_nested, which finds groups in groups by itself")
		}
	}
	if g.Mode == GroupsSearch {
		c.baseDN(join(at, "base_dn"), g.BaseDN)
		c.ldapFilter(join(at, "filter"), g.Filter, []string{"{dn}", "{username}"}, "{dn} or {username}")
	}
	if g.Mode == GroupsNone {
		for _, f := range []struct {
			key string
			set bool
		}{{"base_dn", g.BaseDN != ""}, {"filter", g.Filter != ""}, {"nested", g.Nested}} {
			if f.set {
				c.fault(join(at, f.key), "is set but groups.mode is none; write mode: search or mode: member_of")
			}
		}
		return
	}
	c.attribute(join(at, "name_attr"), g.NameAttr)
}

func (c *check) baseDN(key, dn string) {
	if !c.required(key, dn) {
		return
	}
	if _, err := ldap.ParseDN(dn); err != nil {
		c.fault(key, "%q is not a DN: %v", dn, err)
	}
}

// ldapFilter checks a filter template. The placeholders are replaced with a word,
// as the connector replaces them with escaped text, before it is compiled.
func (c *check) ldapFilter(key, filter string, placeholders []string, wanted string) {
	if !c.required(key, filter) {
		return
	}
	found := regexp.MustCompile(`\{[A-Za-z_]*\}`).FindAllString(filter, -1)
	for _, name := range found {
		if !slices.Contains(placeholders, name) {
			c.fault(key, "the placeholder %s is not known here; %s is", name, wanted)
			return
		}
		filter = strings.ReplaceAll(filter, name, "x")
	}
	if len(found) == 0 {
		c.fault(key, "must hold %s; without it every login finds the same entries", wanted)
		return
	}
	if _, err := ldap.CompileFilter(filter); err != nil {
		c.fault(key, "is not an LDAP filter: %v", err)
	}
}

func (c *check) attribute(key, name string) {
	if ok, err := regexp.MatchString(`^[A-Za-z][A-Za-z0-9-]*(;[A-Za-z0-9-]+)*$`, name); err != nil || !ok {
		c.fault(key, "%q is not the name of an attribute", name)
	}
}
