package doctor

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"drawbridge/trust"
)

const (
	// endsSoon is how long before its end a server certificate is warned of. Those of
	// ACME authorities and our own are renewed 30 days before it.
	endsSoon = 14 * 24 * time.Hour
	// minRSABits is what clients and authorities ask for.
	minRSABits = 2048
)

// secure looks at the certificate that the server showed, and lets the later checks
// connect where clients would.
func (s *site) secure(context.Context) Outcome {
	if s.plain() {
		s.client = s.net.transport(nil, s.net.Proxy)
		return skipped("plain HTTP")
	}
	state := s.first.tls
	if state == nil || len(state.PeerCertificates) == 0 {
		return unsure("no certificate was seen")
	}
	leaf := state.PeerCertificates[0]
	findings := s.dates(leaf)
	if err := leaf.VerifyHostname(s.url.Hostname()); err != nil {
		findings = append(findings, finding(CertName, fmt.Sprintf("%s: %v.", s.url.Host, err),
			"Have a certificate issued with this name in it (subjectAltName), or use a name that it has, in every URL:",
			fmt.Sprintf("%v", append(leaf.DNSNames, ipTexts(leaf)...))))
	}
	pool := s.pool()
	if f := s.vouched(state, pool); f != nil {
		findings = append(findings, *f)
	}
	findings = append(findings, s.strength(state)...)
	o := found(fmt.Sprintf("%s, until %s", tls.VersionName(state.Version), leaf.NotAfter.UTC().Format(time.DateOnly)), findings...)
	if o.State != Fail {
		s.client = s.net.transport(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, Time: s.net.Clock}, s.net.Proxy)
	}
	return o
}

func ipTexts(cert *x509.Certificate) []string {
	var out []string
	for _, ip := range cert.IPAddresses {
		out = append(out, ip.String())
	}
	return out
}

// dates compares the certificate with the clock.
func (s *site) dates(leaf *x509.Certificate) []Finding {
	now := s.net.Clock()
	renew := "Renew it, and have the server read it: openssl s_client -connect " + withPort(s.url) + " </dev/null | openssl x509 -noout -dates"
	switch {
	case now.After(leaf.NotAfter):
		return []Finding{finding(CertExpired, fmt.Sprintf("It ended on %s.", leaf.NotAfter.UTC().Format(time.RFC3339)), renew)}
	case now.Before(leaf.NotBefore):
		return []Finding{finding(CertTooNew, fmt.Sprintf("It begins on %s, and it is %s here.", leaf.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)),
			"Set the clock of whichever machine is wrong: timedatectl", renew)}
	case leaf.NotAfter.Sub(now) < endsSoon:
		return []Finding{finding(CertEnds, fmt.Sprintf("It ends on %s.", leaf.NotAfter.UTC().Format(time.RFC3339)), renew)}
	}
	return nil
}

// vouched says which authority is missing, if one is.
func (s *site) vouched(state *tls.ConnectionState, pool *x509.CertPool) *Finding {
	leaf, between := state.PeerCertificates[0], x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	// Its own dates were looked at: at this time they are right.
	at := leaf.NotBefore.Add(time.Second)
	if now := s.net.Clock(); now.After(leaf.NotBefore) && now.Before(leaf.NotAfter) {
		at = now
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, CurrentTime: at})
	if err == nil {
		return nil
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		f := finding(CertExpired, fmt.Sprintf("A certificate above it (%s) has ended.", invalid.Cert.Subject), "Put the authority's current certificates into the server's chain.")
		return &f
	}
	what := fmt.Sprintf("It was issued by %q, and nothing here vouches for that.", leaf.Issuer)
	if len(state.PeerCertificates) == 1 && leaf.Issuer.String() != leaf.Subject.String() {
		what += " The server sends no certificate of that authority either: if it is an intermediate one, the server's file is to hold the chain."
	}
	f := finding(CertUnknown, what, append(trustLines(s.hostPort()), "Then run this again, or with --ca-file.")...)
	return &f
}

// trustLines are what makes clients trust an authority for a registry.
func trustLines(hostPort string) []string {
	return []string{
		"Copy the authority's certificate (of a self-signed one: itself) as ca.crt to each client; no restart is needed:",
		"docker:                    /etc/docker/certs.d/" + hostPort + "/ca.crt",
		"podman, skopeo, buildah:   /etc/containers/certs.d/" + hostPort + "/ca.crt",
		"containerd:                /etc/containerd/certs.d/" + hostPort + "/ca.crt, named in its hosts.toml",
		"For a trial alone, in docker's daemon.json: { \"insecure-registries\": [\"" + hostPort + "\"] }",
	}
}

// strength says what current clients refuse.
func (s *site) strength(state *tls.ConnectionState) []Finding {
	leaf := state.PeerCertificates[0]
	weak := ""
	switch key, isRSA := leaf.PublicKey.(*rsa.PublicKey); {
	case state.Version < tls.VersionTLS12:
		weak = "The server speaks " + tls.VersionName(state.Version) + " at most."
	case isRSA && key.N.BitLen() < minRSABits:
		weak = fmt.Sprintf("The certificate's RSA key has %d bits.", key.N.BitLen())
	case leaf.SignatureAlgorithm == x509.SHA1WithRSA || leaf.SignatureAlgorithm == x509.ECDSAWithSHA1 || leaf.SignatureAlgorithm == x509.MD5WithRSA:
		weak = "The certificate is signed with " + leaf.SignatureAlgorithm.String() + "."
	default:
		return nil
	}
	return []Finding{finding(TLSWeak, weak, "TLS 1.2 or 1.3, with a certificate of 2048 RSA bits or more, or of an EC key; nginx: ssl_protocols TLSv1.2 TLSv1.3;")}
}

// pool is whom this machine trusts for the server: as clients on it would.
func (s *site) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	if s.net.Trusted != nil {
		pool = s.net.Trusted.Clone()
	}
	for _, dir := range s.net.CertsDirs {
		files, _ := filepath.Glob(filepath.Join(dir, s.hostPort(), "*.crt")) // the pattern is well-formed, or nobody's
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil { // #nosec G304 -- where docker reads them
				certs, _ := trust.Parse(data) // what docker cannot read either
				for _, cert := range certs {
					pool.AddCert(cert.Certificate)
				}
			}
		}
	}
	for _, cert := range s.own {
		pool.AddCert(cert)
	}
	return pool
}
