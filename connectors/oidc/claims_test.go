package oidc

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"
)

func TestFind(t *testing.T) {
	all, err := decodeClaims([]byte(`{
		"groups": ["a"], "realm_access": {"roles": ["r"]}, "a.b": "literal", "a": {"b": "nested", "c.d": {"e": 1}},
		"https://example.com/groups": ["u"], "null": null, "": "empty", "text": "t"}`))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path string
		want any
	}{
		{"groups", []any{"a"}},
		{"realm_access.roles", []any{"r"}},
		{"a.b", "literal"},
		{"a.c.d.e", "1"},
		{"https://example.com/groups", []any{"u"}},
		{"null", nil}, {"absent", nil}, {"realm_access.absent", nil}, {"text.x", nil}, {"groups.0", nil}, {".", nil}, {"..", nil},
	}
	for _, tt := range tests {
		got, ok := all.find(tt.path)
		if n, isNumber := got.(interface{ String() string }); isNumber {
			got = n.String()
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || ok != (tt.want != nil) {
			t.Errorf("%q: found %t (-want +got):\n%s", tt.path, ok, diff)
		}
	}
}

func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"groups":["a","b"],"_claim_names":{"groups":"src1"}}`), "groups")
	f.Add([]byte(`{"a":{"b.c":{"d":"x"}},"email_verified":"false"}`), "a.b.c.d")
	f.Fuzz(func(t *testing.T, data []byte, path string) {
		all, err := decodeClaims(data)
		if err != nil || len(path) > 64 {
			return
		}
		s := sources{all}
		if name, err := s.username(path); err == nil && (name == "" || len(name) > connectors.MaxUsername) {
			t.Errorf("accepted the username %q", name)
		}
		groups, err := s.groups(path)
		for i, g := range groups {
			if err != nil || g == "" || i > 0 && groups[i-1] >= g {
				t.Errorf("groups %q with error %v", groups, err)
			}
		}
		_ = all.overage(path)
	})
}

// TestClaims logs in with ID tokens and userinfo answers of many shapes.
func TestClaims(t *testing.T) {
	type object = map[string]any
	misconfigured := connectors.Misconfigured(nil)
	person := func(name string, groups ...string) connectors.Outcome {
		return connectors.Granted(identity.Identity{Kind: identity.User, Connector: "sso", Name: name, StableID: "sub-1",
			Mail: "alice@example.com", Groups: groups, Method: identity.MethodPassword})
	}
	none := []string{}
	tests := []struct {
		name             string
		username, groups string // claim paths; empty: the defaults
		token            object
		userinfo         http.HandlerFunc // nil: must not be asked
		want             connectors.Outcome
		cause            string
	}{
		{name: "nested groups", groups: "realm_access.roles", token: object{"realm_access": object{"roles": []string{"b", "a"}}}, want: person("alice", "a", "b")},
		{name: "one group as a string", token: object{"groups": "dev"}, want: person("alice", "dev")},
		{name: "empty array", token: object{"groups": none}, want: person("alice", none...)},
		{name: "no groups wanted", groups: "-", want: person("alice")},
		{name: "username from sub", username: "sub", want: person("sub-1", "dev", "ops")},

		{name: "groups are an object", token: object{"groups": object{"a": 1}}, want: misconfigured, cause: "an object"},
		{name: "groups are a number", token: object{"groups": 7}, want: misconfigured, cause: "a number"},
		{name: "groups are true", token: object{"groups": true}, want: misconfigured, cause: "a boolean"},
		{name: "a group is an object", token: object{"groups": []any{"a", object{"name": "b"}}}, want: misconfigured, cause: "element 1"},
		{name: "a group is null", token: object{"groups": []any{nil}}, want: misconfigured, cause: "null"},
		{name: "username is a number", token: object{"preferred_username": 7}, want: misconfigured, cause: "a number"},
		{name: "username is an array", token: object{"preferred_username": []string{"alice"}}, want: misconfigured, cause: "an array"},
		{name: "username is empty", token: object{"preferred_username": ""}, want: connectors.Denied(connectors.BadUsername)},
		{name: "username with a newline", token: object{"preferred_username": "alice\nroot"}, want: connectors.Denied(connectors.BadUsername)},
		{name: "endless username", token: object{"preferred_username": strings.Repeat("a", 257)}, want: connectors.Denied(connectors.BadUsername)},

		{name: "email not verified", username: "email", token: object{"email_verified": false}, want: connectors.Denied(connectors.LoginRestricted)},
		{name: "email not verified, as text", username: "email", token: object{"email_verified": "false"}, want: connectors.Denied(connectors.LoginRestricted)},
		{name: "email verified", username: "email", token: object{"email_verified": true}, want: person("alice@example.com", "dev", "ops")},
		{name: "email of a provider that never says", username: "email", want: person("alice@example.com", "dev", "ops")},
		{name: "email not verified says userinfo", username: "email", token: object{"email": nil},
			userinfo: say(200, `{"sub":"sub-1","email":"alice@example.com","email_verified":false}`), want: connectors.Denied(connectors.LoginRestricted)},

		{name: "overage", token: object{"groups": nil, "_claim_names": object{"groups": "src1"}, "_claim_sources": object{"src1": object{"endpoint": "https://graph.example/x"}}},
			want: misconfigured, cause: "overage"},
		{name: "overage by hasgroups", token: object{"groups": nil, "hasgroups": true}, want: misconfigured, cause: "overage"},
		{name: "overage by hasgroups, as text", token: object{"groups": nil, "hasgroups": "true"}, want: misconfigured, cause: "overage"},
		{name: "overage in userinfo", token: object{"groups": nil}, userinfo: say(200, `{"sub":"sub-1","_claim_names":{"groups":"src1"}}`), want: misconfigured, cause: "overage"},
		{name: "overage of a claim that is not used", groups: "roles", token: object{"roles": "dev", "hasgroups": true}, want: person("alice", "dev")},

		{name: "groups from userinfo", token: object{"groups": nil}, userinfo: say(200, `{"sub":"sub-1","groups":["x"]}`), want: person("alice", "x")},
		{name: "username from userinfo", token: object{"preferred_username": nil}, userinfo: say(200, `{"sub":"sub-1","preferred_username":"al","groups":["evil"]}`),
			want: person("al", "dev", "ops")},
		{name: "null is absent", token: object{"groups": []string(nil)}, userinfo: say(200, `{"sub":"sub-1","groups":["x"]}`), want: person("alice", "x")},
		{name: "groups nowhere", token: object{"groups": nil}, userinfo: say(200, `{"sub":"sub-1"}`), want: person("alice")},
		{name: "username nowhere", token: object{"preferred_username": nil}, userinfo: say(200, `{"sub":"sub-1"}`), want: misconfigured, cause: "preferred_username"},
		{name: "userinfo replaces nothing", token: object{"groups": nil}, userinfo: say(200, `{"sub":"sub-1","preferred_username":"root","iss":"x","aud":"y","email":"root@example.com"}`),
			want: person("alice")},
		{name: "userinfo of somebody else", token: object{"groups": nil}, userinfo: say(200, `{"sub":"sub-2","groups":["admins"]}`), want: misconfigured, cause: "somebody else"},
		{name: "userinfo without sub", token: object{"groups": nil}, userinfo: say(200, `{"groups":["admins"]}`), want: misconfigured, cause: "somebody else"},
		{name: "userinfo with a sub in other case", token: object{"groups": nil}, userinfo: say(200, `{"SUB":"sub-1","groups":["admins"]}`), want: misconfigured, cause: "somebody else"},
		{name: "userinfo 401", token: object{"groups": nil}, userinfo: say(401, ""), want: misconfigured, cause: "scopes"},
		{name: "userinfo 403", token: object{"groups": nil}, userinfo: say(403, ""), want: misconfigured, cause: "scopes"},
		{name: "userinfo 500", token: object{"groups": nil}, userinfo: say(500, `{"sub":"sub-1"}`), want: connectors.Unavailable(nil), cause: "status 500"},
		{name: "userinfo is no JSON", token: object{"groups": nil}, userinfo: say(200, "<html>"), want: connectors.Unavailable(nil), cause: "not the JSON"},
		{name: "userinfo is null", token: object{"groups": nil}, userinfo: say(200, "null"), want: connectors.Unavailable(nil), cause: "not the JSON"},
		{name: "userinfo is signed", token: object{"groups": nil}, userinfo: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/jwt; charset=utf-8")
			_, _ = w.Write([]byte("eyJ.eyJ.x"))
		}, want: misconfigured, cause: "signed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, key := newIDP(t), newSigner(t, "k1")
			p.serve(key, tt.token)
			p.set(func() { p.userinfo = userinfoFor(t, tt.userinfo) })
			c := p.connector(func(cfg *configs.Connector, _ *Deps) {
				if tt.username != "" {
					cfg.OIDC.UsernameClaim = tt.username
				}
				if tt.groups != "" {
					cfg.OIDC.GroupsClaim = strings.TrimPrefix(tt.groups, "-")
				}
			})
			got := login(c)
			check(t, got, tt.want, tt.cause)
			if diff := cmp.Diff(tt.want.Identity(), got.Identity()); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		})
	}
}

// userinfoFor fails the test if userinfo is asked without need or without the
// access token.
func userinfoFor(t *testing.T, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer at-secret" {
			t.Errorf("userinfo was sent %q", got)
		}
		if h == nil {
			t.Error("userinfo was asked without need")
			return
		}
		h(w, r)
	}
}

func TestNoUserinfoEndpoint(t *testing.T) {
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, map[string]any{"groups": nil})
	p.set(func() { delete(p.meta, "userinfo_endpoint") })
	check(t, login(p.connector(nil)), connectors.Granted(identity.Identity{}), "")
	if p.userinfos.Load() != 0 {
		t.Error("an endpoint was asked that the provider does not have")
	}
}
