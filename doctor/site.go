package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// Net is how doctor reaches what it looks at.
type Net struct {
	// Trusted vouch for servers: the system's authorities and those that were named.
	Trusted *x509.CertPool
	// CertsDirs are where docker and others keep the authorities of each registry, in a
	// folder with its name and port.
	CertsDirs []string
	// Proxy is how programs find a proxy in their environment; nil: they find none.
	Proxy   func(*http.Request) (*url.URL, error)
	Timeout time.Duration
	Clock   func() time.Time
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	tls    *tls.ConnectionState
	// sent and took bound when the answer was made.
	sent time.Time
	took time.Duration
}

// site is a server that is looked at.
type site struct {
	net  Net
	url  *url.URL
	path string
	// right says that an answer is of what should be there.
	right func(answer) bool
	// own are further authorities that are good for this server alone.
	own []*x509.Certificate

	first answer // from the first look
	// client verifies, and is set when the TLS is as it should be.
	client *http.Client
}

func (s *site) String() string { return s.url.String() }

// at is a URL on the site.
func (s *site) at(path string) string { return strings.TrimSuffix(s.url.String(), "/") + path }

func (s *site) plain() bool { return s.url.Scheme == "http" }

// hostPort is what certs.d calls the server, and images, too.
func (s *site) hostPort() string { return s.url.Host }

// do sends a request and reads the answer. It follows no redirect.
func (n Net) do(client *http.Client, req *http.Request) (answer, error) {
	sent := n.Clock()
	start := time.Now()
	resp, err := client.Do(req) // #nosec G704 -- the operator names the servers
	if err != nil {
		return answer{}, err
	}
	took := time.Since(start)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, err
	}
	return answer{resp.StatusCode, resp.Header, string(body), resp.TLS, sent, took}, nil
}

// get asks the verified server, with a token if there is one.
func (s *site) get(ctx context.Context, path, bearer string) (answer, error) {
	header := http.Header{}
	if bearer != "" {
		header.Set("Authorization", "Bearer "+bearer)
	}
	return s.ask(ctx, http.MethodGet, s.at(path), header, nil)
}

// ask sends any request to the verified server.
func (s *site) ask(ctx context.Context, method, target string, header http.Header, body io.Reader) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.net.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	return s.net.do(s.client, req)
}

// transport has one connection for each request, so that each is a try of its own.
func (n Net) transport(config *tls.Config, proxy func(*http.Request) (*url.URL, error)) *http.Client {
	return &http.Client{
		Timeout:       n.Timeout,
		Transport:     &http.Transport{TLSClientConfig: config, Proxy: proxy, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// lookOnly verifies nothing: what is wrong with a certificate is found out from
// itself, and nothing secret is sent.
func (n Net) lookOnly(proxy func(*http.Request) (*url.URL, error)) *http.Client {
	return n.transport(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}, proxy) // #nosec G402 -- see above
}

// proxyFor is the proxy that the environment names for the URL, if any.
func (n Net) proxyFor(u *url.URL) *url.URL {
	if n.Proxy == nil {
		return nil
	}
	proxy, err := n.Proxy(&http.Request{URL: u})
	if err != nil {
		return &url.URL{Scheme: "http", Host: "(malformed)"}
	}
	return proxy
}
