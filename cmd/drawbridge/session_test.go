package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/bridge/manage"
	"drawbridge/tokens/sessions"

	"golang.org/x/crypto/bcrypt"
)

// login asks for a refresh token as docker login does.
func (r *running) login(t *testing.T, password string) (status int, refresh string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		r.url+"/token?account=admin&client_id=docker&offline_token=true&service=Docker+registry", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", password)
	return r.refreshed(t, req)
}

// refresh uses a refresh token.
func (r *running) refresh(t *testing.T, token string) (status int, refresh string) {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "service": {"Docker registry"}, "client_id": {"docker"}, "refresh_token": {token}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r.refreshed(t, req)
}

func (r *running) refreshed(t *testing.T, req *http.Request) (status int, refresh string) {
	t.Helper()
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var body struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body.RefreshToken
}

// A login that lasts, over restarts of the server, until somebody ends it.
func TestSessionCommands(t *testing.T) {
	dir := seeded(t)
	r := startServe(t, dir)
	_, first := r.login(t, seedPassword)
	_, second := r.login(t, seedPassword)
	_, third := r.login(t, seedPassword)
	for _, token := range []string{first, second, third} {
		if status, same := r.refresh(t, token); status != http.StatusOK || same != token {
			t.Fatalf("status %d, another token: %v", status, same != token)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = startServe(t, dir)
	if status, _ := r.refresh(t, first); status != http.StatusOK {
		t.Errorf("after a restart: status %d", status)
	}

	list := listSessions(t, "--user", "local/admin")
	if len(list) != 3 || list[0].Person.String() != "local/admin" || list[0].ClientID != "docker" || list[0].Service != "Docker registry" {
		t.Fatalf("%+v", list)
	}
	code, table, _ := command(t, "session", "list")
	if code != 0 || strings.Count(table, "local/admin  Docker registry  docker") != 3 {
		t.Errorf("exit code %d:\n%s", code, table)
	}
	for _, secret := range []string{first, second, string(list[0].Token.Session), seedPassword} {
		if secret != "" && strings.Contains(table+r.stderr.String()+r.stdout.String(), secret) {
			t.Errorf("%q was printed", secret)
		}
	}
	newest := list[0].ID // the third login's

	code, out, _ := command(t, "session", "revoke", newest, "nobodys", "--reason", "lost laptop")
	if code != 1 || !strings.Contains(out, "ended: "+newest) || !strings.Contains(out, `no such session: "nobodys"`) {
		t.Errorf("exit code %d: %s", code, out)
	}
	if status, _ := r.refresh(t, third); status != http.StatusUnauthorized {
		t.Errorf("the session that was ended: status %d", status)
	}
	if code, _, _ := command(t, "session", "revoke", newest); code != 0 {
		t.Errorf("ended before: exit code %d", code)
	}
	if status, _ := r.refresh(t, first); status != http.StatusOK {
		t.Errorf("another one: status %d", status)
	}

	code, out, _ = command(t, "session", "revoke", "--user", "local/Admin", "-o", "json")
	var report manage.Ended
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || len(report.Ended) != 2 || report.User != "local/Admin" {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, token := range []string{first, second} {
		if status, _ := r.refresh(t, token); status != http.StatusUnauthorized {
			t.Errorf("all of admin's: status %d", status)
		}
	}
	if status, token := r.login(t, seedPassword); status != http.StatusOK || token == "" {
		t.Errorf("a login after that: status %d", status)
	}
	if n := len(listSessions(t)); n != 1 {
		t.Errorf("%d live sessions", n)
	}
	_, all, _ := command(t, "session", "list", "--all")
	if strings.Count(all, "ended 2") != 3 || !strings.Contains(all, ": lost laptop") {
		t.Errorf("all of them:\n%s", all)
	}
	if _, _, stderr := command(t, "session", "list", "--all", "--limit", "2"); !strings.Contains(stderr, "only the first 2 sessions") {
		t.Errorf("a list that is cut off: %q", stderr)
	}
}

func listSessions(t *testing.T, args ...string) []sessions.Session {
	t.Helper()
	code, out, stderr := command(t, append([]string{"session", "list", "-o", "json"}, args...)...)
	var list []sessions.Session
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, stderr)
	}
	return list
}

// A password that is changed in the file ends what the old one began.
func TestAChangedPasswordEndsTheSession(t *testing.T) {
	dir := seeded(t)
	r := startServe(t, dir)
	_, token := r.login(t, seedPassword)
	hash, err := bcrypt.GenerateFromPassword([]byte("another"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "htpasswd"), []byte("admin:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.stderr.wait(t, `htpasswd file.*reload|reload.*htpasswd file`)
	if status, _ := r.refresh(t, token); status != http.StatusUnauthorized {
		t.Errorf("status %d", status)
	}
	r.stdout.wait(t, `"event.action":"session_revoked","event.outcome":"success","event.reason":"password_changed","user.name":"local/admin"`)
	r.waitMetric(t, `drawbridge_refreshes_total{outcome="failure",reason="password_changed"} 1`)
	r.waitMetric(t, `drawbridge_sessions_started_total{outcome="success"} 1`)
}

func TestSessionCommandsRefuse(t *testing.T) {
	t.Setenv("DRAWBRIDGE_DATA_DIR", t.TempDir())
	for _, args := range [][]string{
		{"revoke"}, {"revoke", "id", "--user", "corp/alice"}, {"revoke", "--user", "alice"}, {"revoke", "--user", "anonymous"},
		{"list", "--user", "alice"}, {"list", "corp/alice"}, {"revoke", "id", "--reason", strings.Repeat("x", 300)},
	} {
		if code, out, _ := command(t, append([]string{"session"}, args...)...); code == 0 || out != "" {
			t.Errorf("session %v: exit code %d: %s", args, code, out)
		}
	}
	t.Setenv("DRAWBRIDGE_DATA_DIR", filepath.Join(t.TempDir(), "missing"))
	var exit *exitError
	if err := run(t.Context(), []string{"session", "list"}, strings.NewReader(""), io.Discard, io.Discard); err == nil || errors.As(err, &exit) {
		t.Errorf("a store that is not there: %v", err)
	}
}
