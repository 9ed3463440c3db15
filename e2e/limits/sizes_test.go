package limits

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"drawbridge/e2e/testbed"
)

// form is a token request by POST, of nobody's but what the fields say.
func form(fields url.Values) request {
	return request{method: http.MethodPost, path: "/token", body: strings.NewReader(fields.Encode()), form: true, user: "-"}
}

func login(more url.Values) url.Values {
	fields := url.Values{"grant_type": {"password"}, "service": {service}, "client_id": {"c"}, "username": {"admin"}, "password": {"badmin"}}
	for name, values := range more {
		fields[name] = values
	}
	return fields
}

func x(n int) string { return strings.Repeat("x", n) }

// Half a gigabyte in 64 forms at once is not read, and so in nobody's memory.
func tokenForm(t *testing.T) {
	w := start(t, "")
	w.refuses(form(login(url.Values{"more": {x(64 << 10)}})), http.StatusRequestEntityTooLarge, registryShape, "larger than 65536 bytes")
	if is := w.send(form(login(url.Values{"more": {x(60 << 10)}}))); is.status != http.StatusOK {
		t.Errorf("60 KiB: %d %s", is.status, is.body)
	}
	before, large := w.PeakMemory(), []byte(login(nil).Encode()+"&more="+x(8<<20))
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/token", bytes.NewReader(large))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			// The server may close the connection while the client still writes.
			if resp, err := w.Client().Do(r); err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusRequestEntityTooLarge {
					t.Errorf("8 MiB: %s", resp.Status)
				}
			}
		})
	}
	w.serves()
	all.Wait()
	if grown := w.PeakMemory() - before; grown > 128<<20 {
		t.Errorf("512 MiB of forms took %d MiB", grown>>20)
	}
}

func list(n int) []string {
	scopes := make([]string, n)
	for i := range scopes {
		scopes[i] = fmt.Sprintf("repository:payments/app%d:pull", i)
	}
	return scopes
}

func scopes(w *world) {
	t := w.t
	const says = "More than 100 scopes"
	get := request{method: http.MethodGet, path: "/token?" + url.Values{"service": {service}, "scope": list(101)}.Encode(), user: "-"}
	w.refuses(get, http.StatusBadRequest, registryShape, says)
	w.refuses(form(login(url.Values{"scope": list(101)})), http.StatusBadRequest, registryShape, says)
	w.refuses(form(login(url.Values{"scope": {strings.Join(list(101), " ")}})), http.StatusBadRequest, registryShape, says)
	get.path = "/token?" + url.Values{"service": {service}, "scope": list(100)}.Encode()
	if is := w.send(get); is.status != http.StatusOK {
		t.Errorf("100 scopes: %d", is.status)
	}
}

func scopeLength(w *world) {
	t := w.t
	long := func(n int) url.Values {
		return login(url.Values{"scope": {"repository:" + x(n-len("repository::pull")) + ":pull"}})
	}
	w.refuses(form(long(2<<10+1)), http.StatusBadRequest, registryShape, "A scope is longer than 2048 bytes")
	if is := w.send(form(long(2 << 10))); is.status != http.StatusOK {
		t.Errorf("2 KiB: %d", is.status)
	}
}

func fieldLength(w *world) {
	t := w.t
	for _, name := range []string{"service", "client_id"} {
		w.refuses(form(login(url.Values{name: {x(1<<10 + 1)}})), http.StatusBadRequest, registryShape, "longer than 1024 bytes")
	}
	if is := w.send(form(login(url.Values{"client_id": {x(1 << 10)}}))); is.status != http.StatusOK {
		t.Errorf("1 KiB: %d", is.status)
	}
}

// A hundred repositories fit into a request and, granted, not into a token.
func tokenSize(w *world) {
	t := w.t
	w.refuses(form(login(url.Values{"scope": list(100)})), http.StatusRequestEntityTooLarge, registryShape, "and 7680 are possible; ask for fewer repositories at once")
	if is := w.send(form(login(url.Values{"scope": list(20)}))); is.status != http.StatusOK || !strings.Contains(is.body, "payments/app19:pull") {
		t.Errorf("20 repositories: %d %s", is.status, is.body)
	}
}

func username(w *world) {
	w.refuses(form(login(url.Values{"username": {x(257)}})), http.StatusUnauthorized, registryShape+"UNAUTHORIZED", "The username is empty, too long")
	w.refuses(form(login(url.Values{"username": {x(256)}})), http.StatusUnauthorized, registryShape+"UNAUTHORIZED", "The username or the password is wrong")
}

func password(w *world) {
	t := w.t
	tooLong := func(w *world, n int) {
		t.Helper()
		w.refuses(form(login(url.Values{"password": {x(n)}})), http.StatusUnauthorized, registryShape+"UNAUTHORIZED", "The password is empty, too long")
	}
	wrong := func(w *world, n int) {
		t.Helper()
		w.refuses(form(login(url.Values{"password": {x(n)}})), http.StatusUnauthorized, registryShape+"UNAUTHORIZED", "The username or the password is wrong")
	}
	wrong(w, 72)
	tooLong(w, 73)
	program := &world{t, testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: strings.Replace(config, "type: htpasswd, file: htpasswd", `type: exec, command: [/bin/sh, -c, "cat >/dev/null; echo '{\"version\":1,\"id\":1,\"outcome\":\"denied\",\"reason\":\"wrong_password\"}'"]`, 1),
		Files:  map[string]string{"policy.yaml": policy},
	})}
	wrong(program, 4<<10)
	tooLong(program, 4<<10+1)
}

func repositoryName(w *world) {
	t := w.t
	for n, want := range map[int]bool{255: true, 256: false} {
		is := w.send(form(login(url.Values{"scope": {"repository:a/" + x(n-2) + ":pull"}})))
		if is.status != http.StatusOK || strings.Contains(is.body, `:pull"`) != want {
			t.Errorf("%d bytes: %d %s", n, is.status, is.body)
		}
	}
}

func oauthForm(w *world) {
	t := w.t
	for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
		r := func(n int) request {
			return request{method: http.MethodPost, path: path, body: strings.NewReader("token=x&more=" + x(n)), form: true}
		}
		w.refuses(r(64<<10), http.StatusBadRequest, oauthShape+"invalid_request", "larger than 65536 bytes")
		if is := w.send(r(60 << 10)); is.status != http.StatusOK {
			t.Errorf("%s: 60 KiB: %d %s", path, is.status, is.body)
		}
	}
}

// text is a JSON body with a member.
func text(t *testing.T, member, value string) *bytes.Reader {
	t.Helper()
	data, err := json.Marshal(map[string]string{member: value})
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(data)
}

func apiBody(w *world) {
	t := w.t
	w.refuses(request{method: http.MethodPost, path: "/api/v1/robots", body: text(t, "description", x(1<<20))}, http.StatusRequestEntityTooLarge, problemShape, "too large")
	w.serves()
}

// spaces are a policy document of that size with nothing in it.
func spaces(n int) string {
	const begin = "bindings: []\n#"
	return begin + strings.Repeat(" ", n-len(begin))
}

// policyDocument is saved: a plan of such a one is an answer, which lists the fault.
func policyDocument(t *testing.T) {
	w := &world{t, testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: strings.Replace(config, "policy: { file: policy.yaml }\n", "", 1),
		Files:  map[string]string{"htpasswd": testbed.HTPasswd(t, "admin", "badmin"), "policy.yaml": policy},
	})}
	if ran := testbed.RunDrawbridge(t, w.Dir, "", "policy", "apply", "policy.yaml", "--config", "drawbridge.yaml", "--reason", "the first"); ran.Code != 0 {
		t.Fatalf("%+v", ran)
	}
	tag := ""
	w.Await("the policy is in force", func() bool {
		is := w.send(request{method: http.MethodGet, path: "/api/v1/policy"})
		tag = is.header.Get("ETag")
		return is.status == http.StatusOK && strings.Contains(is.body, "policy-admin")
	})
	save := func(document string) request {
		return request{method: http.MethodPut, path: "/api/v1/policy", body: text(t, "text", document), header: map[string]string{"If-Match": tag}}
	}
	w.refuses(save(spaces(16<<20+1)), http.StatusUnprocessableEntity, problemShape, "16777216")
	if is := w.send(save(policy + "#" + strings.Repeat(" ", 2<<20))); is.status != http.StatusOK {
		t.Errorf("2 MiB: %d %.300s", is.status, is.body)
	}
}

func policyBody(w *world) {
	t := w.t
	w.refuses(request{method: http.MethodPost, path: "/api/v1/policy/plan", body: text(t, "text", spaces(33<<20))}, http.StatusRequestEntityTooLarge, problemShape, "too large")
	w.serves()
}

func robotName(w *world) {
	t := w.t
	r := func(n int) request {
		return request{method: http.MethodPost, path: "/api/v1/robots", body: strings.NewReader(`{"name":"` + x(n) + `","owner":"local/admin"}`)}
	}
	w.refuses(r(65), http.StatusUnprocessableEntity, problemShape, "64")
	if is := w.send(r(64)); is.status != http.StatusCreated {
		t.Errorf("64: %d %s", is.status, is.body)
	}
}

// requestID is taken from a trusted proxy up to a length.
func requestID(t *testing.T) {
	w := start(t, proxied)
	for n, want := range map[int]bool{128: true, 129: false} {
		is := w.send(request{method: http.MethodGet, path: query, user: "-", header: map[string]string{"X-Request-Id": x(n)}})
		if is.status != http.StatusOK || (is.header.Get("X-Request-Id") == x(n)) != want || is.header.Get("X-Request-Id") == "" {
			t.Errorf("%d characters: %d with the ID %q", n, is.status, is.header.Get("X-Request-Id"))
		}
	}
}

func signInForm(w *world) {
	r := request{
		method: http.MethodPost, path: "/console/sign-in", form: true, user: "-", body: strings.NewReader("username=" + x(64<<10)),
		header: map[string]string{"Origin": w.URL},
	}
	w.refuses(r, http.StatusRequestEntityTooLarge, page, "too large")
	w.serves()
}

// consoleForm is met by somebody who is signed in: for all others it is the smaller one.
func consoleForm(w *world) {
	t := w.t
	client := w.Client()
	client.Jar, _ = cookiejar.New(nil) // it has no way to fail
	send := func(method, path string, fields url.Values) (status int, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, w.URL+path, strings.NewReader(fields.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", w.URL)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var text bytes.Buffer
		_, _ = text.ReadFrom(resp.Body)
		return resp.StatusCode, text.String()
	}
	hidden := func(page string) string {
		t.Helper()
		m := regexp.MustCompile(`name="form_token" value="([^"]*)"`).FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("no form in\n%s", page)
		}
		return m[1]
	}
	_, form := send(http.MethodGet, "/console/sign-in", nil)
	status, page := send(http.MethodPost, "/console/sign-in", url.Values{"username": {"admin"}, "password": {"badmin"}, "form_token": {hidden(form)}})
	if status != http.StatusOK || !strings.Contains(page, "Sign out") {
		t.Fatalf("signing in: %d\n%s", status, page)
	}
	for n, want := range map[int]bool{4 << 20: true, 3 << 20: false} {
		status, text := send(http.MethodPost, "/console/sign-out", url.Values{"more": {x(n)}, "form_token": {"of another page"}})
		if (status == http.StatusRequestEntityTooLarge && strings.Contains(text, "drawbridge policy apply")) != want || !want && status != http.StatusForbidden {
			t.Errorf("%d MiB: %d\n%s", n>>20, status, text)
		}
	}
	w.serves()
}
