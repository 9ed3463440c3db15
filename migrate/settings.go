package migrate

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"drawbridge/trust"
)

// settings writes drawbridge.yaml.
func (c *dockerAuth) settings(opts Options, r *Result) string {
	var out strings.Builder
	lose := func(section, format string, args ...any) {
		r.Losses = append(r.Losses, Loss{c.lines[section], section + ": " + fmt.Sprintf(format, args...)})
	}
	fmt.Fprintf(&out, "server:\n  addr: %q\n", c.address(lose))
	switch s := c.Server; {
	case s.Certificate != "":
		fmt.Fprintf(&out, "  tls: { mode: files, cert_file: %q, key_file: %q }\n", s.Certificate, s.Key)
	case s.LetsEncrypt.Email != "":
		lose("server", "letsencrypt: name the host in server.external_url, and set server.tls.mode to acme: docs/listening.md")
	default:
		out.WriteString("  tls: { mode: \"off\" }\n")
	}
	if c.Server.PathPrefix != "" {
		lose("server", "path_prefix %q: requests are answered at /auth and /token", c.Server.PathPrefix)
	}
	if c.Server.RealIPHeader != "" {
		lose("server", "real_ip_header %s: list the proxies in server.trusted_proxies", c.Server.RealIPHeader)
	}
	fmt.Fprintf(&out, "registries:\n  - service: %q\n    issuer: %q\n", opts.Service, c.Token.Issuer)
	c.tokens(&out, r, lose)
	fmt.Fprintf(&out, "connectors:\n  - { name: %s, type: htpasswd, file: %q }\n", localConnector, filepath.Join(opts.Dir, "htpasswd"))
	if c.LDAP != nil {
		c.LDAP.write(&out, func(format string, args ...any) { lose("ldap_auth", format, args...) })
	}
	fmt.Fprintf(&out, "policy:\n  file: %q\n", filepath.Join(opts.Dir, "policy.yaml"))
	return out.String()
}

func (c *dockerAuth) address(lose func(string, string, ...any)) string {
	if c.Server.Net == "unix" {
		return "unix:" + c.Server.Addr
	}
	if c.Server.Addr == "" {
		lose("server", "it has no addr; :5001 was taken")
	}
	return cmp.Or(c.Server.Addr, ":5001")
}

// tokens goes on with docker_auth's certificate and key, so that no registry needs a
// change.
func (c *dockerAuth) tokens(out *strings.Builder, r *Result, lose func(string, string, ...any)) {
	cert, key := c.Token.Certificate, c.Token.Key
	if cert == "" {
		cert, key = c.Server.Certificate, c.Server.Key
	}
	ttl := time.Duration(c.Token.Expiration) * time.Second
	if ttl < time.Minute || ttl > time.Hour {
		lose("token", "expiration %s: a token lives from one minute to an hour here; 15m was taken", ttl)
		ttl = 15 * time.Minute
	}
	fmt.Fprintf(out, "tokens:\n  access_ttl: %s\n  ca_cert_file: %q\n  ca_key_file: %q\n", ttl, cert, key)
	algorithm, isCA, err := algorithmOf(cert)
	switch {
	case err != nil:
		lose("token", "the certificate could not be read here (%v): if it is no CA, set tokens.algorithm to what its key signs with, such as RS256", err)
	case isCA:
		r.Notes = append(r.Notes, "The registries' certificate is a CA: tokens are signed by keys that change under it, and registries need no change.")
	default:
		fmt.Fprintf(out, "  algorithm: %s\n", algorithm)
		r.Notes = append(r.Notes, "The registries' certificate is no CA: its own key goes on signing tokens, and does not change by itself.")
	}
}

// algorithmOf returns what the key of a certificate signs with.
func algorithmOf(file string) (algorithm string, isCA bool, err error) {
	content, err := os.ReadFile(file) // #nosec G304 -- the file that the configuration names
	if err != nil {
		return "", false, err
	}
	found, err := trust.Parse(content)
	if err != nil {
		return "", false, err
	}
	cert := found[0].Certificate
	switch cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		algorithm = "ES256"
	case ed25519.PublicKey:
		algorithm = "EdDSA"
	default:
		algorithm = "RS256"
	}
	return algorithm, cert.IsCA, nil
}

// write adds the connector, or says why not.
func (l *dockerLDAP) write(out *strings.Builder, lose func(string, ...any)) {
	attr := regexp.MustCompile(`\(([A-Za-z0-9-]+)=\$\{account\}\)`).FindStringSubmatch(l.Filter)
	switch {
	case l.InitialBindAsUser:
		lose("initial_bind_as_user: the connector finds people by an account of its own; set one up by hand: docs/ldap.md")
		return
	case attr == nil:
		lose("the filter %q does not compare an attribute with ${account}; set the connector up by hand: docs/ldap.md", l.Filter)
		return
	}
	scheme := "ldap"
	if l.TLS == "always" || l.TLS == "" && strings.HasSuffix(l.Addr, ":636") {
		scheme = "ldaps"
	}
	fmt.Fprintf(out, "  - name: %s\n    type: ldap\n    urls: [%q]\n    start_tls: %t\n", ldapConnector, scheme+"://"+l.Addr, l.TLS == "starttls")
	if l.CACertificate != "" {
		fmt.Fprintf(out, "    ca_file: %q\n", l.CACertificate)
	}
	if l.SkipVerify {
		lose("insecure_tls_skip_verify: certificates are always verified; name the CA in ca_file")
	}
	if scheme == "ldap" && l.TLS != "starttls" {
		lose("passwords would go over the network in the clear: set start_tls, or insecure: true if that is meant")
	}
	fmt.Fprintf(out, "    bind_dn: %q\n    bind_password_file: %q\n", l.BindDN, l.BindPasswordFile)
	fmt.Fprintf(out, "    user: { base_dn: %q, filter: %q, name_attr: %q }\n", l.Base, strings.ReplaceAll(l.Filter, "${account}", "{username}"), attr[1])
	for label, from := range l.Labels {
		if strings.EqualFold(from.Attribute, "memberOf") {
			out.WriteString("    groups: { mode: member_of, name_attr: cn }\n")
			continue
		}
		lose("label %s of the attribute %s: rights follow from groups here", label, from.Attribute)
	}
}
