package clients

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
	"drawbridge/tokens/sessions"

	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// storedLogin is what docker has in config.json for a registry.
type storedLogin struct {
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
}

// stored returns docker's login at the registry, and fails the test if the file has
// the password in any form.
func stored(t *testing.T, docker dockerClient, registry, password string) storedLogin {
	t.Helper()
	text := read(t, filepath.Join(docker.Config(), "config.json"))
	var config struct{ Auths map[string]storedLogin }
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	login := config.Auths[registry]
	plain, err := base64.StdEncoding.DecodeString(login.Auth)
	if err != nil {
		t.Fatal(err)
	}
	if has := strings.Contains(text+string(plain), password); has != (login.IdentityToken == "") {
		t.Errorf("config.json with the password: %v, with an identity token: %v", has, login.IdentityToken != "")
	}
	return login
}

// others returns the programs that read docker's config.json, and what each calls
// itself when it uses the token.
func others(t *testing.T, docker dockerClient, caFile string) map[string]client {
	t.Helper()
	config := filepath.Join(docker.Config(), "config.json")
	trust := "SSL_CERT_FILE=" + caFile
	return map[string]client{
		"docker":               docker,
		"containers/image":     skopeoClient{newCommand(t, "skopeo", trust, "REGISTRY_AUTH_FILE="+config)},
		"go-containerregistry": craneClient{newCommand(t, "crane", trust, "DOCKER_CONFIG="+docker.Config())},
	}
}

// One docker login, and every program works with the token that it left behind; the
// password is stored nowhere and asked for by nobody.
func TestIdentityToken(t *testing.T) {
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory))
	for _, version := range testbed.RegistryVersions() {
		t.Run(version, func(t *testing.T) {
			before := len(events(s, audit.Login))
			r := registryFor(t, s, version, filtering, true)
			docker := newDockerClient(t).(dockerClient)
			if out, err := docker.login(host(r), "alice", testbed.SeedPassword("alice")); err != nil {
				t.Fatalf("docker login: %v\n%s", err, out)
			}
			login := stored(t, docker, host(r), testbed.SeedPassword("alice"))
			if !strings.HasPrefix(login.IdentityToken, sessions.Prefix) {
				t.Fatalf("docker has stored no identity token: %+v", login)
			}
			for id, c := range others(t, docker, s.CAFile) {
				id = strings.ReplaceAll(id, "/", "-")
				ref := host(r) + "/payments/" + id + ":v1"
				if out, err := c.push(ref, version+id); err != nil {
					t.Fatalf("%s: push: %v\n%s", id, err, out)
				}
				if same, out, err := c.pull(ref, version+id); err != nil || !same {
					t.Errorf("%s: pull: %v, %v\n%s", id, same, err, out)
				}
				if out, err := c.push(host(r)+"/release/"+id+":v1", version+id); err == nil {
					t.Errorf("%s pushes where alice may not:\n%s", id, out)
				}
			}
			podmanWorks(t, s, docker, host(r)+"/payments/docker:v1", host(r)+"/payments/podman:v1")
			helmWorks(t, s, docker, host(r))
			orasWorks(t, s, host(r), login.IdentityToken)
			if again := stored(t, docker, host(r), testbed.SeedPassword("alice")); again != login {
				t.Error("the token in config.json was replaced by another one")
			}
			if logins := len(events(s, audit.Login)) - before; logins != 1 {
				t.Errorf("%d passwords were verified, want that of docker login", logins)
			}
		})
	}
	shownBy := map[string]bool{}
	for _, e := range events(s, audit.Refresh) {
		if e.Outcome != audit.Success || e.User != "corp/alice" {
			t.Errorf("event %+v", e)
		}
		if other := e.Reason == string(sessions.OtherClient); other != (e.ClientID != "docker") {
			t.Errorf("a token of docker's, shown by %q, has the reason %q", e.ClientID, e.Reason)
		}
		shownBy[e.ClientID] = true
	}
	// docs/decisions has this list: what the programs call themselves.
	for _, id := range []string{"docker", "containers/image", "go-containerregistry", "oras-go"} {
		if !shownBy[id] {
			t.Errorf("nobody called %q has shown a token; there were %v", id, shownBy)
		}
	}
	if len(shownBy) != 4 {
		t.Errorf("the clients are %v", shownBy)
	}
	if strings.Contains(s.Output(), sessions.Prefix) || strings.Contains(s.Output(), testbed.SeedPassword("alice")) {
		t.Error("a secret is in the server's output")
	}
}

// events returns the audit events of one kind so far.
func events(s *testbed.Server, action audit.Action) []audit.Event {
	return slices.DeleteFunc(s.Audit(), func(e audit.Event) bool { return e.Action != action })
}

// podmanWorks pulls an image and pushes it under another name.
func podmanWorks(t *testing.T, s *testbed.Server, docker dockerClient, from, to string) {
	t.Helper()
	home := t.TempDir()
	podman := newCommand(t, "podman", "SSL_CERT_FILE="+s.CAFile, "REGISTRY_AUTH_FILE="+filepath.Join(docker.Config(), "config.json"))
	for _, args := range [][]string{{"pull", from}, {"push", from, to}} {
		// A store of its own, which needs no overlay mounts.
		args = append([]string{"--root", home + "/root", "--runroot", home + "/run", "--storage-driver", "vfs"}, args...)
		if out, err := podman.run("", args...); err != nil {
			t.Errorf("podman %v: %v\n%s", args, err, out)
		}
	}
}

// helmWorks pushes a chart and pulls it again.
func helmWorks(t *testing.T, s *testbed.Server, docker dockerClient, registry string) {
	t.Helper()
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "tiny", "Chart.yaml"), []byte("apiVersion: v2\nname: tiny\nversion: 0.1.0\n"))
	helm := newCommand(t, "helm", "SSL_CERT_FILE="+s.CAFile, "HELM_REGISTRY_CONFIG="+filepath.Join(docker.Config(), "config.json"))
	for _, args := range [][]string{
		{"package", filepath.Join(folder, "tiny"), "--destination", folder},
		{"push", filepath.Join(folder, "tiny-0.1.0.tgz"), "oci://" + registry + "/charts"},
		{"pull", "oci://" + registry + "/charts/tiny", "--version", "0.1.0", "--destination", t.TempDir()},
	} {
		if out, err := helm.run("", args...); err != nil {
			t.Fatalf("helm %v: %v\n%s", args, err, out)
		}
	}
}

// orasWorks pushes an artifact and pulls it again, with the token as oras-go reads it
// from config.json.
func orasWorks(t *testing.T, s *testbed.Server, registry, token string) {
	t.Helper()
	repo, err := remote.NewRepository(registry + "/payments/artifact")
	if err != nil {
		t.Fatal(err)
	}
	repo.Client = &auth.Client{Client: s.Client(), Credential: auth.StaticCredential(registry, auth.Credential{RefreshToken: token})}
	store, desc := packed(t, []byte("an artifact"))
	if _, err := oras.Copy(t.Context(), store, tag, repo, tag, oras.DefaultCopyOptions); err != nil {
		t.Fatalf("oras-go: push: %v", err)
	}
	if got, err := oras.Copy(t.Context(), repo, tag, memory.New(), tag, oras.DefaultCopyOptions); err != nil || got.Digest != desc.Digest {
		t.Errorf("oras-go: pull: %v, %v", got.Digest, err)
	}
}

// A registry whose logins become Kubernetes pull secrets: docker keeps the password,
// and nothing is stored on our side.
func TestRegistryWithoutRefreshTokens(t *testing.T) {
	t.Parallel()
	s := serve(t, `
registries:
  - { service: "Docker registry", issuer: "Acme auth server", for: distribution-3, refresh_tokens: false }
`, local)
	r := registryFor(t, s, testbed.Registry311, filtering, true)
	docker := newDockerClient(t).(dockerClient)
	if out, err := docker.login(host(r), admin, adminPW); err != nil {
		t.Fatalf("docker login: %v\n%s", err, out)
	}
	if login := stored(t, docker, host(r), adminPW); login.IdentityToken != "" {
		t.Errorf("docker has an identity token: %+v", login)
	}
	if out, err := docker.push(host(r)+"/app:v1", "by password"); err != nil {
		t.Errorf("push: %v\n%s", err, out)
	}
	list := testbed.RunDrawbridge(t, s.Dir, "", "session", "list", "--all", "-o", "json", "--config", "drawbridge.yaml")
	if list.Code != 0 || strings.TrimSpace(list.Stdout) != "[]" {
		t.Errorf("sessions: %+v", list)
	}
}

// lasting logs somebody in as docker does and returns the refresh token.
func lasting(t *testing.T, s *testbed.Server, user, password string) string {
	t.Helper()
	query := url.Values{"service": {filtering}, "offline_token": {"true"}, "client_id": {"docker"}, "account": {user}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/token?"+query.Encode(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(user, password)
	answer := s.Do(req)
	if answer.Status != http.StatusOK || answer.RefreshToken == "" {
		t.Fatalf("login of %s: status %d: %s", user, answer.Status, answer.Body)
	}
	return answer.RefreshToken
}

// use shows a refresh token for a push.
func use(t *testing.T, s *testbed.Server, token string) testbed.TokenAnswer {
	t.Helper()
	form := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {"docker"},
		"service": {filtering}, "scope": {"repository:payments/api:push"},
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.Do(req)
}

// uncached asks the directory at each use.
const uncached = "cache: { lookup_ttl: 0s, credential_ttl: 0s }\n"

// Somebody leaves, or changes: the next use of the token says so, and what is over
// stays over.
func TestOffboardingEndsSessions(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory), uncached)
	begin := func(uid string) string {
		t.Helper()
		token := lasting(t, s, uid, testbed.SeedPassword(uid))
		if answer := use(t, s, token); answer.Status != http.StatusOK || answer.Scope == "" || answer.RefreshToken != token {
			t.Fatalf("%s: status %d: %s", uid, answer.Status, answer.Body)
		}
		return token
	}
	over := func(token, reason string) {
		t.Helper()
		answer := use(t, s, token)
		if answer.Status != http.StatusUnauthorized || len(answer.Errors) != 1 || answer.Errors[0].Code != "UNAUTHORIZED" {
			t.Errorf("%s: status %d: %s", reason, answer.Status, answer.Body)
		}
		s.AwaitAudit("the session is over: "+reason, func(e audit.Event) bool {
			return e.Action == audit.SessionRevoked && e.Reason == reason
		})
	}
	alice, bob, juergen := begin("alice"), begin("bob"), begin("jürgen")

	// Disabled, and enabled again.
	directory.Modify(directory.PersonDN("alice"), "pwdAccountLockedTime", "000001010000Z")
	over(alice, "account_disabled")
	directory.Modify(directory.PersonDN("alice"), "pwdAccountLockedTime")
	if answer := use(t, s, alice); answer.Status != http.StatusUnauthorized {
		t.Errorf("alice is enabled again, and her old session with her: status %d", answer.Status)
	}

	// Deleted, and made anew under the same name with the same password.
	erased := begin("alice")
	directory.Delete(directory.PersonDN("alice"))
	directory.AddPerson(testbed.Person{UID: "alice"})
	over(erased, "person_gone")

	directory.Modify(directory.PersonDN("bob"), "userPassword", "new")
	over(bob, "password_changed")
	if answer := use(t, s, lasting(t, s, "bob", "new")); answer.Status != http.StatusOK {
		t.Errorf("bob's new login: status %d", answer.Status)
	}

	// Out of the group: the session goes on, the right does not.
	directory.Modify(directory.GroupDN("payments-dev"), "member", directory.PersonDN("bob"))
	if answer := use(t, s, juergen); answer.Status != http.StatusOK || answer.Scope != "" {
		t.Errorf("jürgen, out of the group: status %d: %s", answer.Status, answer.Body)
	}
	// Renamed: the session goes on under the new name.
	directory.Rename(directory.PersonDN("jürgen"), "uid=juergen")
	directory.Modify(directory.PersonDN("juergen"), "uid", "juergen")
	answer := use(t, s, juergen)
	if answer.Status != http.StatusOK || claimsOf(t, answer.Token).Subject != "corp/juergen" {
		t.Errorf("renamed: status %d: %s", answer.Status, answer.Body)
	}
}

// What is remembered of a re-check is forgotten with the person.
func TestForgetReachesSessions(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory))
	token := lasting(t, s, "alice", testbed.SeedPassword("alice"))
	use(t, s, token)
	searches := directory.Searches()
	if answer := use(t, s, token); answer.Status != http.StatusOK || directory.Searches() != searches {
		t.Errorf("status %d, %d searches", answer.Status, directory.Searches()-searches)
	}
	directory.Modify(directory.PersonDN("alice"), "pwdAccountLockedTime", "000001010000Z")
	if done := testbed.RunDrawbridge(t, s.Dir, "", "user", "forget", "corp/alice", "--config", "drawbridge.yaml"); done.Code != 0 {
		t.Fatalf("%+v", done)
	}
	s.Await("the session is over", func() bool { return use(t, s, token).Status == http.StatusUnauthorized })
}

// The directory is down: clients are told to come back, and the same token works when
// it is up again.
func TestDirectoryDownKeepsSessions(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory), uncached)
	token := lasting(t, s, "alice", testbed.SeedPassword("alice"))
	local := lasting(t, s, admin, adminPW)
	directory.Stop()
	for range 3 {
		answer := use(t, s, token)
		if answer.Status != http.StatusServiceUnavailable || answer.Errors[0].Code != "UNAVAILABLE" || answer.Header.Get("Retry-After") == "" {
			t.Errorf("status %d, Retry-After %q: %s", answer.Status, answer.Header.Get("Retry-After"), answer.Body)
		}
	}
	if answer := use(t, s, local); answer.Status != http.StatusOK {
		t.Errorf("somebody of the htpasswd file: status %d: %s", answer.Status, answer.Body)
	}
	directory.Start()
	s.Await("alice goes on", func() bool {
		answer := use(t, s, token)
		if answer.Status == http.StatusUnauthorized {
			t.Fatal("the outage has ended the session")
		}
		return answer.Status == http.StatusOK && answer.RefreshToken == token
	})
	if n := len(events(s, audit.SessionRevoked)); n != 0 {
		t.Errorf("%d sessions were ended", n)
	}
}

// PostgreSQL is down: who was there goes on, as long as Redis tells what was revoked;
// a login costs its refresh token and nothing else; and when it is back, so is all of
// it. Without Redis nobody knows, and clients are told to come back.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"with Redis": true, "alone": false} {
		t.Run(name, func(t *testing.T) {
			db := testbed.StartPostgres(t)
			sections := []string{registries, local, fmt.Sprintf("store: { url: %q }\n", db.NewDatabase())}
			if shared {
				sections = append(sections, fmt.Sprintf("cache: { redis_url: %q }\n", testbed.StartRedis(t, testbed.RedisOptions{}).URL()))
			}
			s := serve(t, sections...)
			token := lasting(t, s, admin, adminPW)
			db.Stop()
			if shared {
				for range 3 {
					if answer := use(t, s, token); answer.Status != http.StatusOK || answer.RefreshToken != token {
						t.Errorf("status %d: %s", answer.Status, answer.Body)
					}
				}
				s.AwaitAudit("the cache vouched", func(e audit.Event) bool {
					return e.Action == audit.Refresh && e.Outcome == audit.Success && e.Reason == "store_unavailable"
				})
			} else {
				s.Await("nobody knows what was revoked", func() bool { return use(t, s, token).Status == http.StatusServiceUnavailable })
			}
			if answer := s.Ask(testbed.TokenRequest{Service: filtering, User: admin, Password: adminPW, Form: true}); answer.Status != http.StatusOK {
				t.Errorf("a login: status %d: %s", answer.Status, answer.Body)
			}
			db.Restart()
			s.Await("the store is back", func() bool {
				answer := use(t, s, token)
				if answer.Status == http.StatusUnauthorized {
					t.Fatal("the outage has ended the session")
				}
				return answer.Status == http.StatusOK
			})
			s.Await("logins last again", func() bool {
				return testbed.RunDrawbridge(t, s.Dir, "", "session", "list", "--config", "drawbridge.yaml").Code == 0
			})
			if answer := use(t, s, lasting(t, s, admin, adminPW)); answer.Status != http.StatusOK {
				t.Errorf("a login when it is back: status %d", answer.Status)
			}
		})
	}
}

// A client that asks for it gets a new token at each use, and one that is shown twice
// ends them all. What docker has is not touched by that.
func TestRotation(t *testing.T) {
	t.Parallel()
	s := serve(t, registries, local)
	ask := func(fields url.Values) testbed.TokenAnswer {
		t.Helper()
		fields.Set("service", filtering)
		fields.Set("client_id", "our helper")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/token", strings.NewReader(fields.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return s.Do(req)
	}
	refresh := func(token string) testbed.TokenAnswer {
		t.Helper()
		return ask(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	}
	dockers := lasting(t, s, admin, adminPW)
	first := ask(url.Values{
		"grant_type": {"password"}, "username": {admin}, "password": {adminPW},
		"access_type": {"offline"}, "refresh_token_rotation": {"true"},
	}).RefreshToken
	second := refresh(first).RefreshToken
	third := refresh(second).RefreshToken
	if len(slices.Compact([]string{"", first, second, third})) != 4 {
		t.Fatalf("nothing rotates")
	}
	if answer := refresh(first); answer.Status != http.StatusUnauthorized {
		t.Errorf("the first token again: status %d", answer.Status)
	}
	if answer := refresh(third); answer.Status != http.StatusUnauthorized {
		t.Errorf("the newest token of the family: status %d", answer.Status)
	}
	s.AwaitAudit("a token was shown twice", func(e audit.Event) bool {
		return e.Action == audit.SessionRevoked && e.Reason == string(sessions.Reused) && e.ClientID == "our helper"
	})
	for range 2 {
		if answer := use(t, s, dockers); answer.Status != http.StatusOK || answer.RefreshToken != dockers {
			t.Errorf("docker's token: status %d: %s", answer.Status, answer.Body)
		}
	}
}

// Whoever finds a token can use it at its own registry and nowhere else, and what he
// is told says nothing about its owner.
func TestStolenTokens(t *testing.T) {
	t.Parallel()
	s := serve(t, registries, local)
	token := lasting(t, s, admin, adminPW)
	get := func(user, secret, service string) testbed.TokenAnswer {
		t.Helper()
		query := url.Values{"service": {service}, "scope": {"repository:payments/api:pull"}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/token?"+query.Encode(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(user, secret)
		return s.Do(req)
	}
	for _, user := range []string{"", "<token>", "oauth2accesstoken", "00000000-0000-0000-0000-000000000000"} {
		if answer := get(user, token, filtering); answer.Status != http.StatusOK || answer.Scope != "repository:payments/api:pull" || answer.RefreshToken != token {
			t.Errorf("as user %q: status %d: %s", user, answer.Status, answer.Body)
		}
	}
	messages := map[string]bool{}
	for what, answer := range map[string]testbed.TokenAnswer{
		"another registry":  get("<token>", token, explaining),
		"guessed":           get("<token>", sessions.Prefix+strings.Repeat("a", 49), filtering),
		"a changed letter":  get("<token>", strings.ToUpper(token), filtering),
		"torn":              get("<token>", token[:len(token)-1], filtering),
		"no token":          get("<token>", "hunter2", filtering),
		"no user, no token": get("", "hunter2", filtering),
	} {
		if answer.Status != http.StatusUnauthorized || len(answer.Errors) != 1 {
			t.Errorf("%s: status %d: %s", what, answer.Status, answer.Body)
			continue
		}
		messages[fmt.Sprint(answer.Errors[0], answer.Header.Get("WWW-Authenticate"))] = true
	}
	if len(messages) != 1 {
		t.Errorf("%d different answers: %v", len(messages), messages)
	}
	// As a person's password it is one.
	if answer := get(admin, token, filtering); answer.Status != http.StatusUnauthorized {
		t.Errorf("as the password of a person: status %d", answer.Status)
	}
	if answer := use(t, s, token); answer.Status != http.StatusOK {
		t.Errorf("none of that ends the session: status %d", answer.Status)
	}
	if strings.Contains(s.Output(), token[5:20]) || strings.Contains(s.Output(), "hunter2") {
		t.Error("a secret is in the server's output")
	}
}
