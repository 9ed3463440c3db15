package tracing

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"drawbridge/identity"
)

// defaultPath is where a collector takes spans (OTLP 1.x, "OTLP/HTTP Request").
const defaultPath = "/v1/traces"

// ParseEndpoint returns the URL that spans are posted to: what was written, with
// /v1/traces where it has no path.
func ParseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("must be a URL that begins with http:// or https:// and has a host, such as http://collector:4318; OTLP over gRPC is not spoken")
	case u.User != nil:
		return nil, errors.New("a URL here has no user name and no password; they belong in tracing.headers")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "": // errors quote the URL, and a query may be a secret
		return nil, errors.New("must end with its path: a URL here has no query and no fragment; keys belong in tracing.headers")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path, u.RawPath = defaultPath, ""
	}
	return u, nil
}

// errHeaders does not quote them.
var errHeaders = errors.New("must be name=value, several of them with commas between, as in authorization=Bearer%20abc,x-scope-orgid=1; " +
	"a comma or a percent sign inside of a value is percent-encoded")

// ParseHeaders reads headers in the form of OTEL_EXPORTER_OTLP_HEADERS: name=value with
// commas in between, the values percent-encoded. Its error holds none of them.
func ParseHeaders(text identity.Secret) (http.Header, error) {
	headers := http.Header{}
	if text.Empty() {
		return headers, nil
	}
	for pair := range strings.SplitSeq(text.Reveal(), ",") {
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil || !headerName(name) || strings.ContainsFunc(value, unicode.IsControl) {
			return nil, errHeaders
		}
		headers.Add(name, value)
	}
	return headers, nil
}

// headerName accepts the letters that names of headers are made of in practice.
func headerName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return name != "" && strings.Trim(name, letters) == ""
}
