package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
)

// claimsOf reads a token without any check.
func claimsOf(t *testing.T, token string) (claims struct{ Jti, Sub string }, kid string) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %q", token)
	}
	var header struct{ Kid string }
	for i, into := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	return claims, header.Kid
}

// mint signs a token with the server's own keys, as another replica does.
func mint(t *testing.T, s *testbed.Server, edit func(*tokens.Claims)) string {
	t.Helper()
	now := time.Now()
	keys, err := tokens.Open(tokens.Options{
		Dir: filepath.Join(s.Dir, "data", "keys"), LongestTTL: time.Hour, Registries: []tokens.Registry{{Service: service}, {Service: other}},
	})
	if err != nil {
		t.Fatal(err)
	}
	claims := tokens.Claims{
		Issuer: issuer, Audience: service, Subject: "local/" + alice, ID: fmt.Sprintf("minted-%d", now.UnixNano()), IssuedAt: now,
		TTL: 5 * time.Minute, Access: []tokens.Access{{Type: "repository", Name: repository, Actions: []string{"pull", "push"}}},
	}
	edit(&claims)
	token, err := keys.Mint(service, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// revoker revokes in the server's store, as another process does.
func revoker(t *testing.T, s *testbed.Server) *revocation.Revoker {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(s.Dir, "data")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return revocation.NewRevoker(feed.NewWriter(feed.WriterOptions{Store: st}), nil)
}

// revokeOwn ends a token at the server, as its bearer.
func revokeOwn(t *testing.T, s *testbed.Server, token string) {
	t.Helper()
	form := url.Values{"token": {token}}.Encode()
	caller{t, s.Client(), s.URL, ""}.do(http.MethodPost, "/oauth2/revoke", strings.NewReader(form),
		"Content-Type", "application/x-www-form-urlencoded").want(t, "revoke", http.StatusOK)
}

// noticed is far above the second within which a process knows what another one has
// revoked: how fast that is, is measured elsewhere.
const noticed = 10 * time.Second

// push is an upload of a layer in chunks.
type push struct {
	caller
	location string
	sent     int
}

func startPush(c caller) *push {
	c.t.Helper()
	a := c.do(http.MethodPost, "/v2/"+repository+"/blobs/uploads/", nil).want(c.t, "POST", http.StatusAccepted)
	return &push{c, a.header.Get("Location"), 0}
}

// chunk sends the next chunk and returns the answer.
func (p *push) chunk(text string) answer {
	p.t.Helper()
	a := p.do(http.MethodPatch, p.location, strings.NewReader(text), "Content-Type", "application/octet-stream",
		"Content-Range", fmt.Sprintf("%d-%d", p.sent, p.sent+len(text)-1))
	if a.status == http.StatusAccepted {
		p.location, p.sent = a.header.Get("Location"), p.sent+len(text)
	}
	return a
}

// Whatever is revoked, the request after it is refused, in the middle of a push;
// the registry itself would have taken the token.
func TestRevokedInTheMiddleOfAPush(t *testing.T) {
	for _, kind := range kinds() {
		for _, version := range []string{testbed.Registry28, testbed.Registry311} {
			t.Run(kind.name+"/"+version, func(t *testing.T) {
				t.Parallel()
				s := serve(t)
				r := registry(t, s, version)
				g := kind.start(t, s, r.Addr)
				testRevoked(t, s, r, g)
			})
		}
	}
}

func testRevoked(t *testing.T, s *testbed.Server, r *testbed.Registry, g *testbed.Gateway) {
	t.Helper()
	elsewhere := revoker(t, s)
	bobs := tokenFor(t, s, bob, bobPW)
	by := revocation.Order{By: "the test"}
	for _, tt := range []struct {
		reason feed.Kind
		says   string
		token  string
		// here is for a revocation by the server itself, in force when it is answered.
		here   bool
		revoke func(ctx context.Context, token string) error
	}{
		{feed.RevokeToken, "this token was revoked", tokenFor(t, s, alice, alicePW), true, func(_ context.Context, token string) error {
			revokeOwn(t, s, token)
			return nil
		}},
		{feed.RevokeToken, "this token was revoked", tokenFor(t, s, alice, alicePW), false, func(ctx context.Context, token string) error {
			claims, _ := claimsOf(t, token)
			return elsewhere.Token(ctx, claims.Jti, by)
		}},
		{feed.RevokeSession, "the session of this token was ended", mint(t, s, func(c *tokens.Claims) { c.Session = "a-session" }), false, func(ctx context.Context, _ string) error {
			return elsewhere.Session(ctx, "a-session", by)
		}},
		{feed.RevokePerson, "all sessions of this user were ended", tokenFor(t, s, alice, alicePW), false, func(ctx context.Context, _ string) error {
			return elsewhere.Person(ctx, "local/"+alice, by)
		}},
		{feed.RevokeKey, "key that signed this token was withdrawn", tokenFor(t, s, bob, bobPW), false, func(ctx context.Context, token string) error {
			_, kid := claimsOf(t, token)
			return elsewhere.Key(ctx, kid, by)
		}},
	} {
		t.Logf("%s, %s", tt.reason, tt.says)
		claims, _ := claimsOf(t, tt.token)
		p := startPush(through(t, s, g, tt.token))
		p.chunk("the first chunk").want(t, "the first chunk", http.StatusAccepted)
		if err := tt.revoke(t.Context(), tt.token); err != nil {
			t.Fatal(err)
		}
		a := p.chunk("the next chunk")
		for patience := time.Now().Add(noticed); !tt.here && a.status == http.StatusAccepted && time.Now().Before(patience); {
			a = p.chunk("the next chunk")
		}
		// Who was revoked gives up; whose key was withdrawn fetches another token.
		status, code, names := http.StatusForbidden, `"code":"DENIED"`, claims.Jti
		if tt.reason == feed.RevokeKey {
			status, code, names = http.StatusUnauthorized, `"code":"UNAUTHORIZED"`, ""
		}
		a.want(t, "the chunk after the revocation", status, code, tt.says, names)
		if got := a.header.Get("WWW-Authenticate"); (got != "") != (status == http.StatusUnauthorized) {
			t.Errorf("status %d with the challenge %q", status, got)
		}
		for what, c := range map[string]caller{"a manifest": through(t, s, g, tt.token), "the ping": through(t, s, g, tt.token)} {
			path := "/v2/"
			if what == "a manifest" {
				path += repository + "/manifests/1"
			}
			c.do(http.MethodGet, path, nil).want(t, what, status, tt.says)
			c.do(http.MethodHead, path, nil).want(t, what+", HEAD", status)
		}
		direct := caller{t, s.Client(), r.URL, tt.token}
		direct.do(http.MethodGet, "/v2/"+repository+"/tags/list", nil).want(t, "the registry itself", http.StatusNotFound, "NAME_UNKNOWN")
		s.AwaitAudit("the refused token", func(e audit.Event) bool {
			return e.Action == audit.TokenRefused && e.DecisionID == claims.Jti && e.Reason == string(tt.reason) && e.User == claims.Sub
		})
		if tt.reason != feed.RevokeKey { // which is bob's, too
			through(t, s, g, bobs).do(http.MethodGet, "/v2/", nil).want(t, "somebody else", http.StatusOK)
		}
		testNewToken(t, s, g) // with a withdrawn key, the server has made another one
	}
}

// testNewToken: who logs in again goes on.
func testNewToken(t *testing.T, s *testbed.Server, g *testbed.Gateway) {
	t.Helper()
	s.Await("alice works again after a new login", func() bool {
		token := tokenFor(t, s, alice, alicePW)
		return through(t, s, g, token).do(http.MethodGet, "/v2/", nil).status == http.StatusOK
	})
}

// trusting is the TLS configuration of a client of the gateways.
func trusting(t *testing.T, s *testbed.Server) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

// Requests that try to get a revoked token past the gateway, byte by byte.
func TestNoWayAroundTheGateway(t *testing.T) {
	s := serve(t)
	r := registry(t, s, testbed.Registry311)
	token := tokenFor(t, s, alice, alicePW)
	const target = "/v2/" + repository + "/tags/list"
	direct := caller{t, s.Client(), r.URL, token}
	direct.do(http.MethodGet, target, nil).want(t, "the registry itself", http.StatusNotFound, "NAME_UNKNOWN")
	revokeOwn(t, s, token)
	zots := mint(t, s, func(*tokens.Claims) {})
	revokeOwn(t, s, zots)
	for _, kind := range kinds() {
		t.Run(kind.name, func(t *testing.T) {
			g := kind.start(t, s, r.Addr)
			auth := "Authorization: Bearer " + token
			for name, lines := range map[string][]string{
				"as it is":                {"GET " + target + " HTTP/1.1", auth},
				"lower case":              {"GET " + target + " HTTP/1.1", "authorization: bearer " + token},
				"two spaces":              {"GET " + target + " HTTP/1.1", "Authorization: Bearer  " + token},
				"a tab":                   {"GET " + target + " HTTP/1.1", "Authorization: Bearer\t" + token},
				"twice":                   {"GET " + target + " HTTP/1.1", auth, auth},
				"Basic first":             {"GET " + target + " HTTP/1.1", "Authorization: Basic dTpw", auth},
				"Basic last":              {"GET " + target + " HTTP/1.1", auth, "Authorization: Basic dTpw"},
				"a list":                  {"GET " + target + " HTTP/1.1", "Authorization: Basic dTpw, Bearer " + token},
				"hop by hop":              {"GET " + target + " HTTP/1.1", auth, "Connection: Authorization"},
				"upgrade":                 {"GET " + target + " HTTP/1.1", auth, "Connection: upgrade", "Upgrade: h2c"},
				"another registry":        {"GET " + target + " HTTP/1.1", auth, "X-Drawbridge-Service: " + other},
				"forwarded":               {"GET " + target + " HTTP/1.1", auth, "X-Forwarded-Uri: /", "X-Forwarded-Method: OPTIONS", "X-Original-URL: /"},
				"HTTP/1.0":                {"GET " + target + " HTTP/1.0", auth},
				"an absolute target":      {"GET https://localhost" + target + " HTTP/1.1", auth},
				"two slashes":             {"GET /" + target + " HTTP/1.1", auth},
				"dots":                    {"GET /x/.." + target + " HTTP/1.1", auth},
				"dots after":              {"GET /v2/../v2/" + repository + "/tags/list HTTP/1.1", auth},
				"escaped dots":            {"GET /x/%2e%2e" + target + " HTTP/1.1", auth},
				"an escaped slash":        {"GET /v2%2f" + repository + "/tags/list HTTP/1.1", auth},
				"escaped letters":         {"GET /%76%32/" + repository + "/tags/list HTTP/1.1", auth},
				"capitals":                {"GET /V2/" + repository + "/tags/list HTTP/1.1", auth},
				"the inner location":      {"GET /_drawbridge HTTP/1.1", auth},
				"a query":                 {"GET " + target + "?x=/v2/ HTTP/1.1", auth},
				"another method":          {"PROPFIND " + target + " HTTP/1.1", auth},
				"a body":                  {"GET " + target + " HTTP/1.1", auth, "Transfer-Encoding: chunked", "", "3", "abc", "0"},
				"a token of other claims": {"GET " + target + " HTTP/1.1", "Authorization: Bearer " + zots},
			} {
				status := raw(t, s, g, append(lines[:1:1], append([]string{"Host: localhost", "Connection: close"}, lines[1:]...)...))
				// 404 is the gateway's own for what is not below /v2/; the registry's
				// has a body that the line above has shown.
				if status == http.StatusOK || status == 0 {
					t.Errorf("%s: status %d", name, status)
				}
			}
			if log := r.Log(); strings.Count(log, `http.response.status=404`) > 1 {
				t.Errorf("the registry answered a request with the revoked token:\n%s", log)
			}
		})
	}
}

// raw sends a request by its lines and returns the status. The body must not be
// the registry's.
func raw(t *testing.T, s *testbed.Server, g *testbed.Gateway, lines []string) int {
	t.Helper()
	dialer := &tls.Dialer{Config: trusting(t, s)}
	conn, err := dialer.DialContext(t.Context(), "tcp", "127.0.0.1"+g.Host[strings.LastIndexByte(g.Host, ':'):])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(io.LimitReader(conn, 4096)) // a connection that is cut short is an answer too
	if strings.Contains(string(answer), "NAME_UNKNOWN") {
		t.Errorf("%q reached the registry with a revoked token:\n%s", lines, answer)
	}
	var status int
	_, _ = fmt.Sscanf(string(answer), "HTTP/1.1 %d", &status)
	if status == 0 {
		_, _ = fmt.Sscanf(string(answer), "HTTP/1.0 %d", &status)
	}
	return status
}
