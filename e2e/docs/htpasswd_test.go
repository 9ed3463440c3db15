package docs

import (
	"strings"
	"testing"
)

// docs/htpasswd.md: its commands and configurations, with Apache's own htpasswd.
func TestHTPasswdPage(t *testing.T) {
	t.Parallel()
	w := newTask(t, "htpasswd.md", "htpasswd")
	if out, err := w.prompted(w.block("htpasswd-add"), "badmin", "badmin", "correct horse", "correct horse"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.shows(w.run(w.block("htpasswd-check")))
	w.env = append(w.env, "PASSWORD=correct horse")
	login := w.block("htpasswd-login")
	if out := w.run(login); !strings.Contains(out, "login  granted  local  local/alice") {
		t.Error(out)
	}
	w.serves("alice", "correct horse", "apps/shop", "pull push")

	w.refusals(map[string]func() string{
		"wrong_password": w.attempt("alice", "wrong"),
		"unknown_user":   w.attempt("Alice", "correct horse"),
		"bad_password":   w.attempt("alice", strings.Repeat("x", 73)),
	})

	change, leave, _ := strings.Cut(w.block("htpasswd-change"), "\n")
	if out, err := w.prompted(change, "another one", "another one"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out := w.fail(1, login); !strings.Contains(out, "wrong_password") {
		t.Error(out)
	}
	w.run(leave)
	if out := w.fail(1, login); !strings.Contains(out, "no connector knows the username") {
		t.Error(out)
	}
}

// Each line of the table of faults, in the words that it has.
func TestHTPasswdFaults(t *testing.T) {
	t.Parallel()
	w := newTask(t, "htpasswd.md", "htpasswd")
	const hash = "$2y$12$1FW8dpFRfpp9fpgi8PM2u.gd3Rr7X7tzJjNe6CzL1iD5M1/O6xq4G"
	good := "alice:" + hash + "\n"
	faulty := []string{
		"alice:$apr1$6Q0hmSXQ$3eMxYIEvf2sTM/2z4Ugvk1\n",
		strings.TrimSuffix(good, "xq4G\n") + "\n",
		strings.Replace(good, "$12$", "$15$", 1),
		good + good,
		"alice\n",
		" " + good,
	}
	rows := w.rows("message ")
	if len(rows) != len(faulty) {
		t.Fatalf("the table has %d rows, and the test %d", len(rows), len(faulty))
	}
	w.write("htgroups", "developers: alice\n")
	w.onFreePorts()
	for i, row := range rows {
		w.write("htpasswd", faulty[i])
		for _, command := range []string{"drawbridge login-test alice", "drawbridge doctor", "drawbridge serve"} {
			out, err := w.command(command + " --config drawbridge.yaml").CombinedOutput()
			if err == nil || !strings.Contains(string(out), quoted(row[0])[0]) {
				t.Errorf("%s: %v: %s is not in\n%s", command, err, row[0], out)
			}
		}
	}
}
