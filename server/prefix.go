package server

import (
	"net/http"
	"strings"
)

// WithPrefix serves next below a path such as /drawbridge, the one of
// server.external_url: a proxy may take it off before it forwards a request, or leave
// it. Redirects lead back below it. Everything behind this, rights and limits too, sees
// paths without it. An empty prefix: next as it is.
func WithPrefix(prefix string, next http.Handler) http.Handler {
	if prefix == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&below{ResponseWriter: w, prefix: prefix}, without(prefix, r))
	})
}

// without takes the prefix off the request's path, if it is there as whole segments.
func without(prefix string, r *http.Request) *http.Request {
	path, ok := cutPrefix(r.URL.Path, prefix)
	raw, rawOK := cutPrefix(r.URL.RawPath, prefix)
	if !ok || r.URL.RawPath != "" && !rawOK {
		return r
	}
	url, inner := *r.URL, *r
	url.Path, url.RawPath = path, raw
	inner.URL = &url
	return &inner
}

func cutPrefix(path, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(path, prefix)
	switch {
	case !ok || rest != "" && rest[0] != '/':
		return path, false
	case rest == "":
		return "/", true
	}
	return rest, true
}

// below puts the prefix before the paths that redirects name.
type below struct {
	http.ResponseWriter
	prefix string
}

// WriteHeader implements [http.ResponseWriter].
func (b *below) WriteHeader(status int) {
	h := b.Header()
	if to := h.Get("Location"); strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") {
		h.Set("Location", b.prefix+to)
	}
	b.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (b *below) Unwrap() http.ResponseWriter { return b.ResponseWriter }
