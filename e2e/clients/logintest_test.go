package clients

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// tested is what `login-test -o json` prints, as far as these tests read it.
type tested struct {
	Outcome string
	Person  *struct {
		Subject, Entry, Mail, Slug string
		StableID                   string `json:"stable_id"`
		Groups                     []struct {
			Subject string
			Entries []string
		}
	}
	Bindings []struct {
		Binding string
		Through []string
	}
	Login *struct{ Connector, Outcome, Detail string }
}

// loginTester is a folder with a configuration, to run the command in.
func loginTester(t *testing.T, sections ...string) func(stdin string, args ...string) (tested, testbed.Command) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"drawbridge.yaml": strings.Join(append(sections, policyFile), ""), "policy.yaml": policy,
		"htpasswd": testbed.HTPasswd(t, admin, adminPW),
	} {
		writeFile(t, dir+"/"+name, []byte(content))
	}
	return func(stdin string, args ...string) (tested, testbed.Command) {
		t.Helper()
		ran := testbed.RunDrawbridge(t, dir, stdin, append([]string{"login-test", "--config", "drawbridge.yaml", "-o", "json"}, args...)...)
		var report tested
		if err := json.Unmarshal([]byte(ran.Stdout), &report); err != nil {
			t.Fatalf("%v: %v\n%s%s", args, err, ran.Stdout, ran.Stderr)
		}
		return report, ran
	}
}

// Without a password, the directory is searched and nobody's password is tried.
func TestLoginTestWithoutAPassword(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	run := loginTester(t, registries, corp(directory))
	before := directory.Binds()
	report, ran := run("", "carol")
	if ran.Code != 0 || report.Outcome != "granted" || report.Person == nil {
		t.Fatalf("exit code %d: %s%s", ran.Code, ran.Stdout, ran.Stderr)
	}
	p := report.Person
	if p.Subject != "corp/carol" || p.Entry != directory.PersonDN("carol") || p.Slug != "carol" || len(p.StableID) != 72 {
		t.Errorf("the person: %+v", p)
	}
	var groups []string
	for _, g := range p.Groups {
		groups = append(groups, g.Subject+" "+strings.Join(g.Entries, " "))
	}
	want := []string{ // three deep
		"group:corp/dept " + directory.GroupDN("dept"), "group:corp/division " + directory.GroupDN("division"),
		"group:corp/team " + directory.GroupDN("team"),
	}
	if !slices.Equal(groups, want) {
		t.Errorf("groups %q, want %q", groups, want)
	}
	var bindings []string
	for _, b := range report.Bindings {
		bindings = append(bindings, b.Binding+" "+strings.Join(b.Through, " "))
	}
	want = []string{"leads group:corp/division", "catalog group:corp/division", "public anonymous authenticated"}
	if !slices.Equal(bindings, want) {
		t.Errorf("bindings %q, want %q", bindings, want)
	}
	if n := directory.Binds() - before; n != 1 {
		t.Errorf("%d binds, want the service account's alone", n)
	}
	for _, nobody := range []string{"nobody", "*", "car*", ")(uid=*", "carol)(uid=*"} {
		if report, ran := run("", nobody); ran.Code != 1 || report.Outcome != "not_mine" || report.Person != nil {
			t.Errorf("%q: exit code %d: %s", nobody, ran.Code, ran.Stdout)
		}
	}
	if report, ran := run("", "bob (ops)"); ran.Code != 0 || report.Person.Entry != directory.PersonDN("bob (ops)") {
		t.Errorf("bob (ops): exit code %d: %s", ran.Code, ran.Stdout)
	}
}

// With one, the outcome is that of a login, with the reason that the client of a
// server never reads.
func TestLoginTestWithAPassword(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	directory.AddPerson(testbed.Person{UID: "reset", Policy: testbed.PolicyStrict, MustChange: true})
	run := loginTester(t, registries, corp(directory))
	for _, tt := range []struct {
		username, password string
		code               int
		connector          string
		outcome, detail    string
	}{
		{"alice", testbed.SeedPassword("alice"), 0, "corp", "granted", "corp/alice"},
		{"alice", testbed.SeedPassword("bob"), 1, "corp", "denied", "wrong_password"},
		{"alice", "", 1, "", "denied", "bad_password"},
		{"reset", testbed.SeedPassword("reset"), 1, "corp", "denied", "password_must_change"},
		{"nobody", "anything", 1, "", "not_mine", "no connector knows the username"},
		{admin, adminPW, 0, "local", "granted", "local/admin"},
	} {
		report, ran := run(tt.password+"\n", "--password-stdin", tt.username)
		if ran.Code != tt.code || report.Login == nil {
			t.Errorf("%s: exit code %d, want %d: %s%s", tt.username, ran.Code, tt.code, ran.Stdout, ran.Stderr)
			continue
		}
		if l := report.Login; l.Connector != tt.connector || l.Outcome != tt.outcome || l.Detail != tt.detail {
			t.Errorf("%s: %+v, want %+v", tt.username, l, tt)
		}
		if tt.password != "" && strings.Contains(ran.Stdout+ran.Stderr, tt.password) {
			t.Errorf("%s: the password is printed: %s%s", tt.username, ran.Stdout, ran.Stderr)
		}
	}
}

// A directory that is down or hangs is exit code 2, in time, and no "unknown".
func TestLoginTestCannotTell(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	run := loginTester(t, registries, corp(directory))
	check := func(what string) {
		t.Helper()
		start := time.Now()
		for _, args := range [][]string{{"alice"}, {"alice", "--password-stdin"}} {
			report, ran := run("anything\n", args...)
			if ran.Code != 2 || report.Outcome != "unavailable" || report.Person != nil {
				t.Errorf("%s: exit code %d: %s%s", what, ran.Code, ran.Stdout, ran.Stderr)
			}
		}
		if took := time.Since(start); took > 25*time.Second { // three operations of 8 s at most
			t.Errorf("%s: it took %s", what, took)
		}
		if _, ran := run("", admin); ran.Code != 0 {
			t.Errorf("%s: the htpasswd account: exit code %d: %s", what, ran.Code, ran.Stdout)
		}
	}
	directory.Pause()
	check("paused")
	directory.Stop()
	check("down")
}
