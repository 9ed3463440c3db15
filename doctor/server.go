package doctor

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"drawbridge/identity"
)

const (
	jwksPath      = "/.well-known/jwks.json"
	signingCAPath = "/.well-known/signing-ca.pem"
)

// serverSite is the Drawbridge that is looked at.
type serverSite struct {
	*site
	Options
}

func newServerSite(o Options, u *url.URL) *serverSite {
	s := &site{net: o.Net, url: u, path: jwksPath, right: isDrawbridge}
	if o.Server.SelfSigned != nil {
		s.own = []*x509.Certificate{o.Server.SelfSigned}
	}
	return &serverSite{s, o}
}

// isDrawbridge says that an answer is a list of keys.
func isDrawbridge(a answer) bool {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	return a.status == http.StatusTooManyRequests || a.status == http.StatusOK && json.Unmarshal([]byte(a.body), &set) == nil && set.Keys != nil
}

// checks are those of Drawbridge itself.
func (s *serverSite) checks() []Check {
	subject := s.String()
	key := func(name string) string { return Check{Name: name, Subject: subject}.Key() }
	reach, secure := key("drawbridge answers"), key("drawbridge TLS")
	return []Check{
		{Name: "drawbridge answers", Subject: subject, Run: s.reach},
		{Name: "drawbridge TLS", Subject: subject, Run: s.secureServer, Needs: []string{reach}},
		{Name: "drawbridge signs with these keys", Subject: subject, Run: s.signs, Needs: []string{reach, secure, "signing keys"}},
		{Name: "logins reach drawbridge", Subject: subject, Run: s.headers, Needs: []string{reach, secure}},
		{Name: "limits", Subject: subject, Run: s.limits, Needs: []string{reach, secure}},
		{Name: "pages of other origins", Subject: subject, Run: s.origins, Needs: []string{reach, secure}},
	}
}

// secureServer looks at the certificate. Our own self-signed one is as it should be
// where all registries are on this machine: docker then asks for no authority.
func (s *serverSite) secureServer(ctx context.Context) Outcome {
	if s.plain() {
		s.secure(ctx)
		if identity.Loopback(s.url.Hostname()) {
			return okay("plain HTTP on this machine")
		}
		return skipped("plain HTTP")
	}
	o := s.secure(ctx)
	if o.State == Fail || s.Server.SelfSigned == nil || !s.first.tls.PeerCertificates[0].Equal(s.Server.SelfSigned) {
		return o
	}
	known := &site{net: s.net, url: s.url}
	for _, r := range s.Entries {
		u, err := parseURL(r.URL)
		if r.URL == "" || err != nil || identity.Loopback(u.Hostname()) {
			continue
		}
		known.url = u // clients use the registry's authorities
		if _, err := s.Server.SelfSigned.Verify(x509.VerifyOptions{Roots: known.pool(), CurrentTime: s.net.Clock()}); err != nil {
			return found("", finding(CertUnknown,
				fmt.Sprintf("Drawbridge's certificate is its own (%s), and clients of %s are not told of it here.", s.Server.SelfSignedFile, u.Host),
				append([]string{"The file is " + s.Server.SelfSignedFile + "; or use server.tls.mode: files or acme."}, trustLines(u.Host)...)...))
		}
	}
	o.Detail += ", self-signed"
	return o
}

// sameKeys says whether the server hands out our trust anchor.
func (s *serverSite) sameKeys(ctx context.Context, ours []byte) (bool, error) {
	a, err := s.get(ctx, signingCAPath, "")
	if err != nil {
		return false, err
	}
	if a.status != http.StatusOK {
		return false, fmt.Errorf("GET %s is answered %d", s.at(signingCAPath), a.status)
	}
	return bytes.Equal(bytes.TrimSpace([]byte(a.body)), bytes.TrimSpace(ours)), nil
}

// signs looks whether the server uses the keys of the data_dir.
func (s *serverSite) signs(ctx context.Context) Outcome {
	same, err := s.sameKeys(ctx, s.Server.SigningCA)
	switch {
	case err != nil:
		return unsure("%s", cause(err))
	case !same:
		return found("", finding(KeysElsewhere, "What "+s.at(signingCAPath)+" hands out is not the signing CA of this configuration's data_dir.",
			"Run doctor where the server runs, with its configuration and in its working directory: a relative data_dir begins there.",
			"Several replicas need one CA: tokens.ca_cert_file and tokens.ca_key_file (docs/ha.md)."))
	}
	return okay("the trust anchor is that of data_dir")
}

// headers looks whether a login's Authorization header arrives: Drawbridge refuses
// one that is no login, before it asks any connector, and answers 200 without one.
func (s *serverSite) headers(ctx context.Context) Outcome {
	service := ""
	if len(s.Entries) > 0 {
		service = s.Entries[0].Service
	}
	target := s.at("/token?" + url.Values{"service": {service}}.Encode())
	a, err := s.ask(ctx, http.MethodGet, target, http.Header{"Authorization": {"Bearer drawbridge-doctor"}}, nil)
	switch {
	case err != nil:
		return unsure("%s", cause(err))
	case a.status == http.StatusUnauthorized:
		return okay("the Authorization header arrives")
	case a.status == http.StatusTooManyRequests:
		return found("", s.limited(a))
	case a.status == http.StatusOK:
		return found("", finding(AuthDroppedServer, "A request with an Authorization header is answered as if it had none.",
			"nginx: remove proxy_set_header Authorization \"\"; and auth_basic before Drawbridge.",
			"Apache: CGIPassAuth or ProxyPass without its own login; a cloud gateway: pass the header on."))
	}
	return unsure("/token is answered %d", a.status)
}

func (s *serverSite) limited(a answer) Finding {
	what := "Drawbridge, or the proxy in front, answers 429"
	if wait := a.header.Get("Retry-After"); wait != "" {
		what += ", and asks to wait " + wait + " s"
	}
	return finding(RateLimited, what+".", "Wait and run this again, or raise limits.requests_per_second.",
		"If everybody comes through one proxy, put its address into server.trusted_proxies: then each client has a rate of its own.")
}

// limits looks whether clients have addresses of their own.
func (s *serverSite) limits(context.Context) Outcome {
	switch {
	case s.first.status == http.StatusTooManyRequests:
		return found("", s.limited(s.first))
	case s.Server.BehindProxy && s.Server.TrustedProxies == 0:
		return found("", finding(LimitsBehindProxy, "server.tls.mode is off, so that a proxy is in front, and server.trusted_proxies is empty.",
			"In the configuration, with the proxy's address:  server: { trusted_proxies: [\"10.0.0.5/32\"] }",
			"And the proxy has to send it; nginx: proxy_set_header X-Forwarded-For $remote_addr;"))
	}
	return okay("no limit is met")
}
