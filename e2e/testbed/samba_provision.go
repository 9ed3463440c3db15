package testbed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// sambaRecipe makes the seeded domain: the samba-tool commands, in their order.
// The first provisions an empty domain in the folder.
func sambaRecipe(dir string) [][]string {
	recipe := [][]string{
		{
			"domain", "provision", "--targetdir=" + dir,
			"--realm=AD.EXAMPLE", "--domain=AD", "--server-role=dc", "--adminpass=" + sambaAdminPW,
			"--dns-backend=NONE", "--host-name=dc1", "--host-ip=127.0.0.1",
			// The access lists of files go to a database: not every file system has them.
			"--option=posix:eadb=" + filepath.Join(dir, "eadb.tdb"),
			"--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb",
		},
		{
			"domain", "passwordsettings", "set", "--complexity=off", "--min-pwd-length=1",
			"--min-pwd-age=0", "--max-pwd-age=0", "--history-length=0", "--account-lockout-threshold=0",
		},
	}
	for _, name := range append(SambaPeople(), "svc-drawbridge", "disabled", "expired") {
		recipe = append(recipe, []string{"user", "create", name, SeedPassword(name), "--mail-address=seed@ad.example"})
	}
	recipe = append(recipe,
		[]string{"user", "create", "must-change", SeedPassword("must-change"), "--must-change-at-next-login"},
		[]string{"user", "disable", "disabled"},
		[]string{"user", "setexpiry", "expired", "--days=0"},
	)
	for _, group := range sambaGroups() {
		recipe = append(recipe,
			[]string{"group", "add", group.name},
			[]string{"group", "addmembers", group.name, strings.Join(group.members, ",")})
	}
	// The last one closes a circle, whose other half had to be there first.
	return append(recipe, []string{"group", "addmembers", "loop-a", "loop-b"})
}

// SambaPeople are the seeded people who can log in; SeedPassword gives the
// passwords. Beside them there are `disabled`, `expired` and `must-change`, whose
// accounts are in that state.
func SambaPeople() []string {
	return []string{"alice", "bob", "carol", "dave", "jürgen", "bob (ops)", "o'neil"}
}

// sambaGroup is a seeded group with its members, by sAMAccountName.
type sambaGroup struct {
	name    string
	members []string
}

// sambaGroups are the seeded groups, members before their groups.
func sambaGroups() []sambaGroup {
	return []sambaGroup{
		{"payments-dev", []string{"alice", "bob", "jürgen"}},
		{"Übersetzer (EU)", []string{"jürgen", "bob (ops)", "o'neil"}},
		{"team", []string{"carol"}},
		{"dept", []string{"team"}},
		{"division", []string{"dept"}},
		{"loop-a", []string{"dave"}},
		{"loop-b", []string{"loop-a"}},
	}
}

// sambaPaths are the smb.conf settings that keep Samba inside the folder.
func sambaPaths(dir string) []string {
	var lines []string
	for _, setting := range [][2]string{
		{"private dir", "private"}, {"state directory", "state"}, {"cache directory", "cache"},
		{"lock directory", "run"}, {"pid directory", "run"}, {"ncalrpc dir", "run/ncalrpc"},
		{"binddns dir", "bind-dns"}, {"winbindd socket directory", "run/winbindd"},
		{"ntp signd socket directory", "run/ntp_signd"}, {"log file", "log.samba"},
		{"posix:eadb", "eadb.tdb"},
	} {
		lines = append(lines, setting[0]+" = "+filepath.Join(dir, setting[1]))
	}
	return lines
}

// sambaTemplate returns a folder with the seeded domain, which takes about ten
// seconds to make. It is made once and kept with the built tools, under a name
// that holds Samba's version and the recipe; a lock makes other test processes
// wait. Controllers run on copies.
func sambaTemplate(t testing.TB) (path string, err error) {
	t.Helper()
	version, err := sambaTool("", "--version")
	if err != nil {
		return "", err
	}
	id := sha256.Sum256(fmt.Appendf(nil, "%s %q", version, sambaRecipe("")))
	tools := filepath.Join(Root(t), ".tools", "e2e")
	if err := os.MkdirAll(tools, 0o700); err != nil {
		return "", err
	}
	unlock, err := lockFile(filepath.Join(tools, "samba.lock"), syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	path = filepath.Join(tools, "samba-"+hex.EncodeToString(id[:6]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	old, err := filepath.Glob(filepath.Join(tools, "samba-*"))
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return "", err
		}
	}
	making := filepath.Join(tools, "samba-making") // what was cut short has another name than what is finished
	if err := provision(making); err != nil {
		return "", err
	}
	return path, os.Rename(making, path)
}

// provision follows the recipe. Provisioning reads an smb.conf and refuses one
// that says another role than ours, such as the one that Debian's package puts in
// /etc/samba; with an empty one of our own the machine's is never looked at.
func provision(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	empty := filepath.Join(dir, "empty.conf")
	if err := os.WriteFile(empty, []byte("[global]\n"), 0o600); err != nil {
		return err
	}
	for i, command := range sambaRecipe(dir) {
		config := filepath.Join(dir, "etc", "smb.conf") // which the first command writes
		if i == 0 {
			config = empty
		}
		if _, err := sambaTool(config, command...); err != nil {
			return err
		}
	}
	return nil
}

// sambaTool runs samba-tool on the domain of the configuration and returns what
// it prints.
func sambaTool(config string, args ...string) (string, error) {
	program, err := sambaProgram("samba-tool")
	if err != nil {
		return "", err
	}
	if config != "" {
		args = append(args[:len(args):len(args)], "--configfile="+config)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*startPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...) // #nosec G204 -- our arguments
	// Python decides by the locale what a name with umlauts is.
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("samba-tool %q: %w\n%s", args, err, tail(string(out)))
	}
	return string(out), nil
}
