package tracing

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"

	"drawbridge/trust"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// client posts spans to a collector. The official clients of OTLP bring all of gRPC into
// the program, also the one for HTTP.
type client struct {
	http    *http.Client
	url     string
	headers http.Header
}

func newClient(o Options) (*client, error) {
	endpoint, err := ParseEndpoint(o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	headers, err := ParseHeaders(o.Headers)
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	roots, err := trust.Load(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	headers.Set("Content-Type", "application/x-protobuf")
	headers.Set("User-Agent", "drawbridge/"+o.Version)
	return &client{url: endpoint.String(), headers: headers, http: &http.Client{
		Transport: &http.Transport{
			Proxy:             http.ProxyFromEnvironment,
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			ForceAttemptHTTP2: true,
		},
		// A redirect would send the headers on to another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Start implements [otlptrace.Client]. There is nothing to connect to beforehand.
func (c *client) Start(context.Context) error { return nil }

// Stop implements [otlptrace.Client].
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces implements [otlptrace.Client]. The message is an ExportTraceServiceRequest,
// which has the form of TracesData and lies in a package with the gRPC service.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = c.headers.Clone()
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	const most = 64 << 10                                                             // read for the connection's sake
	if _, err := io.CopyN(io.Discard, resp.Body, most); err != nil && err != io.EOF { //nolint:errorlint // io.CopyN returns it as it is
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the collector at %s answers %s", c.url, resp.Status)
	}
	return nil
}
