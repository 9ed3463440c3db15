package docs

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// task follows one page: its blocks are run in a folder of their own, with the
// addresses and paths of the page replaced by those of the test.
type task struct {
	*shell
	page   string
	places *strings.Replacer
}

// newTask returns a task with the page's configuration and policy written as the
// page says, from the blocks called name and name-policy.
func newTask(t *testing.T, page, name string, oldnew ...string) *task {
	t.Helper()
	w := &task{
		shell: newShell(t, t.TempDir()), page: page,
		places: strings.NewReplacer(append(oldnew, "/etc/drawbridge/", "")...),
	}
	w.write("drawbridge.yaml", w.block(name))
	w.write("policy.yaml", w.block(name+"-policy"))
	return w
}

// block returns the text of a block with the test's own places.
func (w *task) block(name string) string {
	w.t.Helper()
	return w.places.Replace(one(w.t, name))
}

// shows says that the page has a text block with what a command has printed. The
// IDs of entries, which every directory makes anew, do not count.
func (w *task) shows(printed string) {
	w.t.Helper()
	stable := regexp.MustCompile(`(?m)^stable id  .*$`)
	comparable := func(text string) string { return stable.ReplaceAllString(w.places.Replace(text), "stable id") }
	all, _ := blocks(w.t, filepath.Join(testbed.Root(w.t), "docs", w.page))
	for _, b := range all {
		if b.lang == "text" && comparable(b.text) == comparable(printed) {
			return
		}
	}
	w.t.Errorf("docs/%s does not show this:\n%s", w.page, printed)
}

// rows returns the cells of the tables of a page whose header begins so, without
// the header.
func (w *task) rows(header string) [][]string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(testbed.Root(w.t), "docs", w.page))
	if err != nil {
		w.t.Fatal(err)
	}
	var found [][]string
	inside := false
	for line := range strings.Lines(string(text)) {
		switch {
		case !strings.HasPrefix(line, "|"):
			inside = false
		case strings.HasPrefix(line, "| "+header):
			inside = true
		case inside && !strings.HasPrefix(line, "|---"):
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			for i, cell := range cells {
				cells[i] = strings.TrimSpace(cell)
			}
			found = append(found, cells)
		}
	}
	if len(found) == 0 {
		w.t.Fatalf("docs/%s has no table that begins with %q", w.page, header)
	}
	return found
}

// quoted returns what stands between backquotes.
func quoted(cell string) []string {
	var found []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		found = append(found, m[1])
	}
	return found
}

// tryLogin runs login-test with a password and returns its exit code and what it
// printed.
func (w *task) tryLogin(config, username, password string) (int, string) {
	w.t.Helper()
	cmd := w.command(`drawbridge login-test --password-stdin --config "$CONFIG" -- "$WHO"`)
	cmd.Env = append(cmd.Env, "CONFIG="+config, "WHO="+username)
	cmd.Stdin = strings.NewReader(password + "\n")
	out, _ := cmd.CombinedOutput() // the exit code is an answer
	return cmd.ProcessState.ExitCode(), string(out)
}

// attempt is what login-test prints of a login.
func (w *task) attempt(username, password string) func() string {
	return func() string {
		_, out := w.tryLogin("drawbridge.yaml", username, password)
		return out
	}
}

// seeded is the login of somebody of the test bed, with the right password.
func (w *task) seeded(username string) func() string {
	return w.attempt(username, testbed.SeedPassword(username))
}

// refusals says that each reason of a table of the page is what the login of the
// same name prints, and that the table has no others.
func (w *task) refusals(logins map[string]func() string) {
	w.t.Helper()
	seen := map[string]bool{}
	for _, row := range w.rows("reason ") {
		names := quoted(row[0])
		reason, printed := names[0], names[len(names)-1]
		try, ok := logins[reason]
		if !ok {
			w.t.Errorf("docs/%s: nothing tries %s", w.page, reason)
			continue
		}
		seen[reason] = true
		if out := try(); !strings.Contains(out, printed) {
			w.t.Errorf("%s: %q is not in\n%s", reason, printed, out)
		}
	}
	for reason := range logins {
		if !seen[reason] {
			w.t.Errorf("docs/%s does not have the reason %s", w.page, reason)
		}
	}
}

// causes says that each row of the table prints all that stands in its first cell,
// with the configuration that the test breaks in the same order.
func (w *task) causes(header string, broken []func(config string) string) {
	w.t.Helper()
	rows := w.rows(header)
	if len(rows) != len(broken) {
		w.t.Fatalf("docs/%s has %d rows of %q, and the test %d", w.page, len(rows), header, len(broken))
	}
	config, err := os.ReadFile(filepath.Join(w.dir, "drawbridge.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	for i, row := range rows {
		text := broken[i](string(config))
		if text == string(config) {
			w.t.Errorf("%s: the configuration is not broken", row[0])
		}
		w.write("broken.yaml", text)
		code, out := w.tryLogin("broken.yaml", "alice", testbed.SeedPassword("alice"))
		if code != 2 {
			w.t.Errorf("%s: exit code %d, want 2: %s", row[0], code, out)
		}
		for _, part := range quoted(row[0]) {
			if !strings.Contains(out, part) {
				w.t.Errorf("%q is not in\n%s", part, out)
			}
		}
	}
}

// replaced breaks a configuration in one place.
func replaced(old, text string) func(string) string {
	return func(config string) string { return strings.Replace(config, old, text, 1) }
}

// without takes a key out of a configuration.
func without(key string) func(string) string {
	return func(config string) string {
		return regexp.MustCompile(`(?m)^ *`+key+`: .*\n`).ReplaceAllString(config, "")
	}
}

// onFreePorts has servers listen where no other test's does.
func (w *task) onFreePorts() {
	w.env = append(w.env, "DRAWBRIDGE_SERVER_ADDR=127.0.0.1:0", "DRAWBRIDGE_SERVER_TELEMETRY_ADDR=127.0.0.1:0")
}

// serves starts the server with the page's configuration, and says that a registry
// gets a token for the person with that access.
func (w *task) serves(username, password, repository, actions string) {
	w.t.Helper()
	w.onFreePorts()
	port := w.background("drawbridge serve --config drawbridge.yaml").find(w.t, `"msg":"ready","addr":"127.0.0.1:(\d+)"`)
	ask := url.Values{"service": {"Docker registry"}, "scope": {"repository:" + repository + ":pull,push,delete"}}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "https://127.0.0.1:"+port+"/token?"+ask.Encode(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.SetBasicAuth(username, password)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true, // the test's own server
	}}
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %v\n%s", resp.Status, err, answer)
	}
	var claims struct {
		Access []struct{ Actions []string }
	}
	if err := json.Unmarshal([]byte(claimsOf(w.t, string(answer))), &claims); err != nil {
		w.t.Fatal(err)
	}
	if got := fmt.Sprint(claims.Access); got != "[{["+actions+"]}]" {
		w.t.Errorf("%s may %s in %s, want %s", username, got, repository, actions)
	}
}
