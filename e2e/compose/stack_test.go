package compose_test

import (
	"encoding/json"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

const registry = "localhost:5000"

// TestStack brings the shipped stack up once; the subtests share it and go from
// the first login to a restart.
func TestStack(t *testing.T) {
	s := testbed.NewStack(t)
	s.MustCompose("up", "--build", "--wait", "--wait-timeout", "180")

	for _, tt := range []struct {
		name string
		run  func(*testing.T, *testbed.Stack)
	}{
		{"hardened", testHardened},
		{"secrets", testSecrets},
		{"push and pull", testPushPull},
		{"denied push", testDeniedPush},
		{"nested group", testNestedGroup},
		{"anonymous", testAnonymous},
		{"wrong password", testWrongPassword},
		{"cached in Redis", testRedisInUse},
		{"restart", testRestart},
	} {
		if !t.Run(tt.name, func(t *testing.T) { tt.run(t, s) }) {
			return // what follows stands on it
		}
	}
}

// person returns a docker client that is logged in as one of seed.ldif's people.
func person(t *testing.T, name string) *testbed.Docker {
	t.Helper()
	d := testbed.NewDocker(t)
	if out, err := d.Login(registry, name, name+"-demo"); err != nil || !strings.Contains(out, "Login Succeeded") {
		t.Fatalf("docker login as %s: %v\n%s", name, err, out)
	}
	return d
}

// refused fails the test unless the command ended with an error whose text holds
// every one of the words.
func refused(t *testing.T, out string, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("succeeded, want a refusal\n%s", out)
	}
	for _, word := range words {
		if !strings.Contains(out, word) {
			t.Errorf("the refusal does not say %q:\n%s", word, out)
		}
	}
}

// container is what the test reads of `docker inspect`.
type container struct {
	Name   string
	Config struct {
		User   string
		Labels map[string]string
	}
	HostConfig struct {
		ReadonlyRootfs bool
		CapDrop        []string
		SecurityOpt    []string
		PortBindings   map[string][]struct{ HostIP string }
	}
}

func testHardened(t *testing.T, s *testbed.Stack) {
	hardened(t, s, "setup", "openldap", "redis", "registry", "drawbridge")
}

// hardened looks at the containers of the stack, which are to be those of the
// services.
func hardened(t *testing.T, s *testbed.Stack, services ...string) {
	t.Helper()
	ids := strings.Fields(s.MustCompose("--profile", "*", "ps", "--all", "--quiet"))
	if len(ids) != len(services) {
		t.Fatalf("%d containers, want those of %v", len(ids), services)
	}
	var all []container
	if err := json.Unmarshal([]byte(s.Must(append([]string{"inspect"}, ids...)...)), &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		service := c.Config.Labels["com.docker.compose.service"]
		if !c.HostConfig.ReadonlyRootfs {
			t.Errorf("%s: the root file system can be written", service)
		}
		if got := strings.Join(c.HostConfig.CapDrop, " "); got != "ALL" {
			t.Errorf("%s: drops the capabilities %q, want ALL", service, got)
		}
		if !strings.Contains(strings.Join(c.HostConfig.SecurityOpt, " "), "no-new-privileges") {
			t.Errorf("%s: may gain privileges", service)
		}
		// Only the one that ends before the others start is root, to hand out files.
		if root := c.Config.User == "" || strings.HasPrefix(c.Config.User, "0"); root && service != "setup" {
			t.Errorf("%s: runs as root", service)
		}
		for port, bindings := range c.HostConfig.PortBindings {
			for _, b := range bindings {
				if b.HostIP != "127.0.0.1" {
					t.Errorf("%s: %s is published on %q, want loopback alone", service, port, b.HostIP)
				}
			}
		}
	}
}

// testSecrets looks from a service that was taken over at what is not its own.
func testSecrets(t *testing.T, s *testbed.Stack) {
	out := s.MustCompose("exec", "-T", "registry", "find", "/trust", "/run/secrets", "-type", "f")
	for file := range strings.FieldsSeq(out) {
		switch file {
		case "/trust/ca.crt", "/trust/signing-ca.crt", "/run/secrets/tls.crt", "/run/secrets/tls.key":
		default:
			t.Errorf("the registry can see %s", file)
		}
	}
	// Nobody reads the directory without a login.
	out, err := s.Compose("exec", "-T", "-e", "LDAPTLS_REQCERT=never", "openldap",
		"ldapsearch", "-x", "-H", "ldaps://localhost:1636", "-b", "dc=corp,dc=example")
	refused(t, out, err, "anonymous bind disallowed")
	out, err = s.Compose("exec", "-T", "redis", "redis-cli", "--tls", "--cacert", "/trust/ca.crt", "get", "x")
	if err == nil && !strings.Contains(out, "NOAUTH") {
		t.Errorf("Redis answers without a password: %s", out)
	}
}

func testPushPull(t *testing.T, _ *testbed.Stack) {
	const image = registry + "/team/app:1"
	alice := person(t, "alice")
	alice.MakeImage(image, "team/app")
	alice.Must("push", image)
	alice.RemoveImage(image)
	alice.Must("pull", image)
}

func testDeniedPush(t *testing.T, _ *testbed.Stack) {
	bob := person(t, "bob")
	bob.MakeImage(registry+"/team/other:1", "bob's")
	out, err := bob.Run("push", registry+"/team/other:1")
	refused(t, out, err, "denied", "corp/bob", "team/other")

	// Alice may pull releases; the guardrail keeps her from pushing one.
	alice := person(t, "alice")
	alice.MakeImage(registry+"/release/app:1", "alice's")
	out, err = alice.Run("push", registry+"/release/app:1")
	refused(t, out, err, "denied")
}

// testNestedGroup: carol is in release-managers, alice in developers; both are in
// engineering, which may pull releases, only by way of those.
func testNestedGroup(t *testing.T, _ *testbed.Stack) {
	const image = registry + "/release/app:2"
	carol := person(t, "carol")
	carol.MakeImage(image, "release/app")
	carol.Must("push", image)
	carol.RemoveImage(image)

	alice := person(t, "alice")
	alice.Must("pull", image)
	alice.RemoveImage(image)

	out, err := person(t, "bob").Run("pull", image)
	refused(t, out, err, "denied")
}

func testAnonymous(t *testing.T, _ *testbed.Stack) {
	const public, private = registry + "/public/hello:1", registry + "/team/app:1"
	alice := person(t, "alice")
	alice.MakeImage(public, "public/hello")
	alice.Must("push", public)
	alice.RemoveImage(public)

	nobody := testbed.NewDocker(t)
	nobody.Must("pull", public)
	out, err := nobody.Run("push", public)
	refused(t, out, err, "denied")
	out, err = nobody.Run("pull", private)
	refused(t, out, err, "denied")
}

func testWrongPassword(t *testing.T, _ *testbed.Stack) {
	for _, user := range []string{"bob", "nobody-of-that-name"} {
		out, err := testbed.NewDocker(t).Login(registry, user, "alice-demo")
		refused(t, out, err, "unauthorized")
	}
}

// testRedisInUse: a stack whose Drawbridge quietly fell back to its own memory
// would pass everything else.
func testRedisInUse(t *testing.T, s *testbed.Stack) {
	out := s.MustCompose("exec", "-T", "redis", "sh", "-c",
		`REDISCLI_AUTH="$(cat /run/secrets/password)" redis-cli --tls --cacert /trust/ca.crt dbsize`)
	if strings.TrimSpace(out) == "0" {
		t.Error("nothing is cached in Redis after several logins")
	}
}

// testRestart: images, keys and people outlive the containers, and what setup
// made is not made again.
func testRestart(t *testing.T, s *testbed.Stack) {
	ca := func() string {
		return s.MustCompose("exec", "-T", "registry", "cat", "/trust/ca.crt", "/trust/signing-ca.crt")
	}
	before := ca()
	s.MustCompose("restart", "--timeout", "10")
	s.MustCompose("up", "--wait", "--wait-timeout", "120")
	s.MustCompose("up", "--force-recreate", "--wait", "--wait-timeout", "120")
	if ca() != before {
		t.Error("a restart made new certificates")
	}
	const image = registry + "/team/app:1"
	alice := person(t, "alice")
	_, _ = alice.Run("rmi", "--force", image) // another subtest's client may have left it
	alice.Must("pull", image)
	alice.RemoveImage(image)
}
