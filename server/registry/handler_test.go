package registry_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/bridge"
	"drawbridge/identity"
	"drawbridge/server/registry"

	"github.com/google/go-cmp/cmp"
)

// issuer records what the handler parsed and answers with what the test set.
type issuer struct {
	got    *bridge.Request
	answer bridge.Answer
	err    error
}

func (i *issuer) Token(_ context.Context, req bridge.Request) (bridge.Answer, error) {
	i.got = &req
	return i.answer, i.err
}

func handler(i *issuer) http.Handler {
	mux := http.NewServeMux()
	(&registry.Handler{
		Bridge: i, ClientAddr: func(*http.Request) string { return "192.0.2.1" },
		RequestID: func(*http.Request) string { return "req" }, Log: slog.New(slog.DiscardHandler),
		TokenUsernames: registry.DefaultTokenUsernames(),
	}).Mount(mux)
	return mux
}

func do(t *testing.T, i *issuer, r *http.Request) (rec *httptest.ResponseRecorder, body string) {
	t.Helper()
	rec = httptest.NewRecorder()
	handler(i).ServeHTTP(rec, r)
	return rec, rec.Body.String()
}

func get(query string) *http.Request {
	return httptest.NewRequest(http.MethodGet, "/token?"+query, nil)
}

func basic(r *http.Request, username, password string) *http.Request {
	r.SetBasicAuth(username, password)
	return r
}

func post(form string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return r
}

// What real clients send, and what is read out of it.
func TestRequests(t *testing.T) {
	for _, tt := range []struct {
		name     string
		r        *http.Request
		user     string
		password string
		refresh  string
		scopes   []string
	}{
		{
			name: "docker login probe",
			r:    basic(get("account=alice&client_id=docker&offline_token=true&service=Docker+registry"), "alice", "secret"),
			user: "alice", password: "secret",
		},
		{
			name: "docker push: scopes overlap and repeat",
			r: basic(get("service=Docker+registry&scope=repository:x:pull&scope=repository:x:push,pull&scope=repository:y:pull"),
				"alice", "secret"),
			user: "alice", password: "secret",
			scopes: []string{"repository:x:pull,push", "repository:y:pull"},
		},
		{
			name:   "OCI conformance: one scope with spaces",
			r:      get("service=Docker+registry&scope=" + url.QueryEscape("repository:a/b:pull repository:c/d:push")),
			scopes: []string{"repository:a/b:pull", "repository:c/d:push"},
		},
		{name: "empty scope", r: get("service=Docker+registry&scope=")},
		{name: "no credentials", r: get("service=Docker+registry")},
		{name: "empty user and password are anonymous", r: basic(get("service=Docker+registry"), "", "")},
		{
			name: "containerd: an empty user and a token are a refresh token",
			r:    basic(get("service=Docker+registry"), "", "opaque"), refresh: "opaque",
		},
		{
			name: "a credential helper's token",
			r:    basic(get("service=Docker+registry"), "<token>", "opaque"), refresh: "opaque",
		},
		{
			name: "Azure's token user", refresh: "opaque",
			r: post("grant_type=password&service=Docker+registry&username=00000000-0000-0000-0000-000000000000&password=opaque"),
		},
		{
			name: "docker 29: POST with a password",
			r: post("grant_type=password&service=Docker+registry&client_id=containerd-client&scope=repository%3Ax%3Apull&username=" +
				url.QueryEscape("jürgen") + "&password=" + url.QueryEscape("p&=ß")),
			user: "jürgen", password: "p&=ß", scopes: []string{"repository:x:pull"},
		},
		{
			name: "POST without a grant type and with Basic",
			r:    basic(post("service=Docker+registry"), "alice", "secret"), user: "alice", password: "secret",
		},
		{
			name: "POST with a refresh token", refresh: "opaque",
			r: post("grant_type=refresh_token&service=Docker+registry&refresh_token=opaque"),
		},
		{
			name: "a colon in the password",
			r:    basic(get("service=Docker+registry"), "alice", "a:b:c"), user: "alice", password: "a:b:c",
		},
		{
			name: "the catalog and a name with a host",
			r:    get("service=Docker+registry&scope=registry:catalog:*&scope=repository:localhost:5000/app:pull"),
			scopes: []string{
				"registry:catalog:*", "repository:localhost:5000/app:pull",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := &issuer{answer: bridge.Answer{Token: "T", TTL: 5 * time.Minute}}
			resp, body := do(t, i, tt.r)
			if resp.Code != http.StatusOK {
				t.Fatalf("status %d: %s", resp.Code, body)
			}
			got := i.got
			if got.Service != "Docker registry" || got.SourceIP != "192.0.2.1" || got.RequestID != "req" {
				t.Errorf("got %+v", got)
			}
			if got.Credential.Username != tt.user || got.Credential.Password.Reveal() != tt.password {
				t.Errorf("credential %q %q", got.Credential.Username, got.Credential.Password.Reveal())
			}
			if got.RefreshToken.Reveal() != tt.refresh {
				t.Errorf("refresh token %q", got.RefreshToken.Reveal())
			}
			var scopes []string
			for _, s := range got.Scopes {
				scopes = append(scopes, s.String())
			}
			if diff := cmp.Diff(tt.scopes, scopes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	for _, path := range []string{"/token", "/auth"} {
		i := &issuer{answer: bridge.Answer{Token: "T", TTL: 90 * time.Second, Scope: "repository:x:pull"}}
		resp, body := do(t, i, httptest.NewRequest(http.MethodGet, path+"?service=S", nil))
		want := `{"token":"T","access_token":"T","expires_in":90,"scope":"repository:x:pull"}`
		if body != want {
			t.Errorf("%s: got %s", path, body)
		}
		if resp.Header().Get("Content-Type") != "application/json" || resp.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", path, resp.Header())
		}
	}
}

// echo answers with the service that is asked for as the token.
type echo struct{}

func (echo) Token(_ context.Context, req bridge.Request) (bridge.Answer, error) {
	return bridge.Answer{Token: req.Service, TTL: time.Minute}, nil
}

// Answers are written from memory that others were written from.
func TestAnswersAreNotMixed(t *testing.T) {
	h := &registry.Handler{
		Bridge: echo{}, ClientAddr: func(*http.Request) string { return "" }, RequestID: func(*http.Request) string { return "" },
	}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 200 {
				token := strings.Repeat(string(rune('a'+worker)), 1+(i*37+worker*101)%1000)
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, get("service="+token))
				if body, want := rec.Body.String(), `{"token":"`+token+`","access_token":"`+token+`","expires_in":60,"scope":""}`; body != want {
					t.Errorf("worker %d: %.80s ... %.80s", worker, body, body[max(0, len(body)-80):])
				}
			}
		})
	}
	group.Wait()
}

// Who asks for a refresh token, in the words of either method, and who would take a
// new one at each use.
func TestAskingForARefreshToken(t *testing.T) {
	for _, tt := range []struct {
		name              string
		r                 *http.Request
		offline, rotating bool
	}{
		{"docker login", basic(get("service=S&offline_token=true"), "alice", "x"), true, false},
		{"not in a GET", basic(get("service=S&access_type=offline"), "alice", "x"), false, false},
		{"a GET that does not", basic(get("service=S&offline_token=false"), "alice", "x"), false, false},
		{"a form", post("service=S&grant_type=password&username=a&password=b&access_type=offline"), true, false},
		{"a form that does not", post("service=S&grant_type=password&username=a&password=b&access_type=online"), false, false},
		{"not in a form", post("service=S&grant_type=password&username=a&password=b&offline_token=true"), false, false},
		{"a client that rotates", post("service=S&grant_type=password&username=a&password=b&access_type=offline&refresh_token_rotation=true"), true, true},
		{"crane, with a token that it has", post("service=S&grant_type=refresh_token&refresh_token=r&access_type=offline"), true, false},
	} {
		i := &issuer{answer: bridge.Answer{Token: "T", TTL: time.Minute}}
		if resp, body := do(t, i, tt.r); resp.Code != http.StatusOK {
			t.Fatalf("%s: status %d: %s", tt.name, resp.Code, body)
		}
		if i.got.Offline != tt.offline || i.got.Rotating != tt.rotating {
			t.Errorf("%s: offline %v, rotating %v", tt.name, i.got.Offline, i.got.Rotating)
		}
	}
	i := &issuer{answer: bridge.Answer{Token: "T", TTL: time.Minute, RefreshToken: identity.NewSecret("R")}}
	if _, body := do(t, i, get("service=S&offline_token=true")); body != `{"token":"T","access_token":"T","expires_in":60,"scope":"","refresh_token":"R"}` {
		t.Errorf("got %s", body)
	}
}

// Requests that are refused before anybody is asked.
func TestBadRequests(t *testing.T) {
	unparsable := get("service=S")
	unparsable.Header.Set("Authorization", "Bearer abc")
	notBase64 := get("service=S")
	notBase64.Header.Set("Authorization", "Basic !!!")
	noColon := get("service=S")
	noColon.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("alice")))
	asJSON := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(`{"grant_type":"password"}`))
	asJSON.Header.Set("Content-Type", "application/json")
	for _, tt := range []struct {
		name   string
		r      *http.Request
		status int
	}{
		{"body over the limit", post("grant_type=password&service=S&username=a&password=" + strings.Repeat("x", 70<<10)), http.StatusRequestEntityTooLarge},
		{"101 scopes", get("service=S" + strings.Repeat("&scope=repository:x:pull", 101)), http.StatusBadRequest},
		{"101 scopes in one", get("service=S&scope=" + strings.Repeat("repository:x:pull+", 101)), http.StatusBadRequest},
		{"a scope over the limit", get("service=S&scope=repository:" + strings.Repeat("x", 3000) + ":pull"), http.StatusBadRequest},
		{"a service over the limit", get("service=" + strings.Repeat("x", 2000)), http.StatusBadRequest},
		{"malformed query", get("service=%zz"), http.StatusBadRequest},
		{"malformed form", post("service=%zz"), http.StatusBadRequest},
		{"JSON", asJSON, http.StatusBadRequest},
		{"no grant type", post("service=S&username=alice&password=x"), http.StatusBadRequest},
		{"unknown grant type", post("grant_type=client_credentials&service=S"), http.StatusBadRequest},
		{"empty refresh token", post("grant_type=refresh_token&service=S"), http.StatusBadRequest},
		{"Bearer", unparsable, http.StatusUnauthorized},
		{"not base64", notBase64, http.StatusUnauthorized},
		{"no colon", noColon, http.StatusUnauthorized},
		{"a token user without a token", basic(get("service=S"), "<token>", ""), http.StatusUnauthorized},
		{"PUT", httptest.NewRequest(http.MethodPut, "/token", nil), http.StatusMethodNotAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := &issuer{}
			resp, body := do(t, i, tt.r)
			if resp.Code != tt.status {
				t.Errorf("status %d, want %d: %s", resp.Code, tt.status, body)
			}
			if i.got != nil {
				t.Error("the bridge was asked")
			}
			checkErrorShape(t, body)
		})
	}
}

// A password in the query of a POST would be in somebody's access log, so that it
// is not even read.
func TestPostIgnoresTheQuery(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/token?grant_type=password&username=alice&password=secret", strings.NewReader("service=S"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	i := &issuer{}
	if resp, body := do(t, i, r); resp.Code != http.StatusBadRequest || i.got != nil {
		t.Errorf("status %d: %s", resp.Code, body)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		code   string
		header string
		want   string
	}{
		{&identity.Error{Kind: identity.Unauthenticated, Message: "No."}, 401, "UNAUTHORIZED", "WWW-Authenticate", `Basic realm="Drawbridge", charset="UTF-8"`},
		{&identity.Error{Kind: identity.Forbidden, Message: "No."}, 403, "DENIED", "WWW-Authenticate", ""},
		{&identity.Error{Kind: identity.Unavailable, Message: "Later.", RetryAfter: 1500 * time.Millisecond}, 503, "UNAVAILABLE", "Retry-After", "2"},
		{&identity.Error{Kind: identity.Unavailable, Message: "Later."}, 503, "UNAVAILABLE", "Retry-After", "5"},
		{&identity.Error{Kind: identity.RateLimited, Message: "Later.", RetryAfter: time.Minute}, 429, "TOOMANYREQUESTS", "Retry-After", "60"},
		{&identity.Error{Kind: identity.TooLarge, Message: "Big."}, 413, "UNSUPPORTED", "Retry-After", ""},
		{errors.New("dial tcp 10.0.0.1:636: refused"), 500, "UNAVAILABLE", "WWW-Authenticate", ""},
	} {
		t.Run(tt.code, func(t *testing.T) {
			resp, body := do(t, &issuer{err: tt.err}, get("service=S"))
			if resp.Code != tt.status || resp.Header().Get(tt.header) != tt.want {
				t.Errorf("status %d, %s: %q", resp.Code, tt.header, resp.Header().Get(tt.header))
			}
			if got := checkErrorShape(t, body); got != tt.code {
				t.Errorf("code %s, want %s", got, tt.code)
			}
			if strings.Contains(body, "10.0.0.1") {
				t.Errorf("the cause is shown: %s", body)
			}
		})
	}
}

// checkErrorShape checks the shape that docker, podman and crane can print, with
// the detail as a string or absent, and returns the code.
func checkErrorShape(t *testing.T, body string) string {
	t.Helper()
	var parsed struct {
		Errors []struct {
			Code    string  `json:"code"`
			Message string  `json:"message"`
			Detail  *string `json:"detail"`
		} `json:"errors"`
	}
	if err := json.Unmarshal([]byte(body), &parsed); err != nil || len(parsed.Errors) != 1 || parsed.Errors[0].Message == "" {
		t.Fatalf("the body is not a registry error: %s (%v)", body, err)
	}
	return parsed.Errors[0].Code
}

func FuzzTokenRequest(f *testing.F) {
	f.Add("GET", "service=S&scope=repository:x:pull", "Basic YTpi", "")
	f.Add("POST", "", "", "grant_type=password&username=a&password=b&service=S")
	f.Add("POST", "", "Basic Og==", "service=S&scope=")
	f.Fuzz(func(t *testing.T, method, query, authorization, form string) {
		if method != http.MethodGet && method != http.MethodPost {
			return
		}
		r := httptest.NewRequest(method, "/token", strings.NewReader(form))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		i := &issuer{answer: bridge.Answer{Token: "T", TTL: time.Minute}}
		resp, body := do(t, i, r)
		if resp.Code >= 500 {
			t.Fatalf("status %d: %s", resp.Code, body)
		}
		if resp.Code != http.StatusOK {
			checkErrorShape(t, body)
		}
		// Whoever sends an Authorization header is never taken for nobody by
		// mistake: only the empty Basic pair is.
		if resp.Code == http.StatusOK && authorization != "" && method == http.MethodGet {
			user, password, ok := r.BasicAuth()
			anonymous := i.got.Credential == (identity.Credential{}) && i.got.RefreshToken.Empty()
			if !ok || anonymous != (user == "" && password == "") {
				t.Fatalf("Authorization %q was read as anonymous=%v", authorization, anonymous)
			}
		}
	})
}
