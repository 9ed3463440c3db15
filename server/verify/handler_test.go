package verify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/identity"
	"drawbridge/server"
	"drawbridge/server/verify"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	docker = "Docker registry"
	zot    = "zot"
	realm  = "https://auth.example.com:5001/token"
)

// revocations answers as it is told, by token ID.
type revocations struct {
	mu sync.Mutex
	by map[string]error
}

func (r *revocations) Check(c tokens.Claims) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.by[c.ID]
}

func (r *revocations) set(id string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.by[id] = err
}

type events struct {
	mu  sync.Mutex
	all []audit.Event
}

func (e *events) Record(event audit.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

// world is a handler over real keys, whose clock the test moves.
type world struct {
	*verify.Handler
	t       testing.TB
	keys    *tokens.Keys
	now     time.Time
	revoked *revocations
	events  *events
	metrics *prometheus.Registry
	next    int
}

func newWorld(t testing.TB, services ...string) *world {
	t.Helper()
	if services == nil {
		services = []string{docker, zot}
	}
	w := &world{
		t: t, now: time.Unix(1_800_000_000, 0), revoked: &revocations{by: map[string]error{}}, events: &events{},
		metrics: prometheus.NewRegistry(),
	}
	opts := tokens.Options{
		Dir: filepath.Join(t.TempDir(), "keys"), LongestTTL: 5 * time.Minute, Clock: func() time.Time { return w.now },
	}
	for _, service := range services {
		r := tokens.Registry{Service: service}
		if service == zot {
			r.Form = tokens.FormKID
		}
		opts.Registries = append(opts.Registries, r)
	}
	var err error
	if w.keys, err = tokens.Open(opts); err != nil {
		t.Fatal(err)
	}
	verifier := tokens.NewVerifier(w.keys)
	t.Cleanup(func() { _ = verifier.Close() })
	w.Handler = &verify.Handler{
		Tokens: verifier, Revocations: w.revoked, Services: services, Realm: realm,
		Metrics: verify.NewMetrics(w.metrics), Audit: w.events,
		ClientAddr: func(*http.Request) string { return "192.0.2.7" }, Clock: opts.Clock,
	}
	return w
}

// mint returns a token and its ID.
func (w *world) mint(service string) (token, id string) {
	w.t.Helper()
	w.next++
	id = fmt.Sprintf("id-%d", w.next)
	token, err := w.keys.Mint(service, tokens.Claims{
		Issuer: "iss", Audience: service, Subject: "corp/alice", ID: id, IssuedAt: w.now, TTL: 5 * time.Minute,
		Access: []tokens.Access{{Type: "repository", Name: "team/app", Actions: []string{"pull", "push"}}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return token, id
}

// ask sends a request to /verify with pairs of header names and values.
func (w *world) ask(headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/verify", nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return w.do(r)
}

func (w *world) do(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	verify.Before(w.Handler, http.NotFoundHandler()).ServeHTTP(rec, r)
	return rec
}

// denied fails the test unless the answer is a denial as clients and gateways read
// it, and returns its message.
func (w *world) denied(rec *httptest.ResponseRecorder, status int, code string) string {
	w.t.Helper()
	var body server.RegistryErrors
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || len(body.Errors) != 1 {
		w.t.Fatalf("status %d: %q: not the registry's error shape: %v", rec.Code, rec.Body, err)
	}
	if rec.Code != status || body.Errors[0].Code != code {
		w.t.Errorf("status %d, code %s; want %d, %s", rec.Code, body.Errors[0].Code, status, code)
	}
	for name, want := range map[string]string{
		"Docker-Distribution-Api-Version": "registry/2.0", "Content-Type": "application/json", "Cache-Control": "no-store",
		verify.DenialHeader: rec.Body.String(),
	} {
		if got := rec.Header().Get(name); got != want {
			w.t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if challenged := rec.Header().Get("WWW-Authenticate") != ""; challenged != (status == http.StatusUnauthorized) {
		w.t.Errorf("status %d with the challenge %q", status, rec.Header().Get("WWW-Authenticate"))
	}
	return body.Errors[0].Message
}

func (w *world) allowed(rec *httptest.ResponseRecorder) {
	w.t.Helper()
	if rec.Code != http.StatusOK || rec.Body.Len() > 0 || rec.Header().Get("Cache-Control") != "no-store" {
		w.t.Errorf("status %d, body %q, headers %v; want an empty 200", rec.Code, rec.Body, rec.Header())
	}
}

func TestGoodTokensPass(t *testing.T) {
	w := newWorld(t)
	w.allowed(w.ask())
	for _, service := range []string{docker, zot} {
		token, _ := w.mint(service)
		for _, scheme := range []string{"Bearer", "bearer", "BEARER"} {
			w.allowed(w.ask("Authorization", scheme+" "+token))
		}
	}
}

// Gateways append the client's path, or do not, and use its method, or GET.
func TestAnyMethodAndPath(t *testing.T) {
	w := newWorld(t)
	token, id := w.mint(docker)
	for _, revoke := range []error{nil, &revocation.RevokedError{Kind: feed.RevokeToken}} {
		w.revoked.set(id, revoke)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "PROPFIND"} {
			for _, path := range []string{
				"/verify", "/verify/", "/verify/v2/", "/verify//v2/team/app/blobs/uploads/?_state=secret",
				"/verify/../v2/", "/verify/v2/%2e%2e/x", "/verify/v2/a/./b", "/verify?_state=secret&service=zot", "/verify/%00",
			} {
				r := httptest.NewRequest(method, path, nil)
				r.Header.Set("Authorization", "Bearer "+token)
				rec := w.do(r)
				if revoke == nil {
					w.allowed(rec)
				} else {
					w.denied(rec, http.StatusForbidden, "DENIED")
				}
			}
		}
	}
}

func TestBeforeLeavesTheRest(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/", "/token", "/verifying", "/verify2/x", "/v2/verify", "//verify", "/Verify"} {
		if rec := w.do(httptest.NewRequest(http.MethodGet, path, nil)); rec.Code != http.StatusNotFound {
			t.Errorf("%s: status %d, want the other handler's 404", path, rec.Code)
		}
	}
}

// What a registry may read as a token and this handler does not must not pass. The
// registries: distribution 2.8 splits the first header at spaces, 3.x cuts it at
// the first one and drops white space in the rest, zot finds "bearer " anywhere.
func TestNothingPassesAsNoTokenThatIsOne(t *testing.T) {
	w := newWorld(t)
	good, id := w.mint(docker)
	w.revoked.set(id, &revocation.RevokedError{Kind: feed.RevokeToken})
	for name, values := range map[string][]string{
		"two headers":                   {"Bearer " + good, "Bearer " + good},
		"Basic, then Bearer":            {"Basic dTpw", "Bearer " + good},
		"Bearer, then Basic":            {"Bearer " + good, "Basic dTpw"},
		"empty, then Bearer":            {"", "Bearer " + good},
		"a list":                        {"Basic dTpw, Bearer " + good},
		"two tokens":                    {"Bearer " + good + " " + good},
		"two tokens with a comma":       {"Bearer " + good + "," + good},
		"two spaces":                    {"Bearer  " + good},
		"a tab":                         {"Bearer\t" + good},
		"a trailing space":              {"Bearer " + good + " "},
		"a space inside":                {"Bearer " + good[:20] + " " + good[20:]},
		"a line break inside":           {"Bearer " + good[:20] + "\n" + good[20:]},
		"zot: bearer in the middle":     {"Digest bearer " + good},
		"zot: a word that ends with it": {"Xbearer " + good},
		"zot: behind Basic":             {"Basic bearer " + good},
		"quotes":                        {`Bearer "` + good + `"`},
		"JSON serialization":            {`Bearer {"payload":"x"}`},
		"no credential":                 {"Bearer"},
		"an empty credential":           {"Bearer "},
		"padding alone":                 {"Bearer =="},
		"empty":                         {""},
		"the token alone":               {good},
		"another scheme":                {"Negotiate " + good},
		"a NUL":                         {"Bearer\x00 " + good},
		"a full-width space":            {"Bearer\u3000" + good},
		"Basic without a credential":    {"Basic"},
		"Basic with two":                {"Basic dTpw dTpw"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/verify", nil)
		r.Header["Authorization"] = values
		if rec := w.do(r); rec.Code != http.StatusUnauthorized {
			t.Errorf("%s: status %d", name, rec.Code)
		} else {
			w.denied(rec, http.StatusUnauthorized, "UNAUTHORIZED")
		}
	}
	// The registry itself refuses it.
	for _, basic := range []string{"Basic dTpw", "basic Og==", "BASIC dTpw"} {
		w.allowed(w.ask("Authorization", basic))
	}
}

func TestForgedAndExpired(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	good, _ := w.mint(docker)
	stranger, _ := other.mint(docker)
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"a stranger's": stranger, "no signature": parts[0] + "." + parts[1] + ".", "not one": "x", "dots": "..",
		"huge": good + strings.Repeat("A", 60<<10),
	} {
		w.denied(w.ask("Authorization", "Bearer "+token), http.StatusUnauthorized, "UNAUTHORIZED")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	w.now = w.now.Add(5*time.Minute + tokens.Leeway - time.Second)
	w.allowed(w.ask("Authorization", "Bearer "+good)) // registries take it as well
	w.now = w.now.Add(time.Second)
	w.denied(w.ask("Authorization", "Bearer "+good), http.StatusUnauthorized, "UNAUTHORIZED")
}

func TestRevoked(t *testing.T) {
	w := newWorld(t)
	token, id := w.mint(docker)
	w.allowed(w.ask("Authorization", "Bearer "+token)) // it is remembered as good now
	for _, kind := range []feed.Kind{feed.RevokeToken, feed.RevokeSession, feed.RevokePerson} {
		w.revoked.set(id, fmt.Errorf("checked: %w", &revocation.RevokedError{Kind: kind}))
		if got := w.denied(w.ask("Authorization", "Bearer "+token), http.StatusForbidden, "DENIED"); !strings.Contains(got, id) {
			t.Errorf("the message does not name the token's ID: %s", got)
		}
		// A client that tries again is answered again and not written down again.
		w.denied(w.ask("Authorization", "Bearer "+token), http.StatusForbidden, "DENIED")
		last := w.events.all[len(w.events.all)-1]
		if len(w.events.all) != 1 || last.Action != audit.TokenRefused || last.Outcome != audit.Failure || last.Reason != string(kind) ||
			last.User != "corp/alice" || last.DecisionID != id || last.Service != docker || last.SourceIP != "192.0.2.7" {
			t.Errorf("%s: events %+v", kind, w.events.all)
		}
		w.events.all = nil
		w.now = w.now.Add(time.Minute)
	}
	w.revoked.set(id, nil)
	w.allowed(w.ask("Authorization", "Bearer "+token))
}

// A key was revoked: whoever has a token of it gets another one with the answer, and
// the audit log has whose token it was, whether the revocations or the keys say so
// first.
func TestRevokedKey(t *testing.T) {
	w := newWorld(t)
	listed, id := w.mint(docker)
	w.revoked.set(id, &revocation.RevokedError{Kind: feed.RevokeKey})
	w.withdrawn(listed, id)

	remembered, rememberedID := w.mint(docker)
	w.allowed(w.ask("Authorization", "Bearer "+remembered))
	unseen, unseenID := w.mint(docker)
	kid := w.keyOf(remembered)
	w.keys.Apply(feed.Change{Kind: feed.RevokeKey, Value: kid})
	w.withdrawn(remembered, rememberedID)
	w.withdrawn(unseen, unseenID)

	events := len(w.events.all)
	w.denied(w.ask("Authorization", "Bearer "+unseen[:len(unseen)-6]+"AAAAAA"), http.StatusUnauthorized, "UNAUTHORIZED")
	if len(w.events.all) != events {
		t.Error("a forged token that names the key is in the audit log")
	}
	if err := w.keys.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh, _ := w.mint(docker)
	w.allowed(w.ask("Authorization", "Bearer "+fresh))
}

// withdrawn fails the test unless the token is refused for its key.
func (w *world) withdrawn(token, id string) {
	w.t.Helper()
	if got := w.denied(w.ask("Authorization", "Bearer "+token), http.StatusUnauthorized, "UNAUTHORIZED"); !strings.Contains(got, "withdrawn") {
		w.t.Errorf("the message is %q", got)
	}
	last := w.events.all[len(w.events.all)-1]
	if last.Action != audit.TokenRefused || last.Reason != string(feed.RevokeKey) || last.DecisionID != id || last.User != "corp/alice" {
		w.t.Errorf("event %+v", last)
	}
}

// keyOf returns the kid of a good token.
func (w *world) keyOf(token string) string {
	w.t.Helper()
	claims, err := w.keys.Verify(token)
	if err != nil {
		w.t.Fatal(err)
	}
	return claims.KeyID
}

// storeless are keys that another replica's key cannot be looked up for.
type storeless struct{}

func (storeless) Verify(string) (tokens.Claims, error) {
	return tokens.Claims{}, &identity.Error{Kind: identity.Unavailable, Message: "x", Err: errors.New("the store is down")}
}

func TestKeyThatCannotBeLookedUp(t *testing.T) {
	w := newWorld(t)
	token, _ := w.mint(docker)
	w.Tokens = storeless{}
	rec := w.ask("Authorization", "Bearer "+token)
	w.denied(rec, http.StatusServiceUnavailable, "UNAVAILABLE")
	if rec.Header().Get("Retry-After") == "" || strings.Contains(rec.Body.String(), "store") {
		t.Errorf("headers %v, body %s", rec.Header(), rec.Body)
	}
}

// Nobody can say: a good token is not let through. What needs no answer of the
// revocations gets its own.
func TestFailsClosed(t *testing.T) {
	w := newWorld(t)
	token, id := w.mint(docker)
	w.revoked.set(id, errors.New("the store is down"))
	rec := w.ask("Authorization", "Bearer "+token)
	w.denied(rec, http.StatusServiceUnavailable, "UNAVAILABLE")
	if rec.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if strings.Contains(rec.Body.String(), "store") {
		t.Errorf("the cause is told: %s", rec.Body)
	}
	w.allowed(w.ask())
	w.denied(w.ask("Authorization", "Bearer x"), http.StatusUnauthorized, "UNAUTHORIZED")
}

func TestTheGatewayMayNameItsRegistry(t *testing.T) {
	w := newWorld(t)
	dockers, _ := w.mint(docker)
	zots, _ := w.mint(zot)
	w.allowed(w.ask("Authorization", "Bearer "+dockers, verify.ServiceHeader, docker))
	w.allowed(w.ask("Authorization", "Bearer "+zots, verify.ServiceHeader, zot))
	w.allowed(w.ask(verify.ServiceHeader, zot))

	rec := w.ask("Authorization", "Bearer "+dockers, verify.ServiceHeader, zot)
	w.denied(rec, http.StatusUnauthorized, "UNAUTHORIZED")
	if got := rec.Header().Get("WWW-Authenticate"); !strings.Contains(got, `service="zot"`) {
		t.Errorf("the challenge is for another registry: %s", got)
	}
	for name, headers := range map[string][]string{
		"unknown":          {verify.ServiceHeader, "Other"},
		"empty":            {verify.ServiceHeader, ""},
		"two":              {verify.ServiceHeader, docker, verify.ServiceHeader, zot},
		"a list":           {verify.ServiceHeader, docker + ", " + zot},
		"not its spelling": {verify.ServiceHeader, "docker registry"},
	} {
		rec := w.ask(append(headers, "Authorization", "Bearer "+dockers)...)
		w.denied(rec, http.StatusForbidden, "DENIED")
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// A registry that was taken out of the configuration is none of ours any more.
func TestTokenOfARegistryThatIsGone(t *testing.T) {
	w := newWorld(t)
	token, _ := w.mint(docker)
	w.Services = []string{zot}
	w.denied(w.ask("Authorization", "Bearer "+token), http.StatusUnauthorized, "UNAUTHORIZED")
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	good, id := w.mint(docker)
	w.ask()
	w.ask("Authorization", "Bearer "+good)
	w.ask("Authorization", "Bearer x")
	w.ask("Authorization", "Bearer "+good, verify.ServiceHeader, zot)
	w.ask("Authorization", "Bearer "+good, verify.ServiceHeader, "Other")
	w.revoked.set(id, &revocation.RevokedError{Kind: feed.RevokeToken})
	w.ask("Authorization", "Bearer "+good)
	w.revoked.set(id, errors.New("not fresh"))
	w.ask("Authorization", "Bearer "+good)
	families, err := w.metrics.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "drawbridge_verify_requests_total" {
		t.Fatalf("%v, %v", families, err)
	}
	got := map[string]float64{}
	for _, metric := range families[0].GetMetric() {
		got[metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
	}
	want := map[string]float64{
		"allowed": 1, "invalid": 1, "misconfigured": 1, "no_token": 1, "other_service": 1, "revoked": 1, "unknown": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// No answer holds a token or a query.
func TestAnswersTellNoSecret(t *testing.T) {
	w := newWorld(t)
	token, id := w.mint(docker)
	for _, err := range []error{nil, &revocation.RevokedError{Kind: feed.RevokeToken}, errors.New("down")} {
		w.revoked.set(id, err)
		for _, shown := range []string{"Bearer " + token, "Bearer " + token + "x", "Bearer " + token + " x", token} {
			rec := w.ask("Authorization", shown, "X-Forwarded-Uri", "/v2/team/app/blobs/uploads/u?_state=hush-hush")
			text := rec.Body.String() + fmt.Sprint(rec.Header())
			for _, secret := range append(strings.Split(token, "."), "hush-hush") {
				if strings.Contains(text, secret) {
					t.Errorf("status %d tells %.20q...", rec.Code, secret)
				}
			}
		}
	}
	for _, e := range w.events.all {
		if strings.Contains(fmt.Sprintf("%+v", e), token) {
			t.Errorf("an audit event holds the token")
		}
	}
}
