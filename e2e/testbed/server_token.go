package testbed

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// TokenRequest is a request to the token endpoint.
type TokenRequest struct {
	// Service may be empty where the server has one registry.
	Service string
	// User and Password are the caller's; without a user the caller is anonymous.
	User, Password string
	Scopes         []string
	// Form sends a POST with an OAuth2 form instead of a GET with HTTP Basic. Offline
	// asks for a refresh token in it.
	Form, Offline bool
}

// TokenAnswer is what came back: a token, or the registry's error shape.
type TokenAnswer struct {
	Status int
	Header http.Header
	Body   string

	Token string `json:"token"`
	Scope string `json:"scope"`
	// RefreshToken is there for who asked for one or has shown one.
	RefreshToken string `json:"refresh_token"`
	Errors       []struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

// Client is an HTTP client that trusts the server's certificate and no other.
func (s *Server) Client() *http.Client {
	s.t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(readFile(s.t, s.CAFile)) {
		s.t.Fatalf("no certificate in %s", s.CAFile)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Token asks for a token as docker does: GET with HTTP Basic. No user is the
// anonymous caller.
func (s *Server) Token(user, password string, scopes ...string) TokenAnswer {
	s.t.Helper()
	return s.Ask(TokenRequest{User: user, Password: password, Scopes: scopes})
}

// Ask sends a token request. An answer that is neither a token nor the registry's
// error shape fails the test.
func (s *Server) Ask(req TokenRequest) TokenAnswer {
	s.t.Helper()
	fields := url.Values{"scope": req.Scopes, "client_id": {"testbed"}}
	if req.Service != "" {
		fields.Set("service", req.Service)
	}
	method, target, body := http.MethodGet, s.URL+"/token?"+fields.Encode(), ""
	if req.Form {
		fields.Set("grant_type", "password")
		fields.Set("username", req.User)
		fields.Set("password", req.Password)
		if req.Offline {
			fields.Set("access_type", "offline")
		}
		method, target, body = http.MethodPost, s.URL+"/token", fields.Encode()
	}
	r, err := http.NewRequestWithContext(context.Background(), method, target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	switch {
	case req.Form:
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case req.User != "":
		r.SetBasicAuth(req.User, req.Password)
	}
	return s.Do(r)
}

// Do sends any request to the token endpoint and reads the answer.
func (s *Server) Do(r *http.Request) TokenAnswer {
	s.t.Helper()
	client := s.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	answer := TokenAnswer{Status: resp.StatusCode, Header: resp.Header, Body: string(data)}
	if err := json.Unmarshal(data, &answer); err != nil {
		s.t.Fatalf("%s %s: status %d with a body that is no JSON: %q", r.Method, r.URL.Path, resp.StatusCode, data)
	}
	if (answer.Token == "") == (len(answer.Errors) == 0) {
		s.t.Fatalf("%s %s: status %d with neither a token nor errors, or with both: %s", r.Method, r.URL.Path, resp.StatusCode, data)
	}
	return answer
}
