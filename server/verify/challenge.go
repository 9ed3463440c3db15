package verify

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// The headers by which a gateway says what the client asked for. They choose the
// words of a challenge and nothing else: a client that writes them itself reads
// its own words.
const (
	headerMethod = "X-Forwarded-Method"
	headerURI    = "X-Forwarded-Uri"
)

// challenge is the WWW-Authenticate header that makes a client fetch another token
// (RFC 6750 section 3), with the parameters that a registry's own has: the realm,
// the service and, where the request tells, the scope it needs.
func (h *Handler) challenge(r *http.Request, service string) string {
	var b strings.Builder
	b.WriteString("Bearer realm=")
	b.WriteString(quoted(h.Realm))
	if service != "" {
		b.WriteString(",service=")
		b.WriteString(quoted(service))
	}
	if scope := scopeOf(r); scope != "" {
		b.WriteString(",scope=")
		b.WriteString(quoted(scope))
	}
	b.WriteString(`,error="invalid_token"`)
	return b.String()
}

// quoted is RFC 9110's quoted-string.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// serviceFor is the registry that the client should get a token for: the one that
// the gateway stands before, the only one, or the one that the refused token
// claims to be for, if there is such a registry. Nothing else is believed of that
// token.
func (h *Handler) serviceFor(pinned, token string) string {
	if pinned != "" {
		return pinned
	}
	if len(h.Services) == 1 {
		return h.Services[0]
	}
	if claimed := claimedAudience(token); h.known(claimed) {
		return claimed
	}
	return ""
}

// claimedAudience reads aud without any check.
func claimedAudience(token string) string {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return ""
	}
	var claims struct {
		Audience string `json:"aud"`
	}
	if json.Unmarshal(text, &claims) != nil {
		return ""
	}
	return claims.Audience
}

// scopeOf is the scope that a registry asks for the request that the gateway was
// asked for: reading needs pull, writing pull and push, DELETE delete. It is empty
// where the request does not tell.
func scopeOf(r *http.Request) string {
	method, uri := r.Header.Get(headerMethod), r.Header.Get(headerURI)
	if method == "" {
		method = r.Method
	}
	if uri == "" {
		uri = strings.TrimPrefix(r.URL.Path, Path) // Envoy appends it
	}
	path, _, _ := strings.Cut(uri, "?") // _state is a secret
	path, ok := strings.CutPrefix(path, "/v2/")
	if !ok {
		return ""
	}
	if path == "_catalog" {
		return "registry:catalog:*"
	}
	name, actions := repositoryOf(path), actionsOf(method)
	if !isName(name) || actions == "" {
		return ""
	}
	return "repository:" + name + ":" + actions
}

func actionsOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead:
		return "pull"
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return "pull,push"
	case http.MethodDelete:
		return "delete"
	}
	return ""
}

// repositoryOf returns what stands before the part of a path that the OCI
// distribution specification names; a repository may be called blobs/manifests.
func repositoryOf(path string) string {
	for _, part := range []string{"/blobs/uploads/", "/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		if i := strings.LastIndex(path, part); i > 0 && !strings.Contains(path[i+len(part):], "/") {
			return path[:i]
		}
	}
	return ""
}

// isName reports whether a challenge can carry the name: nothing in it ends a
// quoted-string or a header.
func isName(s string) bool {
	const most = 255
	return s != "" && len(s) <= most && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-/:") == ""
}
