package replicas

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens/revocation"
)

// Whatever is ended at one replica is refused by the other within a second of the
// acknowledgement, in every way of ending something; also without Redis, and also
// if the other one does not reach PostgreSQL. Without both nobody can tell, and
// nothing passes.
func TestRevocationReachesEveryReplica(t *testing.T) {
	t.Parallel()
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	const lasting = "access_ttl: 30m"
	w := start(t, parts{redisURL: redis.URL(), settings: "tokens: { " + lasting + " }\n"})
	// A command that signs needs to be told of the CA, which the servers have from
	// their environment.
	w.Servers[0].WriteFile("keys.yaml", strings.Replace(string(w.Servers[0].ReadFile("drawbridge.yaml")), lasting,
		fmt.Sprintf("%s, ca_cert_file: %q, ca_key_file: %q", lasting, w.TrustFile, filepath.Join(filepath.Dir(w.TrustFile), "signing.key")), 1))
	r := &revoking{world: w, client: newClient(t, w.CAFile, func(*http.Transport) {})}
	good := r.login()
	r.everyWay()

	redis.Kill()
	delays(t, "without Redis, a token at its bearer's wish", 20, r.byBearer)
	delays(t, "without Redis, a session by its refresh token", 5, r.byRefreshToken)
	redis.Restart()
	r.await(0, "drawbridge_feed_relay_up", 1)
	r.await(1, "drawbridge_feed_relay_up", 1)

	w.link.Cut()
	r.await(1, "drawbridge_store_up", 0)
	delays(t, "the other replica has Redis only, a token at its bearer's wish", 100, r.byBearer)
	delays(t, "the other replica has Redis only, a session by its refresh token", 5, r.byRefreshTokenUnread)
	w.link.Mend()
	r.await(1, "drawbridge_store_up", 1)

	r.withoutStore(redis, good)
}

// everyWay ends things in every way there is. Keys come last: that ends all.
func (r *revoking) everyWay() {
	r.t.Helper()
	delays(r.t, "a token at its bearer's wish", 100, r.byBearer)
	delays(r.t, "a token by its ID", 20, r.byTokenID)
	delays(r.t, "a session by its refresh token", 10, r.byRefreshToken)
	delays(r.t, "a session by its ID", 3, r.bySessionID)
	delays(r.t, "a person", 3, r.byPerson)
	survives := r.login()
	delays(r.t, "a token by the command", 3, r.byCommand)
	delays(r.t, "all keys", 2, r.byKey)
	r.Await("a login survives new keys", func() bool { return refresh(r.client, r.other(), survives.refresh).ok() })
}

// revoking ends things at the first replica and looks at the second one.
type revoking struct {
	*world
	client *http.Client
	store  *store.Store
}

func (r *revoking) first() string { return r.Servers[0].URL }
func (r *revoking) other() string { return r.Servers[1].URL }

// held is what somebody got at the first replica.
type held struct {
	refresh, access, id, session string
}

// login logs alice in until the second replica takes what she gets: a replica that
// has yet to learn that everything of hers was ended gives her what is ended, too.
func (r *revoking) login() (h held) {
	r.t.Helper()
	r.Await("the other replica takes what a login gives", func() bool {
		h = held{refresh: login(r.client, r.first(), r.people[1])}
		var body struct{ Token string }
		if a := refresh(r.client, r.first(), h.refresh); !a.ok() || json.Unmarshal([]byte(a.body), &body) != nil {
			return false
		}
		h.access = body.Token
		return r.verify(r.other(), h.access) == http.StatusOK
	})
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(h.access, ".")[1])
	var claims struct{ Jti, Sid string }
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		r.t.Fatalf("no token: %v", err)
	}
	h.id, h.session = claims.Jti, claims.Sid
	return h
}

func (r *revoking) verify(baseURL, token string) (status int) {
	r.t.Helper()
	status, _ = r.send(http.MethodGet, baseURL+"/verify", "", "Bearer "+token)
	return status
}

// form posts one token to a replica, as the administrator.
func (r *revoking) form(baseURL, path, token string) (status int, body string) {
	r.t.Helper()
	return r.send(http.MethodPost, baseURL+path, url.Values{"token": {token}}.Encode(),
		"Basic "+base64.StdEncoding.EncodeToString([]byte(admin+":"+adminPW)))
}

func (r *revoking) send(method, target, form, authorization string) (status int, body string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, target, strings.NewReader(form))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// passes reports whether the other replica says anything of a token but that it is
// not good.
func (r *revoking) passes(token string) bool {
	r.t.Helper()
	status, body := r.form(r.other(), "/oauth2/introspect", token)
	return status != http.StatusOK || strings.TrimSpace(body) != `{"active":false}`
}

// tokenEnded reports whether /verify refuses the access token, with this status,
// and introspection knows it as well.
func (r *revoking) tokenEnded(h held, status int) bool {
	r.t.Helper()
	return r.verify(r.other(), h.access) == status && !r.passes(h.access)
}

// sessionEnded reports whether nothing of the login is good any more.
func (r *revoking) sessionEnded(h held) bool {
	r.t.Helper()
	return r.sessionRefused(h) && !r.passes(h.refresh)
}

// sessionRefused is sessionEnded without introspection of the refresh token, which
// takes the store.
func (r *revoking) sessionRefused(h held) bool {
	r.t.Helper()
	return r.tokenEnded(h, http.StatusForbidden) && refresh(r.client, r.other(), h.refresh).status == http.StatusUnauthorized
}

func (r *revoking) byBearer(int) func() bool {
	h := r.login()
	if status, body := r.form(r.first(), "/oauth2/revoke", h.access); status != http.StatusOK {
		r.t.Fatalf("revoke: %d %s", status, body)
	}
	return func() bool { return r.tokenEnded(h, http.StatusForbidden) }
}

func (r *revoking) byRefreshToken(int) func() bool {
	h := r.endSession()
	return func() bool { return r.sessionEnded(h) }
}

func (r *revoking) byRefreshTokenUnread(int) func() bool {
	h := r.endSession()
	return func() bool { return r.sessionRefused(h) }
}

// endSession ends a login by its refresh token.
func (r *revoking) endSession() held {
	r.t.Helper()
	h := r.login()
	if status, body := r.form(r.first(), "/oauth2/revoke", h.refresh); status != http.StatusOK {
		r.t.Fatalf("revoke: %d %s", status, body)
	}
	return h
}

// byTokenID revokes in a process that runs no server and has no Redis.
func (r *revoking) byTokenID(int) func() bool {
	h := r.login()
	if r.store == nil {
		var err error
		if r.store, err = store.Open(r.t.Context(), store.Options{URL: identity.NewSecret(r.database), Dir: r.t.TempDir()}); err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { _ = r.store.Close() })
	}
	revoker := revocation.NewRevoker(feed.NewWriter(feed.WriterOptions{Store: r.store}), nil)
	if err := revoker.Token(r.t.Context(), h.id, revocation.Order{By: "cli:test"}); err != nil {
		r.t.Fatal(err)
	}
	return func() bool { return r.tokenEnded(h, http.StatusForbidden) }
}

func (r *revoking) byCommand(int) func() bool {
	h := r.login()
	c := testbed.RunDrawbridge(r.t, r.Servers[0].Dir, h.access, "token", "revoke", "-", "--config", "drawbridge.yaml")
	if c.Code != 0 {
		r.t.Fatalf("drawbridge token revoke: %+v", c)
	}
	return func() bool { return r.tokenEnded(h, http.StatusForbidden) }
}

func (r *revoking) bySessionID(int) func() bool {
	h := r.login()
	r.run("session", "revoke", h.session)
	return func() bool { return r.sessionEnded(h) }
}

func (r *revoking) byPerson(int) func() bool {
	one, two := r.login(), r.login()
	r.run("session", "revoke", "--user", "corp/alice")
	return func() bool { return r.sessionEnded(one) && r.sessionEnded(two) }
}

func (r *revoking) byKey(int) func() bool {
	h := r.login()
	c := testbed.RunDrawbridge(r.t, r.Servers[0].Dir, "", "keys", "rotate", "--emergency", "--config", "keys.yaml")
	if c.Code != 0 {
		r.t.Fatalf("drawbridge keys rotate: %+v", c)
	}
	return func() bool { return r.tokenEnded(h, http.StatusUnauthorized) }
}

// await waits until a replica's metric has the value.
func (r *revoking) await(replica int, metric string, value float64) {
	r.t.Helper()
	r.Await(fmt.Sprintf("%s of replica %d is %v", metric, replica, value), func() bool {
		return r.Servers[replica].Metrics()[metric] == value
	})
}

// withoutStore takes PostgreSQL away, then Redis, and gives both back.
func (r *revoking) withoutStore(redis *testbed.Redis, before held) {
	r.t.Helper()
	if status := r.verify(r.other(), before.access); status != http.StatusUnauthorized {
		r.t.Errorf("a token of a withdrawn key: %d", status)
	}
	kept, ended := r.login(), r.login()
	inForce := func() bool { return r.tokenEnded(ended, http.StatusForbidden) }
	if status, body := r.form(r.first(), "/oauth2/revoke", ended.access); status != http.StatusOK {
		r.t.Fatalf("revoke: %d %s", status, body)
	}
	r.postgres.Kill()
	r.Await("what was revoked in the store's last moment is refused", inForce)
	r.await(0, "drawbridge_store_up", 0)
	r.await(1, "drawbridge_store_up", 0)
	for i, s := range r.Servers {
		r.Await(fmt.Sprintf("replica %d takes a good token without PostgreSQL", i), func() bool {
			return r.verify(s.URL, kept.access) == http.StatusOK
		})
		if status, _ := r.form(s.URL, "/oauth2/revoke", kept.access); status != http.StatusServiceUnavailable {
			r.t.Errorf("replica %d answers %d to a revocation that nobody keeps", i, status)
		}
	}

	redis.Kill()
	for i, s := range r.Servers {
		r.Await(fmt.Sprintf("replica %d cannot tell", i), func() bool {
			return r.verify(s.URL, kept.access) == http.StatusServiceUnavailable
		})
		if status, _ := r.form(s.URL, "/oauth2/introspect", kept.access); status != http.StatusServiceUnavailable {
			r.t.Errorf("replica %d: introspection: %d", i, status)
		}
		if a := refresh(r.client, s.URL, kept.refresh); a.status != http.StatusServiceUnavailable {
			r.t.Errorf("replica %d: refresh: %d %s", i, a.status, a.body)
		}
		if status := r.verify(s.URL, ended.access); status != http.StatusForbidden {
			r.t.Errorf("replica %d: what was revoked: %d", i, status)
		}
	}

	redis.Restart()
	r.postgres.Restart()
	for i, s := range r.Servers {
		r.Await(fmt.Sprintf("replica %d takes a good token again", i), func() bool {
			return r.verify(s.URL, kept.access) == http.StatusOK && refresh(r.client, s.URL, kept.refresh).ok()
		})
	}
	if !inForce() {
		r.t.Error("what was revoked is good again")
	}
}
