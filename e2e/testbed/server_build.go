package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// BinaryEnv names the drawbridge program to test, when it is not the one that
// `make e2e-binary` builds.
const BinaryEnv = "E2E_BINARY"

// serverProgram returns the drawbridge program: the one that $E2E_BINARY
// names, else .tools/bin/drawbridge-e2e, which `make test` has just built, else
// one that is built now.
func serverProgram(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(BinaryEnv); path != "" {
		if !filepath.IsAbs(path) {
			path = filepath.Join(Root(t), path)
		}
		if _, err := os.Stat(path); err != nil { // #nosec G703 -- the tester's choice
			t.Fatalf("%s: %v", BinaryEnv, err)
		}
		return path
	}
	made := filepath.Join(Root(t), ".tools", "bin", "drawbridge-e2e")
	if _, err := os.Stat(made); err == nil {
		return made
	}
	path, err := buildProgram(Root(t), "drawbridge", "-race")
	if err != nil {
		t.Fatalf("%v\nor build it with `make e2e-binary`", err)
	}
	return path
}

// Program returns the drawbridge program, for tests that start it in a way of their
// own.
func Program(t testing.TB) string { t.Helper(); return serverProgram(t) }

// PlainProgram returns the drawbridge program without the race detector, under which
// a password's hash at its full cost takes seconds. It is built now.
func PlainProgram(t testing.TB) string {
	t.Helper()
	path, err := buildProgram(Root(t), "drawbridge-plain")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// buildProgram builds the program under that name, once in each test process: a lock
// makes parallel tests wait, and the process that has built last leaves its ID beside
// the program.
func buildProgram(root, name string, flags ...string) (path string, err error) {
	dir := filepath.Join(root, ".tools", "e2e")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path = filepath.Join(dir, name)
	unlock, err := lockFile(path+".lock", syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	builder, us := path+".builder", strconv.Itoa(os.Getpid())
	if last, err := os.ReadFile(builder); err == nil && string(last) == us { // #nosec G304 -- a file of the repository
		return path, nil
	}
	build := exec.CommandContext(context.Background(), "go", append(append([]string{"build", "-o", path}, flags...), "./cmd/drawbridge")...) // #nosec G204 -- no input
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/drawbridge: %w\n%s", err, out)
	}
	return path, os.WriteFile(builder, []byte(us), 0o600)
}
