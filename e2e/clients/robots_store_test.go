package clients

import (
	"net/http"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// Two replicas with one PostgreSQL: an edit is in force at both; while the database is
// down robots go on logging in, and nobody can edit one; what is edited afterwards is in
// force again.
func TestRobotsOfSeveralReplicas(t *testing.T) {
	t.Parallel()
	database := testbed.StartPostgres(t)
	shared := "store: { url: \"" + database.NewDatabase() + "\" }\n"
	files := map[string]string{"htpasswd": testbed.HTPasswd(t, admin, adminPW), "policy.yaml": robotPolicy}
	var replicas []*testbed.Server
	for range 2 {
		replicas = append(replicas, testbed.StartDrawbridge(t, testbed.ServerOptions{Config: registries + local + policyFile + shared, Files: files}))
	}
	both := func(what, secret string, status int) {
		t.Helper()
		for i, s := range replicas {
			t.Logf("%s: in force at replica %d after %s", what, i, awaitStatus(t, s, secret, status))
		}
	}
	first := robotCommand(t, replicas[0], "create", "ci", "--owner", "local/leads")
	both("made", first, http.StatusOK)
	second := robotCommand(t, replicas[1], "rotate", "ci", "--overlap", "1h")
	both("rotated", second, http.StatusOK)

	database.Stop()
	for i, s := range replicas {
		for _, secret := range []string{first, second} {
			if answer := robotLogin(s, secret); answer.Status != http.StatusOK || answer.Scope != bothActions {
				t.Errorf("replica %d while the database is down: status %d: %s", i, answer.Status, answer.Body)
			}
		}
		if answer := robotLogin(s, "wrong"); answer.Status != http.StatusUnauthorized {
			t.Errorf("replica %d, a wrong secret while the database is down: status %d", i, answer.Status)
		}
	}
	ran := testbed.RunDrawbridge(t, replicas[0].Dir, "", "robot", "--config", "drawbridge.yaml", "delete", "ci")
	if ran.Code != 2 || !strings.Contains(ran.Stderr, "unavailable") {
		t.Errorf("an edit while the database is down: exit code %d: %s", ran.Code, ran.Stderr)
	}
	database.Restart()
	robotCommand(t, replicas[0], "disable", "ci")
	both("disabled", second, http.StatusUnauthorized)
	robotCommand(t, replicas[1], "enable", "ci")
	both("enabled", first, http.StatusOK)
	robotCommand(t, replicas[0], "delete", "ci")
	both("deleted", first, http.StatusUnauthorized)
}
