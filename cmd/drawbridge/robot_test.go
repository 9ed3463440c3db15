package main

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/configs"
)

// command runs a command line on the data directory of a test and returns its exit
// code.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	err := run(t.Context(), args, strings.NewReader(""), &out, &errOut)
	code = exitCode(err, &errOut)
	return code, out.String(), errOut.String()
}

func TestRobotExitCodes(t *testing.T) {
	t.Setenv("DRAWBRIDGE_DATA_DIR", t.TempDir())
	for _, tt := range []struct {
		args string
		want int
	}{
		{"create ci --owner local/leads", 0},
		{"create ci --owner local/leads", 1},
		{"create CI --owner local/leads", 1},
		{"create x --owner leads", 1},
		{"create x --owner local/leads --ttl 100000h", 1},
		{"create x --owner local/leads --cidr 10.0.0.1/8", 1},
		{"create x --owner local/leads --ttl x", 2},
		{"rotate ci --overlap 1h", 0},
		{"rotate ci --ttl 0", 1},
		{"rotate nobody", 1},
		{"disable nobody", 1},
		{"disable ci", 0},
		{"delete ci", 0},
		{"delete ci", 1},
		{"list", 0},
	} {
		if code, stdout, stderr := command(t, append([]string{"robot"}, strings.Fields(tt.args)...)...); code != tt.want {
			t.Errorf("%s: exit code %d, want %d: %s%s", tt.args, code, tt.want, stdout, stderr)
		}
	}
	t.Setenv("DRAWBRIDGE_STORE_URL", "postgres://u:hunter2@127.0.0.1:1/x?sslmode=disable")
	for _, args := range []string{"create x --owner local/leads", "list", "delete x"} {
		code, stdout, stderr := command(t, append([]string{"robot"}, strings.Fields(args)...)...)
		if code != 2 || stdout != "" || strings.Contains(stderr, "hunter2") {
			t.Errorf("%s while the store is down: exit code %d: %s%s", args, code, stdout, stderr)
		}
	}
}

// A secret that could not be printed is lost, and the person is told what to do.
func TestRobotSecretThatCannotBePrinted(t *testing.T) {
	t.Setenv("DRAWBRIDGE_DATA_DIR", t.TempDir())
	var errOut bytes.Buffer
	err := run(t.Context(), []string{"robot", "create", "ci", "--owner", "local/leads"}, strings.NewReader(""), full{}, &errOut)
	if code := exitCode(err, &errOut); code != 2 || !strings.Contains(errOut.String(), "drawbridge robot rotate") {
		t.Errorf("exit code %d: %s", code, errOut.String())
	}
	if strings.Contains(errOut.String(), "dbrobot_") {
		t.Errorf("the secret is in %s", errOut.String())
	}
}

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestRegistryHost(t *testing.T) {
	for want, urls := range map[string][]string{
		"REGISTRY": {"", ""}, "registry.example.com:5000": {"", "https://registry.example.com:5000", "https://other"}, "r": {"http://r"},
	} {
		var cfg configs.Config
		for _, u := range urls {
			cfg.Registries = append(cfg.Registries, configs.Registry{URL: u})
		}
		if got := hostOfRegistry(&cfg); got != want {
			t.Errorf("%v: %s, want %s", urls, got, want)
		}
	}
}

// makeRobot runs `robot create` or `robot rotate` and returns the secret.
func makeRobot(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := command(t, append([]string{"robot"}, args...)...)
	if code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, stderr)
	}
	return strings.TrimSuffix(stdout, "\n")
}

// eventually waits for what a server has to notice.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// A running server follows what the commands do.
func TestServeFollowsRobots(t *testing.T) {
	r := startServe(t, seeded(t))
	status := func(secret string) int {
		got, _, _ := r.token(t, "robot.ci", secret, "")
		return got
	}
	if got := status("dbrobot_x"); got != http.StatusUnauthorized {
		t.Fatalf("a robot nobody made: status %d", got)
	}
	first := makeRobot(t, "create", "ci", "--owner", "local/leads")
	eventually(t, "the robot logs in", func() bool { return status(first) == http.StatusOK })
	second := makeRobot(t, "rotate", "ci")
	eventually(t, "the second secret logs in", func() bool { return status(second) == http.StatusOK })
	if got := status(first); got != http.StatusOK {
		t.Errorf("the first secret in its overlap: status %d", got)
	}
	eventually(t, "the use is in the list", func() bool {
		_, list, _ := command(t, "robot", "list")
		return strings.Contains(list, " 127.0.0.1 ")
	})
	r.waitMetric(t, `drawbridge_robots{state="active"} 1`)
	command(t, "robot", "disable", "ci")
	eventually(t, "the disabled robot is refused", func() bool { return status(second) == http.StatusUnauthorized })
	command(t, "robot", "enable", "ci")
	eventually(t, "the enabled robot logs in", func() bool { return status(second) == http.StatusOK })
	command(t, "robot", "delete", "ci")
	eventually(t, "the deleted robot is refused", func() bool { return status(second) == http.StatusUnauthorized })
	eventually(t, "the metric", func() bool { return strings.Contains(r.metrics(t), `drawbridge_robots{state="active"} 0`) })
	r.stdout.wait(t, `"event.action":"login","event.outcome":"success","user.name":"robot:ci".*"drawbridge.connector":"robot"`)
	r.stdout.wait(t, `"event.action":"login","event.outcome":"failure","event.reason":"account_disabled","user.name":"robot:ci"`)
	r.stdout.wait(t, `"event.action":"login","event.outcome":"failure","event.reason":"unknown_robot","source.ip"`)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{first, second} {
		if strings.Contains(r.stdout.String()+r.stderr.String(), secret) {
			t.Error("the server printed a secret")
		}
	}
}

// While the store has never answered nobody is told that a robot is unknown, and
// people log in.
func TestServeRobotsWithoutTheStore(t *testing.T) {
	dir := seeded(t)
	policy := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(policy, []byte("bindings: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DRAWBRIDGE_POLICY_FILE", policy)
	t.Setenv("DRAWBRIDGE_STORE_URL", "postgres://u:hunter2@127.0.0.1:1/x?sslmode=disable")
	r := startServe(t, dir)
	for _, username := range []string{"robot.ci", "Robot.ci"} {
		if status, _, _ := r.token(t, username, "dbrobot_x", ""); status != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d", username, status)
		}
	}
	if status, _, _ := r.token(t, "admin", seedPassword, ""); status != http.StatusOK {
		t.Errorf("admin: status %d", status)
	}
	if strings.Contains(r.metrics(t), "drawbridge_robots{") {
		t.Error("robots are counted that were never read")
	}
}
