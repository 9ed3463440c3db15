package verify_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"drawbridge/server/verify"
)

func TestChallengeNamesTheScope(t *testing.T) {
	w := newWorld(t, docker)
	const prefix = `Bearer realm="` + realm + `",service="` + docker + `"`
	for _, tt := range []struct{ method, uri, scope string }{
		{"GET", "/v2/", ""},
		{"GET", "/v2/team/app/manifests/latest", "repository:team/app:pull"},
		{"HEAD", "/v2/team/app/blobs/sha256:abc", "repository:team/app:pull"},
		{"GET", "/v2/team/app/tags/list?n=5", "repository:team/app:pull"},
		{"GET", "/v2/team/app/referrers/sha256:abc", "repository:team/app:pull"},
		{"POST", "/v2/team/app/blobs/uploads/?mount=sha256:abc&from=x", "repository:team/app:pull,push"},
		{"PATCH", "/v2/team/app/blobs/uploads/uuid?_state=s", "repository:team/app:pull,push"},
		{"PUT", "/v2/app/manifests/1", "repository:app:pull,push"},
		{"DELETE", "/v2/team/app/manifests/sha256:abc", "repository:team/app:delete"},
		{"GET", "/v2/_catalog?n=10", "registry:catalog:*"},
		{"GET", "/v2/a/blobs/manifests/1", "repository:a/blobs:pull"},
		{"GET", "/v2/a/manifests/blobs/sha256:1", "repository:a/manifests:pull"},
		{"GET", "/v2/localhost:5000/a/manifests/1", "repository:localhost:5000/a:pull"},
		{"PROPFIND", "/v2/team/app/manifests/1", ""},
		{"GET", "/other/team/app/manifests/1", ""},
		{"GET", "/v2/manifests/1", ""},
		{"GET", `/v2/a",evil="/manifests/1`, ""},
		{"GET", "/v2/Upper/manifests/1", ""},
		{"GET", "/v2/" + strings.Repeat("a", 256) + "/manifests/1", ""},
	} {
		want := prefix
		if tt.scope != "" {
			want += `,scope="` + tt.scope + `"`
		}
		want += `,error="invalid_token"`
		got := w.ask("Authorization", "Bearer x", "X-Forwarded-Method", tt.method, "X-Forwarded-Uri", tt.uri).Header().Get("WWW-Authenticate")
		if got != want {
			t.Errorf("%s %s:\n%s, want\n%s", tt.method, tt.uri, got, want)
		}
	}
	// Envoy sends the client's own method and appends its path.
	r := httptest.NewRequest(http.MethodPatch, "/verify/v2/team/app/blobs/uploads/uuid?_state=s", nil)
	r.Header.Set("Authorization", "Bearer x")
	if got := w.do(r).Header().Get("WWW-Authenticate"); !strings.Contains(got, `scope="repository:team/app:pull,push"`) {
		t.Errorf("the path below /verify: %s", got)
	}
}

// With several registries the service is the gateway's, or the token's own.
func TestChallengeNamesTheService(t *testing.T) {
	w := newWorld(t)
	mine, _ := w.mint(zot)
	gone, _ := newWorld(t, `Quoted "registry"`).mint(`Quoted "registry"`)
	for name, tt := range map[string]struct {
		headers []string
		want    string
	}{
		"the token's":                       {[]string{"Authorization", "Bearer " + mine + "x"}, `,service="zot",`},
		"the gateway's":                     {[]string{"Authorization", "Bearer x", verify.ServiceHeader, docker}, `,service="Docker registry",`},
		"the gateway's and not the token's": {[]string{"Authorization", "Bearer " + mine, verify.ServiceHeader, docker}, `,service="Docker registry",`},
	} {
		if got := w.ask(tt.headers...).Header().Get("WWW-Authenticate"); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, token := range []string{"x", "a.b.c", "..", gone, "e30.W10.x"} {
		if got := w.ask("Authorization", "Bearer "+token).Header().Get("WWW-Authenticate"); strings.Contains(got, "service=") {
			t.Errorf("a service that is none of ours is in the challenge: %s", got)
		}
	}
	quoted := newWorld(t, `Quoted "registry"`)
	if got := quoted.ask("Authorization", "Bearer x").Header().Get("WWW-Authenticate"); !strings.Contains(got, `,service="Quoted \"registry\"",`) {
		t.Error(got)
	}
}
