package tokens

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	childEnv = "TOKENS_TEST_CHILD_DIR"
	kills    = 12
)

// TestMain is also the program that [TestKillLosesNothing] kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		rotateForever(dir)
	}
	os.Exit(m.Run())
}

// rotateForever opens the keys, says so, and rotates until it is killed.
func rotateForever(dir string) {
	k, err := Open(Options{Dir: dir, LongestTTL: testTTL, Registries: []Registry{{Service: x5cName}, {Service: kidName, Form: FormKID}}})
	if err != nil {
		panic(err)
	}
	for {
		token, err := k.Mint(x5cName, claimsFor(x5cName, time.Now()))
		if err != nil {
			panic(err)
		}
		if _, err := os.Stdout.WriteString(token + "\n"); err != nil {
			panic(err)
		}
		if err := k.Rotate(context.Background()); err != nil {
			panic(err)
		}
	}
}

// kill -9 at any moment: the next start finds whole files, the same CA, and
// every token that was handed out still verifies.
func TestKillLosesNothing(t *testing.T) {
	opts := testOptions(t)
	var anchor, static []byte
	for i := range kills {
		tokens := killChild(t, opts.Dir, i)
		k, err := Open(opts)
		if err != nil {
			t.Fatalf("after kill %d: %v", i, err)
		}
		if anchor == nil {
			anchor, static = k.SigningCA(), k.StaticCert(kidName)
		}
		if !bytes.Equal(anchor, k.SigningCA()) || !bytes.Equal(static, k.StaticCert(kidName)) {
			t.Fatalf("after kill %d: another CA or static key", i)
		}
		for _, token := range tokens {
			if _, err := k.Verify(token); err != nil {
				t.Errorf("after kill %d: a token is lost: %v", i, err)
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(opts.Dir, tempPrefix+"*"))
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files are left: %v %v", left, err)
	}
}

// killChild runs the child until it has handed out a few tokens, kills it a
// little later than the last time, and returns the tokens.
func killChild(t *testing.T, dir string, round int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	var trouble bytes.Buffer
	cmd.Stderr = &trouble
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var tokens []string
	lines := bufio.NewScanner(out)
	for len(tokens) < 2 && lines.Scan() {
		tokens = append(tokens, lines.Text())
	}
	time.Sleep(time.Duration(round) * 700 * time.Microsecond) // not a wait: it spreads the moment of the kill
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	for lines.Scan() {
		if line := lines.Text(); strings.Count(line, ".") == 2 {
			tokens = append(tokens, line)
		}
	}
	_ = cmd.Wait()
	if trouble.Len() > 0 {
		t.Fatalf("the child failed: %s", trouble.String())
	}
	return tokens
}

func TestWriteFileReplacesWholeFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, content := range []string{"one", "", strings.Repeat("two", 10000)} {
		if err := writeFile(path, []byte(content), modePublic); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	// A directory in the way cannot be renamed over; nothing is left behind.
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, "d"), nil, modePublic); err == nil {
		t.Error("a directory was replaced")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, tempPrefix+"*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestExportDoesNotTouchAnEqualFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := exportFile(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := exportFile(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Error("the file was replaced by an equal one; a bind mount would keep the old one")
	}
}

func TestLockIsHeldAndReleased(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockPoll)
	defer cancel()
	if _, err := lockDir(ctx, dir); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second holder: %v", err)
	}
	unlock()
	unlock, err = lockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// A command that root runs must not lock the server's user out of its keys.
func TestFilesBelongToTheDirectorysOwner(t *testing.T) {
	dir := t.TempDir()
	want := os.Getuid()
	if want == 0 {
		want = 65534 // "nobody", as any server's user
		if err := os.Chown(dir, want, want); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "f")
	for range 2 { // made, then replaced
		if err := writeFile(path, []byte("x"), modePrivate); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; int(got) != want || info.Mode().Perm() != modePrivate {
			t.Errorf("the file belongs to %d with mode %v, want %d", got, info.Mode(), want)
		}
	}
}
