package oidc

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"drawbridge/connectors/measure"
	"drawbridge/trust"
)

const (
	// maxBody bounds an answer of the provider, in bytes. Key sets and ID tokens
	// with thousands of groups stay well below.
	maxBody = 1 << 20
	// maxConns bounds the connections to the provider, so that a login flood
	// here is none there.
	maxConns = 32
)

// statusError is an answer with another status than 200.
type statusError struct{ status int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the provider answered HTTP status %d", e.status)
}

// client speaks to one provider.
type client struct {
	http     *http.Client
	insecure bool    // http URLs are permitted
	metrics  Metrics // may be nil
}

// newClient returns a client that trusts the certificates in caFile, or the
// system's if that is empty. An override replaces the transport, in tests.
func newClient(caFile string, insecure bool, timeout time.Duration, override *http.Client) (*client, error) {
	transport, err := newTransport(caFile)
	if err != nil {
		return nil, err
	}
	c := &http.Client{Transport: transport}
	if override != nil {
		c.Transport = override.Transport
	}
	c.Timeout = timeout
	// A redirect would send the password or a token on to another place, perhaps
	// without TLS. Discovery 1.0 section 4.2 wants a 200 anyway.
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{http: c, insecure: insecure}, nil
}

func newTransport(caFile string) (*http.Transport, error) {
	roots, err := trust.Load(caFile)
	if err != nil {
		return nil, fmt.Errorf("issuer_ca_file: %w", err)
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        maxConns,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        60 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}, nil
}

// checkURL refuses URLs that a password or token must not be sent to.
func (c *client) checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return err
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q is not the URL of a server", u.Redacted())
	case u.Scheme == "https", u.Scheme == "http" && c.insecure:
		return nil
	}
	return fmt.Errorf("%s is not https", u)
}

// do sends the request, of that name in metrics, and returns the status and the whole
// body.
func (c *client) do(op string, req *http.Request) (status int, header http.Header, body []byte, err error) {
	question := measure.Ask(req.Context(), backend, op, req.URL.Host)
	defer func() { question.End(c.metrics, requestOutcome(status, err)) }()
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "drawbridge")
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("read the answer of %s: %w", req.URL.Host, err)
	}
	if len(body) > maxBody {
		return 0, nil, nil, fmt.Errorf("the answer of %s is over %d bytes", req.URL.Host, maxBody)
	}
	return resp.StatusCode, resp.Header, body, nil
}

// getJSON fetches one public document.
func (c *client) getJSON(ctx context.Context, op, from string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	status, _, body, err := c.do(op, req)
	switch {
	case err != nil:
		return err
	case status != http.StatusOK:
		return fmt.Errorf("get %s: %w", from, &statusError{status})
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("get %s: %w", from, errors.Join(errNotJSON, err))
	}
	return nil
}

var errNotJSON = errors.New("the answer is not the JSON that was expected")
