package oidc

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"
)

func TestNewRefuses(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*configs.OIDC)
		want   string
	}{
		{"http", func(o *configs.OIDC) { o.IssuerURL = "http://idp.example.com" }, "not https"},
		{"no host", func(o *configs.OIDC) { o.IssuerURL = "https:///x" }, "not the URL"},
		{"no URL", func(o *configs.OIDC) { o.IssuerURL = "://" }, "issuer_url"},
		{"a password in it", func(o *configs.OIDC) { o.IssuerURL = "https://u:hunter2@idp.example.com" }, "not the URL"},
		{"another scheme", func(o *configs.OIDC) { o.IssuerURL, o.Insecure = "file://x/y", true }, "not https"},
		{"no client", func(o *configs.OIDC) { o.ClientID = "" }, "client_id"},
		{"overage without TLS", func(o *configs.OIDC) { o.GroupsOverageURL = "http://graph.example/v1.0/me/getMemberGroups" }, "groups_overage_url"},
		{"overage of others", func(o *configs.OIDC) { o.GroupsOverageURL = "https://graph.example/v1.0/users/7/getMemberGroups" }, "groups_overage_url"},
		{"overage with a query", func(o *configs.OIDC) { o.GroupsOverageURL = "https://graph.example/v1.0/me/getMemberGroups?x=y" }, "groups_overage_url"},
		{"no username claim", func(o *configs.OIDC) { o.UsernameClaim = "" }, "username_claim"},
		{"no CA file", func(o *configs.OIDC) { o.IssuerCAFile = noPEM + "x" }, "issuer_ca_file"},
		{"CA file without certificate", func(o *configs.OIDC) { o.IssuerCAFile = noPEM }, "no PEM certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := configs.Connector{Name: "sso", OIDC: configs.OIDC{IssuerURL: "https://idp.example.com", ClientID: "c", UsernameClaim: "sub"}}
			tt.change(&cfg.OIDC)
			_, err := New(cfg, Deps{Log: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "connector sso") {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a password is in %v", err)
			}
		})
	}
}

func TestDiscoveryRefuses(t *testing.T) {
	tests := []struct {
		name, key string
		value     any
		want      connectors.Outcome
		cause     string
	}{
		{"another issuer", "issuer", "https://evil.example", connectors.Misconfigured(nil), "evil.example"},
		{"http token endpoint", "token_endpoint", "http://idp.example/token", connectors.Misconfigured(nil), "token_endpoint"},
		{"http keys", "jwks_uri", "http://idp.example/keys", connectors.Misconfigured(nil), "jwks_uri"},
		{"http userinfo", "userinfo_endpoint", "http://idp.example/me", connectors.Misconfigured(nil), "userinfo_endpoint"},
		{"no token endpoint", "token_endpoint", "", connectors.Misconfigured(nil), "token_endpoint"},
		{"another shape", "token_endpoint", 7, connectors.Unavailable(nil), "not the JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newIDP(t)
			p.set(func() { p.meta[tt.key] = tt.value })
			check(t, login(p.connector(nil)), tt.want, tt.cause)
			if p.tokens.Load() != 0 {
				t.Error("the password was sent")
			}
		})
	}
}

// TestDeadAtStart starts with a provider that is down, counts what a flood of
// logins costs it, and lets it come up.
func TestDeadAtStart(t *testing.T) {
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, nil)
	var asked sync.WaitGroup
	p.set(func() { p.down = true })
	transport := &countingTransport{next: p.srv.Client().Transport}
	clock := new(fakeClock)
	c := p.connector(func(_ *configs.Connector, deps *Deps) {
		deps.HTTPClient = &http.Client{Transport: transport}
		deps.Clock = clock.now
	})
	for range 50 {
		asked.Go(func() { check(t, login(c), connectors.Unavailable(nil), "status 502") })
	}
	asked.Wait()
	// One by the loop and one by the logins, if those came after; a second loop
	// try is due after a second.
	if n := transport.count(); n > 4 {
		t.Errorf("50 logins cost the dead provider %d requests", n)
	}
	p.set(func() { p.down = false })
	clock.advance(retryMin)
	check(t, login(c), connectors.Granted(identity.Identity{}), "")
}

type countingTransport struct {
	next http.RoundTripper
	mu   sync.Mutex
	n    int
}

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	return c.next.RoundTrip(r)
}

func (c *countingTransport) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// TestRecoversAlone waits for the background loop, without any login.
func TestRecoversAlone(t *testing.T) {
	p := newIDP(t)
	p.set(func() { p.down = true })
	log := new(safeBuffer)
	c := p.connector(func(_ *configs.Connector, deps *Deps) { deps.Log = slog.New(slog.NewTextHandler(log, nil)) })
	waitFor(t, func() bool { return strings.Contains(log.String(), "status 502") })
	p.set(func() { p.down = false })
	waitFor(t, func() bool { return strings.Contains(log.String(), "is known") })
	if _, _, err := c.provider.get(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestKeepsLastGood takes the provider's metadata away again.
func TestKeepsLastGood(t *testing.T) {
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, nil)
	c := p.connector(nil)
	check(t, login(c), connectors.Granted(identity.Identity{}), "")
	keys := c.provider.keys
	p.set(func() { p.meta["issuer"] = "https://evil.example" })
	if _, err := c.provider.refresh(); err == nil {
		t.Fatal("a bad refresh succeeded")
	}
	check(t, login(c), connectors.Granted(identity.Identity{}), "")

	p.set(func() { p.meta["issuer"] = p.srv.URL })
	if _, err := c.provider.refresh(); err != nil || c.provider.keys != keys {
		t.Errorf("%v; the keys and their cooldown survive a refresh: %t", err, c.provider.keys == keys)
	}
	p.set(func() { p.meta["jwks_uri"] = p.srv.URL + "/other" })
	if _, err := c.provider.refresh(); err != nil || c.provider.keys == keys {
		t.Errorf("%v; another jwks_uri has other keys: %t", err, c.provider.keys != keys)
	}
}

func TestClose(t *testing.T) {
	p := newIDP(t)
	release := make(chan struct{})
	p.srv.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
	c := p.connector(nil)
	if err := c.Close(); err != nil { // returns although a fetch hangs
		t.Error(err)
	}
	close(release)
	check(t, login(c), connectors.Unavailable(nil), "canceled")
}

// safeBuffer is a log that is read while it is written.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to pass in 20 s")
		}
	}
}
