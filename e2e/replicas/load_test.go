package replicas

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is what docker's login client has for an answer.
const patience = 15 * time.Second

// kind is a way of asking for a token.
type kind struct {
	name string
	ask  func(client *http.Client, baseURL string, p person) answer
	// transport changes the client's transport.
	transport func(*http.Transport)
	// later says that 503 with Retry-After is an answer, too, and no failure.
	later bool
	// good says which answer is the right one; nil: a token.
	good func(answer) bool
}

// passwords are the ways that take a password. A POST is sent again by no client.
func passwords() []kind {
	get := func(client *http.Client, baseURL string, p person) answer {
		return token(client, baseURL, false, p, "")
	}
	post := func(client *http.Client, baseURL string, p person) answer { return token(client, baseURL, true, p, "") }
	keep := func(*http.Transport) {}
	return []kind{
		{name: "GET, connections kept", ask: get, transport: keep},
		{name: "POST, connections kept", ask: post, transport: keep},
		{name: "GET, HTTP/2", ask: get, transport: func(tr *http.Transport) { tr.ForceAttemptHTTP2 = true }},
		{name: "POST, a connection each", ask: post, transport: func(tr *http.Transport) { tr.DisableKeepAlives = true }},
	}
}

// refreshes goes on with what people got at a login, as docker does. later is for
// an outage in which whether a session was ended may not be known.
func refreshes(w *world, later bool) kind {
	w.t.Helper()
	client, held := newClient(w.t, w.CAFile, func(*http.Transport) {}), map[string]string{}
	for i, p := range w.people {
		if held[p.username] = login(client, w.Servers[i%2].URL, p); held[p.username] == "" && !p.robot() {
			w.t.Fatalf("%s gets no refresh token", p.username)
		}
	}
	return kind{name: "POST of refresh tokens", ask: func(client *http.Client, baseURL string, p person) answer {
		if p.robot() { // robots have their secret
			return token(client, baseURL, true, p, "")
		}
		return refresh(client, baseURL, held[p.username])
	}, transport: func(*http.Transport) {}, later: later}
}

// verifies shows everybody's token at /verify, as gateways do. The tokens have to
// last as long as the test. On a machine so busy that a replica does not get to look
// for changes for a second, it cannot tell, and says so; what a restart would do is
// something else: no answer, or the gateway's own.
func verifies(w *world) kind {
	w.t.Helper()
	client, held := newClient(w.t, w.CAFile, func(*http.Transport) {}), map[string]string{}
	for i, p := range w.people {
		var body struct{ Token string }
		if a := token(client, w.Servers[i%2].URL, true, p, ""); !a.ok() || json.Unmarshal([]byte(a.body), &body) != nil {
			w.t.Fatalf("%s gets no token: %d %s", p.username, a.status, a.body)
		}
		held[p.username] = body.Token
	}
	return kind{name: "/verify", ask: func(client *http.Client, baseURL string, p person) answer {
		req, err := http.NewRequest(http.MethodGet, baseURL+"/verify", http.NoBody)
		if err != nil {
			return answer{body: err.Error()}
		}
		req.Header.Set("Authorization", "Bearer "+held[p.username])
		return do(client, req)
	}, transport: func(*http.Transport) {}, good: func(a answer) bool { return a.status == http.StatusOK }, later: true}
}

// person logs in with a right password. So does a robot.
type person struct{ username, password string }

func (p person) robot() bool { return strings.HasPrefix(p.username, "robot.") }

// load is the world's people who ask for tokens, each in every way, again and again. Anything
// but a token is a failure.
type load struct {
	t     *testing.T
	kinds []kind
	quit  chan struct{}
	done  sync.WaitGroup

	mu       sync.Mutex
	answered map[string]int // by kind
	delayed  map[string]int // by kind: told to come later
	failures map[string]int // by what happened
}

// ask begins to ask at the URL, which leads to the replicas.
func ask(w *world, baseURL string, kinds ...kind) *load {
	t := w.t
	t.Helper()
	l := &load{t: t, kinds: kinds, quit: make(chan struct{}), answered: map[string]int{}, delayed: map[string]int{}, failures: map[string]int{}}
	for _, k := range kinds {
		for _, p := range w.people {
			client := newClient(t, w.CAFile, k.transport)
			l.done.Go(func() {
				for {
					select {
					case <-l.quit:
						return
					default:
						l.count(k, k.ask(client, baseURL, p))
					}
				}
			})
		}
	}
	t.Cleanup(func() { l.end() })
	return l
}

func newClient(t *testing.T, caFile string, change func(*http.Transport)) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", caFile)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	change(transport)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// answer is what came back.
type answer struct {
	status int // 0: no answer
	header http.Header
	body   string
}

// ok says whether the answer is a token.
func (a answer) ok() bool {
	return a.status == http.StatusOK && strings.Contains(a.body, `"token":"ey`)
}

// token asks for a token with a password. It may be called from any goroutine.
// from is the address that a proxy vouches for; empty is this machine's.
func token(client *http.Client, baseURL string, form bool, p person, from string) answer {
	if form {
		return send(client, http.MethodPost, baseURL, url.Values{
			"grant_type": {"password"}, "username": {p.username}, "password": {p.password},
		}, p, from)
	}
	return send(client, http.MethodGet, baseURL, url.Values{}, p, from)
}

// login logs in as docker login does and returns the refresh token, empty where
// there is none.
func login(client *http.Client, baseURL string, p person) string {
	var body struct {
		RefreshToken string `json:"refresh_token"`
	}
	a := send(client, http.MethodGet, baseURL, url.Values{"offline_token": {"true"}}, p, "")
	if a.ok() && json.Unmarshal([]byte(a.body), &body) == nil {
		return body.RefreshToken
	}
	return ""
}

// refresh asks for a token with a refresh token.
func refresh(client *http.Client, baseURL, refreshToken string) answer {
	return send(client, http.MethodPost, baseURL, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {refreshToken},
	}, person{}, "")
}

// send sends a token request: the fields in the query and the person as HTTP
// Basic, or all in a form.
func send(client *http.Client, method, baseURL string, fields url.Values, p person, from string) answer {
	for name, value := range map[string]string{"service": service, "scope": "repository:public/app:pull", "client_id": "replicas"} {
		fields.Set(name, value)
	}
	req, err := http.NewRequest(method, baseURL+"/token?"+fields.Encode(), http.NoBody)
	if method == http.MethodPost {
		req, err = http.NewRequest(method, baseURL+"/token", strings.NewReader(fields.Encode()))
	}
	if err != nil {
		return answer{body: err.Error()}
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		req.SetBasicAuth(p.username, p.password)
	}
	if from != "" {
		req.Header.Set("X-Forwarded-For", from)
	}
	return do(client, req)
}

// do sends a request and reads the answer.
func do(client *http.Client, req *http.Request) answer {
	resp, err := client.Do(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

func (l *load) count(k kind, a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait, err := strconv.Atoi(a.header.Get("Retry-After"))
	good := answer.ok
	if k.good != nil {
		good = k.good
	}
	switch {
	case good(a):
		l.answered[k.name]++
		return
	case k.later && a.status == http.StatusServiceUnavailable && err == nil && wait > 0:
		l.delayed[k.name]++
		return
	}
	l.failures[fmt.Sprintf("%s: %d %.200s", k.name, a.status, a.body)]++
}

// await waits until every kind was answered n more times, or told to come later, or
// anything failed.
func (l *load) await(n int) {
	l.t.Helper()
	snapshot := func() (map[string]int, int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		all := maps.Clone(l.answered)
		for name, n := range l.delayed {
			all[name] += n
		}
		return all, len(l.failures)
	}
	before, _ := snapshot()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		now, failures := snapshot()
		enough := true
		for _, k := range l.kinds {
			enough = enough && now[k.name] >= before[k.name]+n
		}
		switch {
		case enough, failures > 0:
			return
		case time.Now().After(deadline):
			l.t.Fatalf("the load does not get on: %v, then %v", before, now)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// end ends the load and wants no failure.
func (l *load) end() {
	l.t.Helper()
	select {
	case <-l.quit:
		return
	default:
		close(l.quit)
	}
	l.done.Wait()
	l.t.Logf("answered: %v, told to come later: %v", l.answered, l.delayed)
	for what, n := range l.failures {
		l.t.Errorf("failed %d times: %s", n, what)
	}
}
