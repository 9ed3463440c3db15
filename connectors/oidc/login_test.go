package oidc

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"
)

func TestGranted(t *testing.T) {
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, nil)
	got := login(p.connector(func(cfg *configs.Connector, deps *Deps) {
		deps.HTTPClient = nil
		cfg.OIDC.IssuerCAFile = p.caFile()
	}))
	want := identity.Identity{Kind: identity.User, Connector: "sso", Name: "alice", StableID: "sub-1",
		Mail: "alice@example.com", Groups: []string{"dev", "ops"}, Method: identity.MethodPassword}
	if diff := cmp.Diff(want, got.Identity()); got.Kind() != connectors.KindGranted || diff != "" {
		t.Errorf("%v (-want +got):\n%s", got, diff)
	}
	if p.userinfos.Load() != 0 {
		t.Error("userinfo was asked although nothing was missing")
	}
}

func TestUntrustedCertificate(t *testing.T) {
	p := newIDP(t)
	c := p.connector(func(_ *configs.Connector, deps *Deps) { deps.HTTPClient = nil })
	check(t, login(c), connectors.Unavailable(nil), "certificate")
	if p.tokens.Load() != 0 {
		t.Error("the password was sent")
	}
}

// TestTokenEndpoint has each row of the table in the package comment.
func TestTokenEndpoint(t *testing.T) {
	unavailable, misconfigured := connectors.Unavailable(nil), connectors.Misconfigured(nil)
	oauth := func(code, description string) string {
		text, _ := json.Marshal(map[string]any{"error": code, "error_description": description})
		return string(text)
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   connectors.Outcome
		cause  string
	}{
		{"invalid_grant", say(400, oauth("invalid_grant", "Invalid user credentials")), connectors.Denied(connectors.UnknownOrWrong), ""},
		{"invalid_grant with 401, as Keycloak", say(401, oauth("invalid_grant", "")), connectors.Denied(connectors.UnknownOrWrong), ""},
		{"access_denied, as Dex", say(401, oauth("access_denied", "Invalid username or password")), connectors.Denied(connectors.UnknownOrWrong), ""},
		{"interaction_required", say(400, oauth("interaction_required", "")), connectors.Denied(connectors.InteractionNeeded), ""},
		{"mfa_required", say(403, oauth("mfa_required", "")), connectors.Denied(connectors.InteractionNeeded), ""},
		{"login_required", say(400, oauth("login_required", "")), connectors.Denied(connectors.InteractionNeeded), ""},
		{"AADSTS50076", say(400, oauth("invalid_grant", "AADSTS50076: you must use multi-factor authentication")), connectors.Denied(connectors.InteractionNeeded), ""},
		{"AADSTS50079", say(400, oauth("invalid_grant", "AADSTS50079: enroll")), connectors.Denied(connectors.InteractionNeeded), ""},
		{"AADSTS50158", say(400, oauth("invalid_grant", "AADSTS50158: external challenge")), connectors.Denied(connectors.InteractionNeeded), ""},
		{"AADSTS50126", say(400, oauth("invalid_grant", "AADSTS50126: wrong")), connectors.Denied(connectors.UnknownOrWrong), ""},
		{"AADSTS50053", say(400, oauth("invalid_grant", "AADSTS50053: locked")), connectors.Denied(connectors.AccountLocked), ""},
		{"AADSTS50055", say(400, oauth("invalid_grant", "AADSTS50055: expired")), connectors.Denied(connectors.PasswordExpired), ""},
		{"AADSTS50057", say(400, oauth("invalid_grant", "AADSTS50057: disabled")), connectors.Denied(connectors.AccountDisabled), ""},
		{"AADSTS65001", say(400, oauth("invalid_grant", "AADSTS65001: no consent")), misconfigured, "no consent"},
		{"a username that looks like a code", say(400, oauth("invalid_grant", "no user AADSTS65001: x")), connectors.Denied(connectors.UnknownOrWrong), ""},
		{"Keycloak required action", say(400, oauth("invalid_grant", "Account is not fully set up")), connectors.Denied(connectors.InteractionNeeded), ""},
		{"Keycloak disabled", say(400, oauth("invalid_grant", "Account disabled")), connectors.Denied(connectors.AccountDisabled), ""},

		{"invalid_client", say(401, oauth("invalid_client", "Invalid client secret")), misconfigured, "Invalid client secret"},
		{"unauthorized_client", say(400, oauth("unauthorized_client", "")), misconfigured, "unauthorized_client"},
		{"unsupported_grant_type", say(400, oauth("unsupported_grant_type", "")), misconfigured, "unsupported_grant_type"},
		{"invalid_scope", say(400, oauth("invalid_scope", "")), misconfigured, "invalid_scope"},
		{"consent_required", say(400, oauth("consent_required", "")), misconfigured, "consent_required"},
		{"no id_token", say(200, `{"access_token":"at-secret"}`), misconfigured, "openid"},
		{"secrets in the description", say(400, oauth("invalid_client", "alice@example.com with pa55word and "+clientSecret)), misconfigured, "... with ... and ..."},
		{"endless description", say(400, oauth("invalid_client", strings.Repeat("ü", 5000))), misconfigured, "..."},

		{"invalid_request, as Dex with its directory down", say(400, oauth("invalid_request", "Could not login user")), unavailable, "Could not login user"},
		{"unknown code", say(400, oauth("slow_down", "")), unavailable, "slow_down"},
		{"no code", say(400, `{}`), unavailable, "status 400"},
		{"500", say(500, oauth("server_error", "")), unavailable, "status 500"},
		{"503 that claims invalid_grant", say(503, oauth("invalid_grant", "")), unavailable, "status 503"},
		{"429 that claims invalid_grant", say(429, oauth("invalid_grant", "")), unavailable, "status 429"},
		{"not JSON", say(200, "<html>at-secret"), unavailable, "not the JSON"},
		{"401 of a proxy", say(401, "Unauthorized"), unavailable, "status 401"},
		{"JSON of another shape", say(200, `{"id_token":{"eyJ":1}}`), unavailable, "not the JSON"},
		{"error in a 200", say(200, oauth("invalid_grant", "")), connectors.Denied(connectors.UnknownOrWrong), ""},
		{"204 with nothing", say(204, ""), unavailable, "status 204"},
		{"endless body", say(200, strings.Repeat(" ", maxBody+1)), unavailable, "over 1048576 bytes"},
		{"cut connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, unavailable, "EOF"},
	}
	p := newIDP(t)
	c := p.connector(nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.set(func() { p.answer = tt.answer })
			before := p.tokens.Load()
			check(t, login(c), tt.want, tt.cause)
			if n := p.tokens.Load() - before; n != 1 {
				t.Errorf("the password was sent %d times", n)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	p := newIDP(t)
	release := make(chan struct{})
	defer close(release)
	p.set(func() { p.answer = func(http.ResponseWriter, *http.Request) { <-release } })
	c := p.connector(nil)
	if _, _, err := c.provider.get(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.timeout = 20 * time.Millisecond
	check(t, login(c), connectors.Unavailable(nil), "deadline")
}

// TestNoRedirect lets the provider send the password on to somebody else.
func TestNoRedirect(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the thief was sent %s %s", r.Method, r.URL)
	}))
	defer thief.Close()
	p := newIDP(t)
	p.set(func() {
		p.answer = func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
		}
	})
	check(t, login(p.connector(nil)), connectors.Unavailable(nil), "status 307")
}

func TestClientAuthentication(t *testing.T) {
	type sent struct {
		Basic        bool
		ID, Secret   string
		GrantType    string
		User, Pass   string
		Scope        string
		SecretInForm bool
	}
	base := sent{ID: clientID, Secret: clientSecret, GrantType: "password", User: "alice@example.com", Pass: "pa55word", Scope: "openid groups"}
	basic, post, public := base, base, base
	basic.Basic = true
	post.SecretInForm = true
	public.Secret = ""
	tests := []struct {
		name    string
		methods any
		secret  string
		want    sent
	}{
		{"none advertised", nil, clientSecret, basic},
		{"both", []string{"client_secret_post", "client_secret_basic"}, clientSecret, basic},
		{"post only", []string{"private_key_jwt", "client_secret_post"}, clientSecret, post},
		{"public client", []string{"client_secret_basic"}, "", public},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, key := newIDP(t), newSigner(t, "k1")
			p.serve(key, nil)
			var got sent
			p.set(func() {
				if tt.methods != nil {
					p.meta["token_endpoint_auth_methods_supported"] = tt.methods
				}
				good := p.answer
				p.answer = func(w http.ResponseWriter, r *http.Request) {
					id, secret, ok := r.BasicAuth()
					got = sent{Basic: ok, GrantType: r.PostFormValue("grant_type"), User: r.PostFormValue("username"),
						Pass: r.PostFormValue("password"), Scope: r.PostFormValue("scope"), SecretInForm: r.PostForm.Has("client_secret")}
					if got.ID, got.Secret = unescape(t, id), unescape(t, secret); !ok {
						got.ID, got.Secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
					}
					if r.URL.RawQuery != "" {
						t.Errorf("query %q", r.URL.RawQuery)
					}
					good(w, r)
				}
			})
			c := p.connector(func(cfg *configs.Connector, _ *Deps) { cfg.OIDC.ClientSecret = identity.NewSecret(tt.secret) })
			check(t, login(c), connectors.Granted(identity.Identity{}), "")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("unsupported", func(t *testing.T) {
		p := newIDP(t)
		p.set(func() { p.meta["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt"} })
		check(t, login(p.connector(nil)), connectors.Misconfigured(nil), "private_key_jwt")
		if p.tokens.Load() != 0 {
			t.Error("the password was sent")
		}
	})
}

func unsigned(header, payload string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(header)) + "." + b64([]byte(payload)) + "."
}

// TestIDToken is what an attacker, a wrong setting or a wrong clock would send.
func TestIDToken(t *testing.T) {
	unavailable, misconfigured := connectors.Unavailable(nil), connectors.Misconfigured(nil)
	granted := connectors.Granted(identity.Identity{})
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, nil)
	c := p.connector(nil)
	public, err := json.Marshal(key.public())
	if err != nil {
		t.Fatal(err)
	}
	hmac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: public}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	good, _ := json.Marshal(p.claims(nil))
	confused, err := hmac.Sign(good)
	if err != nil {
		t.Fatal(err)
	}
	hs256, _ := confused.CompactSerialize()
	now := time.Now().Unix()
	claim := func(changes map[string]any) string { return key.sign(p.claims(changes)) }
	tests := []struct {
		name, token string
		want        connectors.Outcome
		cause       string
	}{
		{"good", claim(nil), granted, ""},
		{"alg none", unsigned(`{"alg":"none"}`, string(good)), misconfigured, "verify the ID token"},
		{"HS256 with the public key", hs256, misconfigured, "verify the ID token"},
		{"garbage", "x", misconfigured, "verify the ID token"},
		{"another issuer", claim(map[string]any{"iss": "https://evil.example"}), misconfigured, "evil.example"},
		{"no issuer", claim(map[string]any{"iss": nil}), misconfigured, ""},
		{"another audience", claim(map[string]any{"aud": "somebody"}), misconfigured, "audience"},
		{"no audience", claim(map[string]any{"aud": nil}), misconfigured, "audience"},
		{"several audiences with azp", claim(map[string]any{"aud": []string{"b", clientID}, "azp": clientID}), granted, ""},
		{"several audiences without azp", claim(map[string]any{"aud": []string{"b", clientID}}), misconfigured, "azp"},
		{"azp of another client", claim(map[string]any{"azp": "somebody"}), misconfigured, "azp"},
		{"azp of another type", claim(map[string]any{"azp": []string{clientID}}), misconfigured, "azp"},
		{"expired", claim(map[string]any{"exp": now - 5}), misconfigured, "expired"},
		{"no exp", claim(map[string]any{"exp": nil}), misconfigured, "expired"},
		{"no iat", claim(map[string]any{"iat": nil}), misconfigured, "iat"},
		{"iat in an hour", claim(map[string]any{"iat": now + 3600, "exp": now + 7200}), misconfigured, "clocks"},
		{"iat in a minute", claim(map[string]any{"iat": now + 60, "exp": now + 7200}), granted, ""},
		{"nbf in an hour", claim(map[string]any{"nbf": now + 3600}), misconfigured, "nbf"},
		{"no sub", claim(map[string]any{"sub": nil}), misconfigured, "sub"},
		{"endless sub", claim(map[string]any{"sub": strings.Repeat("s", 256)}), misconfigured, "sub"},
		{"sub is no string", claim(map[string]any{"sub": 7}), misconfigured, ""},
		{"foreign key, known kid", newSigner(t, "k1").sign(p.claims(nil)), unavailable, "signature"},
		{"foreign key, unknown kid", newSigner(t, "k9").sign(p.claims(nil)), unavailable, "signature"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.set(func() { p.answer = issue(tt.token) })
			check(t, login(c), tt.want, tt.cause)
		})
	}
}

func unescape(t *testing.T, s string) string {
	t.Helper()
	text, err := url.QueryUnescape(s)
	if err != nil {
		t.Error(err)
	}
	return text
}
