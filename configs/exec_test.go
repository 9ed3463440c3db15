package configs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFaultsOfExec(t *testing.T) {
	dir := t.TempDir()
	open, plain := filepath.Join(dir, "open"), filepath.Join(dir, "plain")
	for name, mode := range map[string]os.FileMode{open: 0o777, plain: 0o600} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
	}
	const entry, at = "- name: hr\n  type: exec\n", "connectors.0."
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"fine", "  command: [/bin/cat, -u]\n  mode: pooled\n  pool_size: 64\n  env: [HOME, HR_TOKEN]\n  lookup: true\n  timeout: 8s\n  grace: 0\n", nil},
		{"in PATH", "  command: [cat]\n", nil},
		{"no command", "", []string{"c.yaml:3: " + at + "command: is required: the program, then its arguments, one list entry for each"}},
		{"empty", "  command: ['']\n", []string{"c.yaml:5: " + at + "command: is required: the program, then its arguments, one list entry for each"}},
		{"a string", "  command: /bin/cat\n", []string{"c.yaml:5: " + at + "command: must be a list of strings, not a string"}},
		{"not there", "  command: [/nope]\n", []string{"c.yaml:5: " + at + "command: the file /nope does not exist; a relative path begins at the working directory"}},
		{"not in PATH", "  command: [no-such-program]\n", []string{"c.yaml:5: " + at + "command: the program no-such-program is not in PATH; an absolute path is safer"}},
		{"a shell line", "  command: ['/bin/cat -u']\n", []string{
			`c.yaml:5: ` + at + `command: the program "/bin/cat -u" does not exist; no shell splits it, so each argument is a list entry of its own`,
		}},
		{"not executable", "  command: [" + plain + "]\n", []string{"c.yaml:5: " + at + "command: the program " + plain + " is not executable for this user; chmod +x it"}},
		{"anybody writes it", "  command: [" + open + "]\n", []string{"c.yaml:5: " + at + "command: anybody may write to " + open + ", and so read passwords; chmod o-w it"}},
		{"mode", "  command: [cat]\n  mode: pool\n", []string{`c.yaml:6: ` + at + `mode: "pool" is not one of per_login, pooled`}},
		{"pool of none", "  command: [cat]\n  pool_size: 0\n", []string{"c.yaml:6: " + at + "pool_size: 0 is not between 1 and 64"}},
		{"pool of many", "  command: [cat]\n  pool_size: 65\n", []string{"c.yaml:6: " + at + "pool_size: 65 is not between 1 and 64"}},
		{"variables", "  command: [cat]\n  env:\n  - A=hunter2\n  - DRAWBRIDGE_STORE_URL\n", []string{
			"c.yaml:7: " + at + "env.0: must be the name of a variable, whose value comes from Drawbridge's own environment",
			"c.yaml:8: " + at + "env.1: DRAWBRIDGE_STORE_URL is a setting of Drawbridge and not passed on",
		}},
		{"too slow", "  command: [cat]\n  timeout: 9s\n", []string{"c.yaml:6: " + at + "timeout: 9s is not between 100ms and 8s"}},
		{"a key of another type", "  command: [cat]\n  insecure: true\n", []string{
			"c.yaml:6: " + at + "insecure: is a key of ldap and oidc connectors, and this one is of type exec",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, faults(t, oneRegistry+entry+tt.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
