package clients

import (
	"net/http"
	"strconv"
	"testing"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
)

// While the directory is down its people are told to come back and accounts of
// the htpasswd file log in; when it is back so are they, with no restart.
func TestDirectoryDown(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory), "cache: { lookup_ttl: 0s, credential_ttl: 0s }\n")
	r := registryFor(t, s, testbed.Registry311, filtering, false)
	alice := testbed.TokenRequest{Service: filtering, User: "alice", Password: testbed.SeedPassword("alice")}
	if answer := s.Ask(alice); answer.Status != http.StatusOK {
		t.Fatalf("before: status %d: %s", answer.Status, answer.Body)
	}

	directory.Stop()
	for method, form := range methods() {
		request := alice
		request.Form = form
		for _, password := range []string{alice.Password, "wrong"} {
			request.Password = password
			answer := s.Ask(request)
			if answer.Status != http.StatusServiceUnavailable || answer.Errors[0].Code != "UNAVAILABLE" {
				t.Errorf("%s while slapd is down: status %d: %s", method, answer.Status, answer.Body)
			}
			if wait, err := strconv.Atoi(answer.Header.Get("Retry-After")); err != nil || wait < 1 {
				t.Errorf("%s while slapd is down: Retry-After %q", method, answer.Header.Get("Retry-After"))
			}
		}
	}
	s.AwaitAudit("a login nobody could check", func(e audit.Event) bool {
		return e.Action == audit.Login && e.Outcome == audit.Unknown && e.Connector == "corp"
	})
	if answer := s.Token(admin, adminPW); answer.Status == http.StatusOK {
		t.Error("a request without a service was answered by a server of two registries")
	}
	if answer := s.Ask(testbed.TokenRequest{Service: filtering, User: admin, Password: adminPW}); answer.Status != http.StatusOK {
		t.Errorf("the htpasswd account while slapd is down: status %d: %s", answer.Status, answer.Body)
	}
	docker := newDockerClient(t)
	out, err := docker.login(host(r), "alice", alice.Password)
	if err == nil {
		t.Error("docker logs alice in while slapd is down")
	}
	// The engine shows no text of ours for a status it does not know.
	contains(t, "docker login while slapd is down", out, "503 Service Unavailable")
	if out, err := docker.login(host(r), admin, adminPW); err != nil {
		t.Errorf("docker login of the htpasswd account while slapd is down: %v\n%s", err, out)
	}
	if !s.Ready() {
		t.Error("the server is not ready while slapd is down")
	}

	directory.Start()
	s.Await("alice logs in again", func() bool { return s.Ask(alice).Status == http.StatusOK })
	if out, err := docker.login(host(r), "alice", alice.Password); err != nil {
		t.Errorf("docker login when slapd is back: %v\n%s", err, out)
	}
}

// Redis is killed while people log in, and comes back empty: nobody is refused.
func TestRedisKilledWhilePeopleLogIn(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	s := serve(t, registries, corp(directory), "cache: { redis_url: \""+redis.URL()+"\" }\n")
	r := registryFor(t, s, testbed.Registry300, filtering, false)
	logins := newTraffic(t, s, "alice", "bob", "carol")
	logins.await(30)
	if redis.CLI("DBSIZE") == "0" {
		t.Error("nobody is cached in Redis")
	}
	redis.Kill()
	logins.await(30)
	docker := newDockerClient(t)
	if out, err := docker.login(host(r), "dave", testbed.SeedPassword("dave")); err != nil {
		t.Errorf("the first login of dave while Redis is down: %v\n%s", err, out)
	}
	if answer := s.Ask(testbed.TokenRequest{Service: filtering, User: "alice", Password: "wrong"}); answer.Status != http.StatusUnauthorized {
		t.Errorf("a wrong password while Redis is down: status %d: %s", answer.Status, answer.Body)
	}
	redis.Restart()
	logins.await(30)
	s.Await("Redis is used again", func() bool { return redis.CLI("DBSIZE") != "0" })
	for status, n := range logins.stop() {
		if status != http.StatusOK {
			t.Errorf("%d logins were answered with status %d", n, status)
		}
	}
}
