package clients

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/connectors"
	"drawbridge/e2e/testbed"
)

// robotPolicy lets the robot ci push where developers do.
const robotPolicy = policy + `
  - { name: builds, role: pusher, subjects: ["robot:ci"], repositories: ["payments/**"] }
  - { name: own, role: pusher, subjects: [authenticated], repositories: ["users/${user}/**"] }
`

// serveRobots starts a server behind a proxy on this machine, with people in a
// directory. One of them is called robot.ci.
func serveRobots(t *testing.T, directory *testbed.Slapd, sections ...string) *testbed.Server {
	t.Helper()
	directory.AddPerson(testbed.Person{UID: "robot.ci"})
	directory.AddGroup("robots", directory.PersonDN("robot.ci"))
	sections = append(sections, registries, corp(directory), policyFile, "server: { trusted_proxies: [127.0.0.1/32] }\n")
	return testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: strings.Join(sections, ""),
		Files:  map[string]string{"htpasswd": testbed.HTPasswd(t, admin, adminPW, "robot.ci", adminPW), "policy.yaml": robotPolicy},
	})
}

// robotCommand runs `drawbridge robot ...` beside the server and returns what it
// prints on standard output.
func robotCommand(t *testing.T, s *testbed.Server, args ...string) string {
	t.Helper()
	ran := testbed.RunDrawbridge(t, s.Dir, "", append([]string{"robot", "--config", "drawbridge.yaml"}, args...)...)
	if ran.Code != 0 {
		t.Fatalf("robot %v: exit code %d: %s%s", args, ran.Code, ran.Stdout, ran.Stderr)
	}
	return strings.TrimSpace(ran.Stdout)
}

const bothActions = "repository:payments/api:pull,push"

// robotLogin asks for a token as the robot ci.
func robotLogin(s *testbed.Server, secret string) testbed.TokenAnswer {
	return s.Ask(testbed.TokenRequest{Service: filtering, User: "robot.ci", Password: secret, Scopes: []string{bothActions}})
}

// awaitStatus waits until a login as the robot ci is answered so, as it must be a
// moment after an edit, and returns how long that took.
func awaitStatus(t *testing.T, s *testbed.Server, secret string, status int) time.Duration {
	t.Helper()
	began := time.Now()
	s.Await("an edit is in force", func() bool { return robotLogin(s, secret).Status == status })
	return time.Since(began)
}

// A robot's life, with the programs that build jobs use: made while the server runs,
// pushing and pulling, rotated with both secrets alive, and deleted. The directory is
// never asked.
func TestRobotsPushAndPull(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serveRobots(t, directory)
	asked := directory.Searches() + directory.Binds()
	for _, c := range allClients()[:2] { // docker and skopeo
		t.Run(c.name, func(t *testing.T) {
			first := robotCommand(t, s, "create", "ci", "--owner", "corp/payments-dev", "--cidr", "127.0.0.0/8")
			awaitStatus(t, s, first, http.StatusOK)
			run := matrix{t, s, testbed.Registry311, c}
			r := registryFor(t, s, testbed.Registry311, filtering, c.https)
			ref := host(r) + "/payments/api:v1"

			job := run.as(r, "robot.ci", first)
			out, err := job.push(ref, "made by "+c.name)
			run.must("push", out, err)
			same, out, err := job.pull(ref, "made by "+c.name)
			run.must("pull", out, err)
			if !same {
				t.Errorf("another image was pulled: %s", out)
			}
			out, err = job.push(host(r)+"/users/robot--ci/app:v1", "its own")
			run.must("push to its own namespace", out, err)
			out, err = job.push(host(r)+"/public/app:v1", "not its own")
			run.refused("a push without the right", c.filtered, out, err)

			second := robotCommand(t, s, "rotate", "ci")
			awaitStatus(t, s, second, http.StatusOK)
			for name, secret := range map[string]string{"the old secret": first, "the new secret": second} {
				_, out, err := run.as(r, "robot.ci", secret).pull(ref, "made by "+c.name)
				run.must("pull with "+name, out, err)
			}
			out, err = run.start(t, s.CAFile).login(host(r), "robot.ci", "wrong")
			run.refused("a wrong secret", c.badLogin, out, err)

			robotCommand(t, s, "delete", "ci")
			t.Logf("the deleted robot was refused after %s", awaitStatus(t, s, second, http.StatusUnauthorized).Round(time.Millisecond))
			_, out, err = job.pull(ref, "made by "+c.name)
			run.refused("a pull by the deleted robot", "", out, err)
			for _, secret := range []string{first, second} {
				if strings.Contains(s.Output(), secret) {
					t.Error("the server printed a secret")
				}
			}
		})
	}
	if now := directory.Searches() + directory.Binds(); now != asked {
		t.Errorf("the directory was asked %d times", now-asked)
	}
	s.AwaitAudit("the robot's login", func(e audit.Event) bool {
		return e.Action == audit.Login && e.Outcome == audit.Success && e.User == "robot:ci" && e.Connector == "robot"
	})
	s.AwaitAudit("the robot's token", func(e audit.Event) bool {
		return e.Action == audit.TokenIssued && e.User == "robot:ci" && len(e.Granted) == 1 && len(e.Groups) == 0
	})
}

// A robot that is bound to networks: what counts is the address that the proxies
// which are trusted report, and nothing that a client can write.
func TestRobotsOutsideOfTheirNetworks(t *testing.T) {
	t.Parallel()
	s := serveRobots(t, testbed.StartSlapd(t))
	secret := robotCommand(t, s, "create", "ci", "--owner", "corp/payments-dev", "--cidr", "10.0.0.0/8", "--cidr", "2001:db8::/32")
	login := func(forwarded string) int {
		t.Helper()
		query := url.Values{"service": {filtering}, "scope": {bothActions}}.Encode()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/token?"+query, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("robot.ci", secret)
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		return s.Do(r).Status
	}
	s.Await("the robot is known", func() bool { return login("10.1.2.3") == http.StatusOK })
	for forwarded, want := range map[string]int{
		"": http.StatusUnauthorized, "11.1.2.3": http.StatusUnauthorized, "10.1.2.3, 192.0.2.1": http.StatusUnauthorized,
		"192.0.2.1, 10.1.2.3": http.StatusOK, "::ffff:10.1.2.3": http.StatusOK, "::ffff:11.1.2.3": http.StatusUnauthorized,
		"2001:db8:1::1": http.StatusOK, "2001:db9::1": http.StatusUnauthorized, "10.1.2.3:443": http.StatusUnauthorized,
	} {
		if got := login(forwarded); got != want {
			t.Errorf("from %q: status %d, want %d", forwarded, got, want)
		}
	}
	refused := s.AwaitAudit("the refusal", func(e audit.Event) bool {
		return e.Action == audit.Login && e.Reason == string(connectors.AddressRefused)
	})
	if refused.User != "robot:ci" || refused.Outcome != audit.Failure {
		t.Errorf("event %+v", refused)
	}
	// The list says from where it came last.
	s.Await("the last use", func() bool {
		list := robotCommand(t, s, "list")
		return strings.Contains(list, " 10.1.2.3 ") || strings.Contains(list, " 2001:db8:1::1 ")
	})
}

// Whoever has a robot's secret, or a robot's name in the directory, is that robot or
// nobody: no trick with the name makes more of it, and no secret of a robot and no name
// of one reaches the directory.
func TestRobotsAreNobodyElse(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serveRobots(t, directory)
	secret := robotCommand(t, s, "create", "ci", "--owner", "corp/payments-dev")
	other := robotCommand(t, s, "create", "other", "--owner", "corp/payments-dev")
	awaitStatus(t, s, secret, http.StatusOK)
	asked := directory.Searches() + directory.Binds()
	person := testbed.SeedPassword("robot.ci")
	for _, tt := range []struct{ name, user, password string }{
		{"no name", "robot.", secret},
		{"another robot's secret", "robot.ci", other},
		{"its own secret with another robot's name", "robot.other", secret},
		{"upper case", "Robot.ci", secret},
		{"upper case name", "robot.CI", secret},
		{"a path", "robot.x/../ci", secret},
		{"a path behind", "robot.ci/../other", secret},
		{"a NUL", "robot.ci\x00", secret},
		{"a NUL and more", "robot.ci\x00x", secret},
		{"a space behind", "robot.ci ", secret},
		{"a space before", " robot.ci", secret},
		{"a filter", "robot.*", secret},
		{"the policy's name", "robot:ci", secret},
		{"a person's name", "alice", secret},
		{"an htpasswd account's name", admin, secret},
		{"the person of that name", "robot.ci", person},
		{"the person of that name, upper case", "ROBOT.CI", person},
		{"the htpasswd account of that name", "robot.ci", adminPW},
		{"nobody", "robot.nobody", person},
	} {
		for method, form := range methods() {
			if strings.Contains(tt.user, ":") && !form {
				continue // HTTP Basic cannot say it
			}
			answer := s.Ask(testbed.TokenRequest{Service: filtering, User: tt.user, Password: tt.password, Form: form, Scopes: []string{bothActions}})
			if answer.Status != http.StatusUnauthorized {
				t.Errorf("%s/%s: status %d: %s", tt.name, method, answer.Status, answer.Body)
			}
		}
	}
	if now := directory.Searches() + directory.Binds(); now != asked {
		t.Errorf("the directory was asked %d times", now-asked)
	}

	// Directories ignore a space before a name: this is the person, with nothing of
	// the robot's.
	answer := s.Ask(testbed.TokenRequest{Service: filtering, User: " robot.ci", Password: person, Scopes: []string{bothActions, "repository:users/robot--ci/x:push"}})
	if answer.Status != http.StatusOK || answer.Scope != "" || claimsOf(t, answer.Token).Subject != "corp/robot.ci" {
		t.Errorf("the person: status %d, scope %q: %s", answer.Status, answer.Scope, answer.Body)
	}
	if answer := robotLogin(s, secret); answer.Scope != bothActions || claimsOf(t, answer.Token).Subject != "robot:ci" {
		t.Errorf("the robot: %s", answer.Body)
	}
	for _, reason := range []connectors.Reason{connectors.OthersSecret, connectors.UnknownRobot, connectors.MalformedSecret} {
		s.AwaitAudit(string(reason), func(e audit.Event) bool { return e.Reason == string(reason) })
	}
}
