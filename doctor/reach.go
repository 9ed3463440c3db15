package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// reach looks whether the right server answers at the URL: with the proxy that the
// environment names, as clients would, and without.
func (s *site) reach(ctx context.Context) Outcome {
	direct, directErr := s.look(ctx, nil)
	if proxy := s.net.proxyFor(s.url); proxy != nil {
		through, err := s.look(ctx, http.ProxyURL(proxy))
		if err != nil || !s.right(through) {
			return found("", s.proxyFinding(proxy, through, err, directErr == nil && s.right(direct)))
		}
		s.first = through
		s.net.Proxy = http.ProxyURL(proxy)
		return okay("answers %d through the proxy %s", through.status, proxy.Host)
	}
	s.net.Proxy = nil
	if directErr != nil {
		return found("", s.unreached(ctx, directErr))
	}
	if s.right(direct) {
		s.first = direct
		return okay("answers %d", direct.status)
	}
	if s.plain() && s.speaksTLS(ctx) {
		return found("", s.tlsOnPlain())
	}
	return found("", s.stranger(direct))
}

// look asks once, and verifies no certificate.
func (s *site) look(ctx context.Context, proxy func(*http.Request) (*url.URL, error)) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.net.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.at(s.path), http.NoBody)
	if err != nil {
		return answer{}, err
	}
	return s.net.do(s.net.lookOnly(proxy), req)
}

// tlsOnPlain is the finding of a URL that should begin with https://.
func (s *site) tlsOnPlain() Finding {
	return finding(TLSOnPlain, fmt.Sprintf("At %s a TLS server answers, and the URL begins with http://.", s.url.Host),
		"Write the URL as "+s.withScheme("https")+", in the configuration and wherever clients have it.")
}

// withScheme is the site's URL with another scheme.
func (s *site) withScheme(scheme string) string {
	u := *s.url
	u.Scheme = scheme
	return u.String()
}

// speaksTLS tries a handshake.
func (s *site) speaksTLS(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, s.net.Timeout)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}} // #nosec G402 -- only whether it does
	conn, err := dialer.DialContext(ctx, "tcp", withPort(s.url))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// withPort is host:port of a URL.
func withPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	port := "443"
	if u.Scheme == "http" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// stranger is what answers and is not what should.
func (s *site) stranger(a answer) Finding {
	seen := fmt.Sprintf("GET %s is answered %d", s.at(s.path), a.status)
	if by := a.header.Get("Server"); by != "" {
		seen += " by " + by
	}
	if to := a.header.Get("Location"); to != "" {
		seen += ", with a redirect to " + to
	}
	if a.status >= http.StatusInternalServerError {
		seen += "; a proxy answers so when what is behind it is down"
	}
	id, fix := NoRegistry, "Check host and port: `curl -i "+s.at("/v2/")+"` must answer 401 with a WWW-Authenticate header."
	if s.path != registryPath {
		id, fix = NoDrawbridge, "Check server.external_url and the proxy in front: `curl "+s.at(s.path)+"` must print a JSON document with \"keys\"."
	}
	pass := "A proxy in front must pass every path on, unchanged."
	if prefix := s.url.Path; prefix != "" {
		pass = "A proxy in front passes every path below " + prefix + " on, unchanged or without " + prefix + " (docs/proxies.md); nginx: location " + prefix + "/ { proxy_pass http://127.0.0.1:5001; }"
	}
	return finding(id, seen+".", fix, pass)
}

// unreached sorts what a connection failed on.
func (s *site) unreached(ctx context.Context, err error) Finding {
	host := s.url.Hostname()
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return finding(NameUnknown, fmt.Sprintf("%s: %s.", host, cause(err)),
			"Ask the name server: getent hosts "+host,
			"Correct the name in the URL, add a record for it, or a line to /etc/hosts of every client.")
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return finding(Refused, fmt.Sprintf("%s refuses the connection.", withPort(s.url)),
			"Is it running, and on this port? On its host: ss -ltnp",
			"A container has to publish the port (docker: -p), and a service has to listen on more than 127.0.0.1.")
	case errors.Is(err, http.ErrSchemeMismatch):
		return finding(PlainOnTLS, fmt.Sprintf("At %s a server answers in plain HTTP, and the URL begins with https://.", s.url.Host),
			"Give the server a certificate, or write the URL as "+s.withScheme("http")+".",
			"For a registry without TLS, each docker needs in daemon.json, and a restart:",
			fmt.Sprintf("{ \"insecure-registries\": [%q] }", s.hostPort()))
	case isWeakTLS(err):
		return finding(TLSWeak, fmt.Sprintf("The handshake with %s fails: %s.", s.url.Host, cause(err)),
			"Let the server speak TLS 1.2 and 1.3; nginx: ssl_protocols TLSv1.2 TLSv1.3;")
	case s.plain() && s.speaksTLS(ctx):
		return s.tlsOnPlain()
	}
	return finding(NoAnswer, fmt.Sprintf("%s: %s.", withPort(s.url), cause(err)),
		"Look for a firewall or a security group between this machine and that one: nc -vz "+strings.Replace(withPort(s.url), ":", " ", 1),
		"If the port is open, the process behind it hangs: look at its log.")
}

// isWeakTLS says that no version or cipher is left that a current client offers.
func isWeakTLS(err error) bool {
	alert, ok := errors.AsType[tls.AlertError](err)
	const handshakeFailure, protocolVersion, insufficientSecurity = 40, 70, 71 // RFC 8446 section 6
	return ok && (alert == handshakeFailure || alert == protocolVersion || alert == insufficientSecurity) ||
		strings.Contains(err.Error(), "unsupported protocol version")
}

// proxyFinding says what the proxy of the environment does.
func (s *site) proxyFinding(proxy *url.URL, through answer, err error, direct bool) Finding {
	what := fmt.Sprintf("Requests to %s go through %s, and ", s.url.Host, proxy.Host)
	if err != nil {
		what += "fail: " + cause(err)
	} else {
		what += fmt.Sprintf("are answered %d by something else", through.status)
	}
	if direct {
		what += "; without the proxy the right server answers"
	}
	return finding(ProxyInTheWay, what+".",
		"Except the host, here and for docker's daemon (systemctl edit docker), which needs a restart then:",
		"NO_PROXY="+s.url.Hostname())
}

// cause is an error without the request it is about.
func cause(err error) string {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if os.IsTimeout(err) || errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}
