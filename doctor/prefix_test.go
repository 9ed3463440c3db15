package doctor

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/tokens"
)

// behindPath is a host with a registry, and with a Drawbridge below a path. realm is
// what the registry's challenge says of the host.
func behindPath(t *testing.T, keys *tokens.Keys, prefix string, realm func(host string) string) *listener {
	t.Helper()
	return listen(t, func(w http.ResponseWriter, r *http.Request) {
		switch path, below := strings.CutPrefix(r.URL.Path, prefix); {
		case strings.HasPrefix(r.URL.Path, registryPath):
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm("http://"+r.Host)+`",service="S",error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
		case below && path == jwksPath:
			_, _ = w.Write([]byte(`{"keys":[]}`))
		case below && path == signingCAPath:
			_, _ = w.Write(keys.SigningCA())
		case below && path == "/token" && r.Header.Get("Authorization") != "":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}

// With a path in server.external_url everything is asked for below it, and so must the
// realm be: one without the path, or with another one, leads elsewhere.
func TestBelowAPath(t *testing.T) {
	keys, err := tokens.Open(tokens.Options{Dir: t.TempDir(), LongestTTL: time.Minute, Registries: []tokens.Registry{{Service: "S"}}})
	if err != nil {
		t.Fatal(err)
	}
	inside := behindPath(t, keys, "", func(host string) string { return host })
	other := strings.Replace(inside.URL, "127.0.0.1", "localhost", 1) // realms are names
	for _, tt := range []struct {
		name, realm string // of the host, unless it is a whole URL
		want        ID
		says        string
	}{
		{"token", "/drawbridge/token", "", ""},
		{"auth", "/drawbridge/auth", "", ""},
		{"a slash at the end", "/drawbridge/token/", "", ""},
		{"another name without a path", other + "/token", "", ""},
		{"without the path", "/token", RealmElsewhere, `the path before /token is "", and must be "/drawbridge"`},
		{"twice the path", "/drawbridge/drawbridge/token", RealmElsewhere, `is "/drawbridge/drawbridge", and must be "/drawbridge"`},
		{"half of the path", "/draw/token", RealmElsewhere, `is "/draw", and must be "/drawbridge"`},
		{"no endpoint", "/drawbridge/login", RealmElsewhere, "Drawbridge answers at /drawbridge/token"},
		{"another path of another name", other + "/drawbridge/token", RealmElsewhere, "answered 404"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host := behindPath(t, keys, "/drawbridge", func(host string) string {
				if strings.Contains(tt.realm, "://") {
					return tt.realm
				}
				return host + tt.realm
			})
			entry := Registry{URL: host.URL, Service: "S", Issuer: "I", Form: tokens.FormX5C}
			checks, err := Checks(Options{
				Net: Net{Timeout: 20 * time.Second, Clock: time.Now}, Server: Server{URL: host.URL + "/drawbridge", SigningCA: keys.SigningCA()},
				Registries: []Registry{entry}, Entries: []Registry{entry}, Keys: keys, Algorithm: tokens.ES256, AccessTTL: time.Minute,
				Settings: func(string) []string { return nil },
			}, &Local{Clock: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			report := Run(t.Context(), checks)
			for _, one := range report.Results {
				if one.Check == "drawbridge answers" && one.State != OK || one.Check == "logins reach drawbridge" && one.State != OK {
					t.Errorf("%s is %s: %s", one.Check, one.State, one.Detail)
				}
				if one.Check != "realm" {
					continue
				}
				if (one.State == OK) != (tt.want == "") || tt.want != "" && !slices.ContainsFunc(one.Findings, func(f Finding) bool {
					return f.ID == tt.want && strings.Contains(f.What, tt.says) && strings.Contains(strings.Join(f.Fix, "\n"), `realm: "`+host.URL+`/drawbridge/token"`)
				}) {
					t.Errorf("the realm is %s, want %q saying %q: %s\n%+v", one.State, tt.want, tt.says, one.Detail, one.Findings)
				}
			}
		})
	}
}

// What answers with a redirect, or knows nothing of the path, is a proxy's mistake, and
// the finding has the line for it.
func TestProxyLosesThePath(t *testing.T) {
	proxy := listen(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
	})
	u, err := parseURL(proxy.URL + "/drawbridge/")
	if err != nil {
		t.Fatal(err)
	}
	got := newServerSite(Options{Net: Net{Timeout: 20 * time.Second, Clock: time.Now}}, u).reach(t.Context())
	if len(got.Findings) != 1 || got.Findings[0].ID != NoDrawbridge {
		t.Fatalf("%+v", got)
	}
	text := got.Findings[0].What + strings.Join(got.Findings[0].Fix, "\n")
	for _, want := range []string{proxy.URL + "/drawbridge/.well-known/jwks.json", "with a redirect to /elsewhere", "location /drawbridge/ {"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q: %s", want, text)
		}
	}
}
