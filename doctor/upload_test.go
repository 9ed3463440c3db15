package doctor

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/tokens"
)

// listener notes who was sent what.
type listener struct {
	*httptest.Server
	mu    sync.Mutex
	heard []string
}

func listen(t *testing.T, answer http.HandlerFunc) *listener {
	t.Helper()
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.heard = append(l.heard, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
		l.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

// A registry that sends an upload, a realm or a redirect to another host gets no token
// sent there.
func TestTokensGoToTheRegistryAlone(t *testing.T) {
	attacker := listen(t, func(http.ResponseWriter, *http.Request) {})
	registry := listen(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+attacker.URL+`/token",service="S",error="invalid_token"`)
		switch {
		case strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey") && strings.Contains(r.URL.Path, "/manifests/"):
			w.WriteHeader(http.StatusNotFound)
		case strings.Contains(r.URL.Path, "/blobs/uploads/"):
			w.Header().Set("Location", attacker.URL+"/v2/x/blobs/uploads/1?_state=s")
			w.WriteHeader(http.StatusAccepted)
		default:
			w.Header().Set("Location", attacker.URL)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	keys, err := tokens.Open(tokens.Options{Dir: t.TempDir(), LongestTTL: time.Minute, Registries: []tokens.Registry{{Service: "S"}}})
	if err != nil {
		t.Fatal(err)
	}
	entry := Registry{URL: registry.URL, Service: "S", Issuer: "I", Form: tokens.FormX5C}
	checks, err := Checks(Options{
		Net: Net{Timeout: 20 * time.Second, Clock: time.Now}, Server: Server{URL: registry.URL, SigningCA: keys.SigningCA()},
		Registries: []Registry{entry}, Entries: []Registry{entry}, Keys: keys, Algorithm: tokens.ES256, AccessTTL: time.Minute, Write: true,
		Settings: func(string) []string { return nil },
	}, &Local{Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	report := Run(t.Context(), checks)
	if text := report.Text(); !strings.Contains(text, string(UploadElsewhere)) {
		t.Errorf("the upload was not looked at:\n%s", text)
	}
	for _, heard := range attacker.heard {
		if !strings.HasSuffix(heard, " ") {
			t.Errorf("the other host was sent %q", heard)
		}
	}
	if len(attacker.heard) == 0 {
		t.Error("the realm was not looked at, so that this proves nothing")
	}
}

// A password in a URL is refused, and in no error.
func TestURLsHaveNoPassword(t *testing.T) {
	for _, text := range []string{"https://admin:hunter2@registry.example.com", "admin:hunter2@registry.example.com", "https://admin:hunter2/@x"} {
		if _, err := parseURL(text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
	if u, err := parseURL("registry.example.com:5000"); err != nil || u.String() != "https://registry.example.com:5000" {
		t.Errorf("%v %v", u, err)
	}
}
