package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"drawbridge/e2e/testbed"
)

// holder stands between a gateway and a registry and keeps the answer to the first
// request of a method, until it is told to go on.
type holder struct {
	addr    string
	reached chan struct{} // closed when the answer is there
	release func()
}

func hold(t *testing.T, r *testbed.Registry, method string) *holder {
	t.Helper()
	target, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := &holder{reached: make(chan struct{})}
	goOn := make(chan struct{})
	h.release = sync.OnceFunc(func() { close(goOn) })
	var first sync.Once
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host // the registry's URLs hold it
			p.Out.Header["X-Forwarded-Proto"] = p.In.Header["X-Forwarded-Proto"]
		},
		ModifyResponse: func(resp *http.Response) error {
			if resp.Request.Method == method {
				first.Do(func() {
					close(h.reached)
					<-goOn
				})
			}
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(func() {
		h.release()
		server.Close()
	})
	h.addr = strings.TrimPrefix(server.URL, "http://")
	return h
}

// staleFirst stands before the token endpoint and gives the first who asks for a
// push a token that is over.
type staleFirst struct {
	realm string

	mu     sync.Mutex
	stale  string
	served int // tokens of the server's own
}

func serveStaleFirst(t *testing.T, s *testbed.Server, stale string) *staleFirst {
	t.Helper()
	f := &staleFirst{stale: stale}
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(p *httputil.ProxyRequest) { p.SetURL(target) },
		Transport: s.Client().Transport,
	}
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := f.take(r); token != "" {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "access_token": token, "expires_in": 300})
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	front.TLS = trusting(t, s).Clone()
	front.TLS.RootCAs = nil
	front.TLS.Certificates = certificate(t, s)
	front.StartTLS()
	t.Cleanup(front.Close)
	f.realm = "https://localhost" + front.URL[strings.LastIndexByte(front.URL, ':'):] + "/token"
	return f
}

// take returns the stale token once, to who asks for a push.
func (f *staleFirst) take(r *http.Request) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := r.ParseForm(); err != nil || !strings.Contains(strings.Join(r.Form["scope"], " "), "push") {
		return ""
	}
	token := f.stale
	f.stale = ""
	if token == "" {
		f.served++
	}
	return token
}
