package backup

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// backedUpPlace is a folder in which a server has run, with a backup of it. The
// data_dir holds some megabytes, so that writing it takes a while.
func backedUpPlace(t *testing.T) (dir, file string) {
	t.Helper()
	s := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: config(""), Files: map[string]string{"htpasswd": "", "phrase": phrase, "identity.txt": identity},
		Prepare: func(dir string) {
			for _, name := range []string{"large-1", "large-2"} {
				content := make([]byte, 3<<19)
				_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // it never fails
				if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "data", name), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		},
	})
	s.Stop()
	file = filepath.Join(s.Dir, "backup.age")
	must(t, s.Dir, "backup", file, "--recipient", recipient)
	return s.Dir, file
}

// Whatever is wrong with a backup is said in words, and nothing is restored.
func TestBadBackups(t *testing.T) {
	t.Parallel()
	dir, file := backedUpPlace(t)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tampered := slices.Clone(content)
	tampered[len(tampered)/2] ^= 1
	empty := place(t, "")
	for want, content := range map[string][]byte{
		"changed or cut off: failed": content[:1000],
		"was changed or cut off":     content[:len(content)/2],
		"changed or cut off:":        tampered,
		"it was changed":             []byte("this is something else"),
		"this is no backup":          nil,
	} {
		bad := filepath.Join(t.TempDir(), "bad.age")
		if err := os.WriteFile(bad, content, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, empty, want, "restore", bad, "--identity", "identity.txt")
	}
	refused(t, empty, "does not open this file", "restore", file, "--passphrase-file", "phrase")
	refused(t, empty, "does not open this file", "restore", file, "--passphrase-file", "phrase", "--verify")
	refused(t, dir, "is there already", "backup", file, "--recipient", recipient)
	refused(t, dir, "is not empty", "restore", file, "--identity", "identity.txt")
	if found := left(t, empty); len(found) > 0 {
		t.Errorf("data_dir has %q", found)
	}
	if out := must(t, empty, "restore", file, "--identity", "identity.txt", "--verify"); !strings.Contains(out, "The backup is whole") || !strings.Contains(out, "data/keys/ca.pem") {
		t.Error(out)
	}
}

// Neither a backup nor a restore that runs out of space leaves a part of anything.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	dir, file := backedUpPlace(t)
	empty := place(t, "")
	limited := func(dir string, args ...string) {
		t.Helper()
		// No file may grow over one megabyte: writing fails as on a full disk.
		program := append([]string{"-c", `ulimit -f 1024; exec "$0" "$@" --config drawbridge.yaml`, testbed.Program(t)}, args...)
		cmd := exec.CommandContext(t.Context(), "bash", program...)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "file too large") {
			t.Errorf("%q: %v: %s", args, cmd.ProcessState, out)
		}
	}
	limited(dir, "backup", "other.age", "--recipient", recipient)
	if found, _ := filepath.Glob(filepath.Join(dir, "*other*")); len(found) > 0 {
		t.Errorf("it left %q", found)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, ".tmp-*")); len(found) > 0 {
		t.Errorf("it left %q", found)
	}
	limited(empty, "restore", file, "--identity", "identity.txt")
	if found := left(t, empty); len(found) > 0 {
		t.Errorf("it left %q", found)
	}
	must(t, empty, "restore", file, "--identity", "identity.txt")
}

// A restore that is killed at any moment has restored all or nothing, or is refused by
// every command until it is run again, which begins anew.
func TestKilledRestore(t *testing.T) {
	t.Parallel()
	_, file := backedUpPlace(t)
	whole := place(t, "")
	begin := time.Now()
	must(t, whole, "restore", file, "--identity", "identity.txt")
	took := time.Since(begin)
	want := left(t, whole)
	states := map[string]int{}
	const kills = 8
	for n := range kills {
		dir := place(t, "")
		ctx, cancel := context.WithTimeout(t.Context(), took*time.Duration(n+1)/kills)
		cmd := exec.CommandContext(ctx, testbed.Program(t), "restore", file, "--identity", "identity.txt", "--config", "drawbridge.yaml")
		cmd.Dir = dir
		_ = cmd.Run() // killed by the context, or done before
		cancel()
		again := testbed.RunDrawbridge(t, dir, "", "keys", "list", "--config", "drawbridge.yaml")
		retry := testbed.RunDrawbridge(t, dir, "", "restore", file, "--identity", "identity.txt", "--config", "drawbridge.yaml")
		found := slices.DeleteFunc(left(t, dir), func(name string) bool { return name == ".restored" })
		switch {
		case again.Code == 0 && retry.Code == 1 && strings.Contains(retry.Stderr, "is not empty"):
			states["all"]++
		case again.Code == 2 && strings.Contains(again.Stderr, "was interrupted") && retry.Code == 0:
			states["begun anew"]++
		case again.Code == 2 && strings.Contains(again.Stderr, "does not exist") && retry.Code == 0:
			states["nothing"]++
		default:
			t.Errorf("kill %d: the directory is used with %d %q, and a restore ends with %d %q", n, again.Code, again.Stderr, retry.Code, retry.Stderr)
		}
		if !slices.Equal(found, want) {
			t.Errorf("kill %d: data_dir has %q, want %q", n, found, want)
		}
	}
	t.Logf("after %d kills: %v", kills, states)
}

// What is outside of data_dir goes along when asked for, and comes back beside.
func TestExternalFiles(t *testing.T) {
	t.Parallel()
	dir, _ := backedUpPlace(t)
	must(t, dir, "backup", "with.age", "--recipient", recipient, "--include-external")
	to := filepath.Join(t.TempDir(), "external")
	must(t, dir, "restore", "with.age", "--identity", "identity.txt", "--external-to", to)
	for _, name := range []string{"drawbridge.yaml", "htpasswd"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(to, dir, name)); err != nil || string(got) != string(want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	// Any age program opens it.
	if out := run(t, dir, "bash", "-euo", "pipefail", "-c", "age -d -i identity.txt with.age | tar -tz"); !strings.Contains(out, "data/keys/ca.pem") {
		t.Error(out)
	}
}

// run runs another program and returns all that it prints.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testbed.Tool(t, program), args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}
