package verify

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// readers are how registries find a token in an Authorization header: what each
// takes for one, or the empty string.
func readers() map[string]func(string) string {
	zot := regexp.MustCompile("(?i)bearer (.*)")
	dropSpace := func(s string) string { // go-jose, before it parses
		return strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) {
				return -1
			}
			return r
		}, s)
	}
	return map[string]func(string) string{
		"distribution 2.8": func(value string) string {
			parts := strings.Split(value, " ")
			if len(parts) != 2 || !strings.EqualFold(parts[0], "bearer") {
				return ""
			}
			return parts[1]
		},
		"distribution 3": func(value string) string {
			scheme, rest, ok := strings.Cut(value, " ")
			if !ok || !strings.EqualFold(scheme, "bearer") {
				return ""
			}
			return dropSpace(rest)
		},
		"zot": func(value string) string {
			if match := zot.FindStringSubmatch(value); match != nil {
				return match[1]
			}
			return ""
		},
	}
}

// FuzzCredential: no registry finds a token where this package finds none, and
// where it finds one they find the same.
func FuzzCredential(f *testing.F) {
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "Bearer a.b.c", "bearer a.b.c", "Bearer  a.b.c", "Bearer a.b.c ", "Bearer\ta.b.c", "Basic dTpw",
		"Basic bearer a.b.c", "Basic dTpw, Bearer a.b.c", "Xbearer a.b.c", "Bearer a.b.c,d", "Bearer =", "Basic Og==", "Negotiate x",
	} {
		f.Add(seed, "")
		f.Add("Basic dTpw", seed)
	}
	read := readers()
	f.Fuzz(func(t *testing.T, first, second string) {
		header := http.Header{"Authorization": {first}}
		if second != "" {
			header["Authorization"] = []string{first, second}
		}
		token, shown := credential(header)
		for name, registry := range read {
			for _, value := range header["Authorization"] {
				theirs := registry(value)
				if shown == nothing && theirs != "" {
					t.Errorf("%s reads a token in %q, which passes as none", name, value)
				}
				if shown == bearer && theirs != token {
					t.Errorf("%s reads %q in %q, and %q was checked", name, theirs, value, token)
				}
			}
		}
	})
}

// FuzzChallenge: whatever a client asks for, the challenge is one header of which
// each parameter ends where it should.
func FuzzChallenge(f *testing.F) {
	f.Add("GET", "/v2/team/app/manifests/latest", "e30.eyJhdWQiOiJhIn0.x")
	f.Add("PATCH", "/v2/a/blobs/uploads/u?_state=s", "a.b.c")
	f.Add("GET", "/v2/a\"\r\nX: y/manifests/1", "")
	h := &Handler{Services: []string{"a", `b"\`}, Realm: "https://auth.example.com/token"}
	one := regexp.MustCompile(`^Bearer realm="https://auth\.example\.com/token"(,service="(a|b\\"\\\\)")?(,scope="[a-z0-9:/._,*-]+")?,error="invalid_token"$`)
	f.Fuzz(func(t *testing.T, method, uri, token string) {
		r := httptest.NewRequest(http.MethodGet, "/verify", nil)
		r.Header.Set(headerMethod, method)
		r.Header.Set(headerURI, uri)
		if got := h.challenge(r, h.serviceFor("", token)); !one.MatchString(got) {
			t.Errorf("%q", got)
		}
	})
}
