package clients

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"

	"github.com/golang-jwt/jwt/v5"
)

// A thousand pods pull at once with one account: the directory is asked once,
// whichever cache stands before it.
func TestAThousandPodsCostTheDirectoryOneBind(t *testing.T) {
	t.Parallel()
	for name, cache := range map[string]string{
		"in process": "", "Redis": "cache: { redis_url: \"" + testbed.StartRedis(t, testbed.RedisOptions{}).URL() + "\" }\n",
	} {
		t.Run(name, func(t *testing.T) {
			directory := testbed.StartSlapd(t)
			s := serve(t, registries, corp(directory), cache)
			// The service account's own bind is not the pods'.
			if answer := s.Ask(testbed.TokenRequest{Service: filtering, User: "nobody-there", Password: "x"}); answer.Status != http.StatusUnauthorized {
				t.Fatalf("status %d: %s", answer.Status, answer.Body)
			}
			before := directory.Binds()
			client := s.Client()
			client.Transport.(*http.Transport).MaxConnsPerHost = 50
			var pods sync.WaitGroup
			var granted atomic.Int32
			for range 1000 {
				pods.Go(func() {
					req, err := http.NewRequest(http.MethodGet, s.URL+"/token?service=Docker+registry&scope=repository:payments/api:pull", nil)
					if err != nil {
						return
					}
					req.SetBasicAuth("alice", testbed.SeedPassword("alice"))
					if resp, err := client.Do(req); err == nil {
						if resp.StatusCode == http.StatusOK {
							granted.Add(1)
						}
						_ = resp.Body.Close()
					}
				})
			}
			pods.Wait()
			if granted.Load() != 1000 {
				t.Errorf("%d of 1000 pods got a token", granted.Load())
			}
			if binds := directory.Binds() - before; binds != 1 {
				t.Errorf("the directory saw %d binds", binds)
			}
		})
	}
}

// A login that is remembered in Redis costs at most one command of it, and so one round
// trip: here less, since the process answers for some seconds itself.
func TestARememberedLoginIsOneRoundTripToRedis(t *testing.T) {
	t.Parallel()
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	s := serve(t, registries, corp(testbed.StartSlapd(t)), "cache: { redis_url: \""+redis.URL()+"\" }\n")
	login := func() {
		answer := s.Ask(testbed.TokenRequest{Service: filtering, User: "alice", Password: testbed.SeedPassword("alice"), Scopes: []string{"repository:payments/api:pull"}})
		if answer.Status != http.StatusOK {
			t.Fatalf("status %d: %s", answer.Status, answer.Body)
		}
	}
	commands := func() (n int) {
		for line := range strings.Lines(redis.CLI("INFO", "stats")) {
			if number, found := strings.CutPrefix(line, "total_commands_processed:"); found {
				n, _ = strconv.Atoi(strings.TrimSpace(number))
			}
		}
		return n
	}
	before := commands()
	login()
	if first := commands() - before; first < 2 { // what is asked for and what is kept
		t.Fatalf("the first login was %d commands: Redis is not in use", first)
	}
	const logins = 300
	before = commands()
	for range logins {
		login()
	}
	if n := commands() - before; n > logins {
		t.Errorf("%d logins were %d commands to Redis", logins, n)
	}
}

// brief forgets almost at once, so that a test need not wait.
const brief = "cache: { lookup_ttl: 1s, credential_ttl: 1s }\n"

// While the directory is down, who was there before goes on with a short token;
// nobody else does, and nobody who was refused in between.
func TestGraceDuringAnOutage(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory), brief)
	ask := func(user, password string) testbed.TokenAnswer {
		return s.Ask(testbed.TokenRequest{Service: filtering, User: user, Password: password, Scopes: []string{"repository:payments/api:pull"}})
	}
	for _, user := range []string{"alice", "bob"} {
		if answer := ask(user, testbed.SeedPassword(user)); answer.Status != http.StatusOK {
			t.Fatalf("%s: status %d: %s", user, answer.Status, answer.Body)
		}
	}
	directory.Modify(directory.PersonDN("bob"), "userPassword", "changed")
	s.Await("bob's old password is refused", func() bool { return ask("bob", testbed.SeedPassword("bob")).Status == http.StatusUnauthorized })
	directory.Stop()
	s.AwaitAudit("alice goes on", func(e audit.Event) bool {
		if answer := ask("alice", testbed.SeedPassword("alice")); answer.Status != http.StatusOK {
			t.Fatalf("alice during the outage: status %d: %s", answer.Status, answer.Body)
		}
		return e.Stale && e.User == "corp/alice" && e.Action == audit.TokenIssued
	})
	answer := ask("alice", testbed.SeedPassword("alice"))
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(answer.Token, &claims); err != nil {
		t.Fatal(err)
	}
	if life := claims.ExpiresAt.Sub(claims.IssuedAt.Time); life.Minutes() > 2 { // the minute, and the minute iat lies back
		t.Errorf("a token made during the outage lives %s", life)
	}
	for user, password := range map[string]string{"alice": "wrong", "carol": testbed.SeedPassword("carol")} {
		if answer := ask(user, password); answer.Status != http.StatusServiceUnavailable {
			t.Errorf("%s with %s: status %d: %s", user, password, answer.Status, answer.Body)
		}
	}
	// Bob's refusal is forgotten after a while; the grant before it is gone.
	s.Await("bob is told to come back", func() bool {
		answer := ask("bob", testbed.SeedPassword("bob"))
		if answer.Status == http.StatusOK {
			t.Fatal("bob is let in by the outage")
		}
		return answer.Status == http.StatusServiceUnavailable
	})
}

// Somebody leaves, or changes: every answer follows within the times of the cache.
func TestOffboarding(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory), brief)
	ask := func(user, password string) testbed.TokenAnswer {
		return s.Ask(testbed.TokenRequest{Service: filtering, User: user, Password: password, Scopes: []string{"repository:payments/api:push"}})
	}
	is := func(user, password string, status int, scope string) func() bool {
		return func() bool {
			answer := ask(user, password)
			return answer.Status == status && answer.Scope == scope
		}
	}
	const pushed = "repository:payments/api:push"
	for _, user := range []string{"alice", "bob", "jürgen"} {
		if !is(user, testbed.SeedPassword(user), http.StatusOK, pushed)() {
			t.Fatalf("%s cannot push", user)
		}
	}
	directory.Delete(directory.PersonDN("alice"))
	s.Await("alice, deleted, is refused", is("alice", testbed.SeedPassword("alice"), http.StatusUnauthorized, ""))

	directory.Modify(directory.PersonDN("bob"), "userPassword", "new")
	s.Await("bob's old password is refused", is("bob", testbed.SeedPassword("bob"), http.StatusUnauthorized, ""))
	if !is("bob", "new", http.StatusOK, pushed)() {
		t.Error("bob's new password is refused")
	}
	directory.Modify(directory.GroupDN("payments-dev"), "member", directory.PersonDN("bob"))
	s.Await("jürgen, out of the group, cannot push", is("jürgen", testbed.SeedPassword("jürgen"), http.StatusOK, ""))
}

// Different wrong passwords are limited by user and address; neither the right
// password that is in use nor anybody else pays for it.
func TestWrongPasswordsAreLimited(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory), "limits: { login_failures_per_minute: 3 }\n")
	ask := func(user, password string) testbed.TokenAnswer {
		return s.Ask(testbed.TokenRequest{Service: filtering, User: user, Password: password})
	}
	if answer := ask("alice", testbed.SeedPassword("alice")); answer.Status != http.StatusOK {
		t.Fatalf("status %d: %s", answer.Status, answer.Body)
	}
	before := directory.Binds()
	var last testbed.TokenAnswer
	for i := range 20 {
		last = ask("alice", fmt.Sprint("wrong", i))
	}
	if last.Status != http.StatusTooManyRequests || last.Errors[0].Code != "TOOMANYREQUESTS" || last.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q: %s", last.Status, last.Header.Get("Retry-After"), last.Body)
	}
	if binds := directory.Binds() - before; binds != 3 {
		t.Errorf("the directory saw %d wrong passwords", binds)
	}
	if answer := ask("alice", testbed.SeedPassword("alice")); answer.Status != http.StatusOK {
		t.Errorf("the password in use: status %d: %s", answer.Status, answer.Body)
	}
	if answer := ask("bob", testbed.SeedPassword("bob")); answer.Status != http.StatusOK {
		t.Errorf("somebody else: status %d: %s", answer.Status, answer.Body)
	}
	if strings.Contains(s.Output(), "wrong1") {
		t.Error("a password is in the server's output")
	}
}
