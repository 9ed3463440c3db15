package limits

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"drawbridge/e2e/testbed"

	"golang.org/x/crypto/bcrypt"
)

// proxied has clients' addresses come from a proxy, which the tests are.
const proxied = "server: { trusted_proxies: [\"127.0.0.0/8\"] }\n"

// from is a request from an address.
func from(address string, r request) request {
	r.header = map[string]string{"X-Forwarded-For": address}
	return r
}

func token(user, password string) request {
	return request{method: http.MethodGet, path: query, user: user, password: password}
}

// The one after the limit is refused wherever passwords are shown, in the shape that
// each place has; the right password in use, others there and the person elsewhere are
// not.
func wrongPasswords(t *testing.T) {
	w := start(t, proxied) // ten a minute
	const office, home = "192.0.2.1", "198.51.100.1"
	if is := w.send(from(office, token("other", "bother"))); is.status != http.StatusOK {
		t.Fatalf("the right password: %d %s", is.status, is.body)
	}
	for i := range 10 {
		w.refuses(from(office, token("other", fmt.Sprint("wrong", i))), http.StatusUnauthorized, registryShape, "wrong")
	}
	w.refuses(from(office, token("other", "wrong10")), http.StatusTooManyRequests, registryShape+"TOOMANYREQUESTS", "Too many wrong passwords")
	w.refuses(from(office, request{method: http.MethodGet, path: "/api/v1/me", user: "other", password: "wrong11"}), http.StatusTooManyRequests, problemShape, "Too many wrong passwords")
	w.refuses(from(office, request{
		method: http.MethodPost, path: "/oauth2/introspect", body: strings.NewReader("token=x"), form: true, user: "other", password: "wrong12",
	}), http.StatusTooManyRequests, oauthShape, "Too many wrong passwords")
	w.signIn("other", "wrong13", office, http.StatusTooManyRequests)
	for what, r := range map[string]request{
		"the password in use": from(office, token("other", "bother")), "somebody else there": from(office, token("admin", "badmin")),
		"the person elsewhere": from(home, token("other", "bother")),
	} {
		if is := w.send(r); is.status != http.StatusOK {
			t.Errorf("%s: %d %s", what, is.status, is.body)
		}
	}
}

// signIn fills in the console's form.
func (w *world) signIn(user, password, address string, want int) {
	w.t.Helper()
	form := w.send(from(address, request{method: http.MethodGet, path: "/console/sign-in", user: "-"}))
	hidden := regexp.MustCompile(`name="form_token" value="([^"]*)"`).FindStringSubmatch(form.body)
	if hidden == nil {
		w.t.Fatalf("no form: %d %s", form.status, form.body)
	}
	r := from(address, request{
		method: http.MethodPost, path: "/console/sign-in", form: true, user: "-",
		body: strings.NewReader(url.Values{"username": {user}, "password": {password}, "form_token": {hidden[1]}}.Encode()),
	})
	r.header["Cookie"], r.header["Origin"] = strings.Split(form.header.Get("Set-Cookie"), ";")[0], w.URL
	is := w.send(r)
	if is.status != want || want == http.StatusTooManyRequests && (is.header.Get("Retry-After") == "" || !strings.Contains(is.body, "Too many")) {
		w.t.Errorf("signing in: %d, want %d\n%s", is.status, want, is.body)
	}
}

// After ten times as many wrong ones not even the remembered right one is let in from
// that address.
func passwordFlood(t *testing.T) {
	w := start(t, proxied+"limits: { login_failures_per_minute: 2 }\ncache: { credential_ttl: 5m }\n")
	const office, home = "192.0.2.1", "198.51.100.1"
	right := func(address string, want int) {
		t.Helper()
		if is := w.send(from(address, token("other", "bother"))); is.status != want {
			t.Errorf("the right one from %s: %d, want %d: %s", address, is.status, want, is.body)
		}
	}
	right(office, http.StatusOK)
	for i := range 21 { // two are tried, and nineteen are beyond
		w.send(from(office, token("other", fmt.Sprint("wrong", i))))
	}
	right(office, http.StatusOK)
	for i := range 10 {
		w.send(from(office, token("other", fmt.Sprint("more", i))))
	}
	w.refuses(from(office, token("other", "bother")), http.StatusTooManyRequests, registryShape+"TOOMANYREQUESTS", "Too many wrong passwords")
	right(home, http.StatusOK)
}

func addressRate(t *testing.T) {
	w := start(t, proxied+"limits: { requests_per_second: 0.01 }\n") // ten seconds' worth is one
	const one, another = "192.0.2.1", "192.0.2.2"
	if is := w.send(from(one, token("-", ""))); is.status != http.StatusOK {
		t.Fatalf("the first: %d", is.status)
	}
	w.refuses(from(one, token("-", "")), http.StatusTooManyRequests, registryShape+"TOOMANYREQUESTS", "from your address")
	w.refuses(from(one, request{method: http.MethodGet, path: "/api/v1/me"}), http.StatusTooManyRequests, problemShape, "from your address")
	if is := w.send(from(another, token("-", ""))); is.status != http.StatusOK {
		t.Errorf("another address: %d", is.status)
	}
	if n := w.Metrics()[`drawbridge_rate_limited_total{by="address"}`]; n != 2 {
		t.Errorf("%v refusals are counted, want 2", n)
	}
}

func accountRate(t *testing.T) {
	w := start(t, proxied+"limits: { account_requests_per_second: 0.01 }\n")
	if is := w.send(from("192.0.2.1", token("other", "bother"))); is.status != http.StatusOK {
		t.Fatalf("the first: %d", is.status)
	}
	w.refuses(from("192.0.2.2", token("other", "bother")), http.StatusTooManyRequests, registryShape+"TOOMANYREQUESTS", "This account")
	for _, who := range []request{token("admin", "badmin"), token("-", ""), token("-", "")} {
		if is := w.send(from("192.0.2.1", who)); is.status != http.StatusOK {
			t.Errorf("%s: %d", who.user, is.status)
		}
	}
	if n := w.Metrics()[`drawbridge_rate_limited_total{by="account"}`]; n != 1 {
		t.Errorf("%v refusals are counted, want 1", n)
	}
}

// Gateways ask for each request of everybody, from one address.
func gateways(t *testing.T) {
	w := start(t, "limits: { requests_per_second: 0.01 }\n")
	w.send(token("-", ""))
	w.refuses(token("-", ""), http.StatusTooManyRequests, registryShape, "from your address")
	for range 50 {
		if is := w.send(request{method: http.MethodGet, path: "/verify", user: "-"}); is.status != http.StatusOK {
			t.Fatalf("/verify: %d", is.status)
		}
	}
}

// More password checks than there are processors for: some are refused, as an outage
// and not as a wrong password, and who needs no check is answered.
func passwordChecks(t *testing.T) {
	const people = 40
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), 12) // a quarter of a second each, and longer with the race detector
	if err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	for i := range people {
		fmt.Fprintf(&file, "user%d:%s\n", i, hash)
	}
	w := startWith(t, "", file.String(), "GOMAXPROCS=2") // one check at a time
	var mu sync.Mutex
	answers := map[int]int{}
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() {
			is := w.Ask(testbed.TokenRequest{User: fmt.Sprint("user", i), Password: "wrong"})
			mu.Lock()
			defer mu.Unlock()
			answers[is.Status]++
			if is.Status == http.StatusServiceUnavailable && (is.Header.Get("Retry-After") == "" || is.Errors[0].Code != "UNAVAILABLE") {
				t.Errorf("503 with Retry-After %q: %s", is.Header.Get("Retry-After"), is.Body)
			}
		})
	}
	w.serves()
	all.Wait()
	if answers[http.StatusServiceUnavailable] == 0 || answers[http.StatusUnauthorized]+answers[http.StatusServiceUnavailable] != people {
		t.Errorf("answered %v", answers)
	}
	w.serves()
	w.Await("a login is possible again", func() bool {
		return w.Ask(testbed.TokenRequest{User: "user0", Password: "right"}).Status == http.StatusOK
	})
}
