package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"drawbridge/authz"
	"drawbridge/identity"
)

// Client speaks to one server.
type Client struct {
	// URL is the server's: https://auth.example.com:5001.
	URL      string
	Username string
	Password identity.Secret
	HTTP     *http.Client
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// call is one request.
type call struct {
	method, path string
	query        url.Values
	match        string // If-Match
	body         any
}

// do sends a request and decodes the answer into out, which may be nil. It returns
// the answer's entity tag.
func (c *Client) do(ctx context.Context, call call, out any) (etag string, err error) {
	var body io.Reader = http.NoBody
	if call.body != nil {
		data, err := json.Marshal(call.body)
		if err != nil {
			return "", err
		}
		body = bytes.NewReader(data)
	}
	target := strings.TrimSuffix(c.URL, "/") + "/api/v1" + call.path
	if len(call.query) > 0 {
		target += "?" + call.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, call.method, target, body)
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(c.Username, c.Password.Reveal())
	if call.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if call.match != "" {
		req.Header.Set("If-Match", call.match)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", c.URL, err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("read the answer of %s: %w", c.URL, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return "", problem(resp, data)
	}
	if out != nil {
		if err := json.Unmarshal(data, out); err != nil {
			return "", fmt.Errorf("%s does not answer as Drawbridge does (is --server the right URL?): %w", c.URL, err)
		}
	}
	return resp.Header.Get("ETag"), nil
}

// kindOf is the way back from the API's statuses.
func kindOf(status int) identity.ErrorKind {
	switch status {
	case http.StatusUnprocessableEntity, http.StatusBadRequest:
		return identity.Invalid
	case http.StatusRequestEntityTooLarge:
		return identity.TooLarge
	case http.StatusUnauthorized:
		return identity.Unauthenticated
	case http.StatusForbidden:
		return identity.Forbidden
	case http.StatusServiceUnavailable:
		return identity.Unavailable
	case http.StatusTooManyRequests:
		return identity.RateLimited
	case http.StatusNotFound:
		return identity.NotFound
	case http.StatusConflict:
		return identity.Conflict
	case http.StatusPreconditionFailed, http.StatusPreconditionRequired:
		return identity.Stale
	case http.StatusNotImplemented:
		return identity.Unsupported
	}
	return identity.Internal
}

// problem turns problem details (RFC 9457) into the error that they were made of.
func problem(resp *http.Response, data []byte) error {
	var p struct {
		Detail string `json:"detail"`
		Errors []struct {
			Message  string `json:"message"`
			Location string `json:"location"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(data, &p); err != nil || p.Detail == "" {
		return fmt.Errorf("the answer is %s, and not one of Drawbridge's API; is --server the right URL?", resp.Status)
	}
	var faults authz.Problems
	for _, e := range p.Errors {
		if fault, ok := faultOf(e.Location, e.Message); ok {
			faults = append(faults, fault)
		}
	}
	if len(faults) > 0 {
		return faults
	}
	e := &identity.Error{Kind: kindOf(resp.StatusCode), Message: p.Detail}
	for _, more := range p.Errors {
		e.Message += " " + strings.TrimSpace(more.Location+": "+more.Message)
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	if resp.StatusCode >= http.StatusInternalServerError && e.Kind == identity.Internal {
		e.Err = errors.New("request " + resp.Header.Get("X-Request-Id"))
	}
	return e
}

// faultOf reads a fault of a policy document: its location is "line 3: bindings[0]".
func faultOf(location, message string) (authz.Problem, bool) {
	line, path, ok := strings.Cut(location, ": ")
	number, isLine := strings.CutPrefix(line, "line ")
	n, err := strconv.Atoi(number)
	if !ok || !isLine || err != nil {
		return authz.Problem{}, false
	}
	return authz.Problem{File: "policy", Line: n, Path: path, Message: message}, true
}
