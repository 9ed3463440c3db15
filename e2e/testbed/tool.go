package testbed

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ToolsEnv names the folder of the programs that `make tools` builds, when it is
// not .tools/bin of the repository.
const ToolsEnv = "E2E_TOOLS"

// Tool returns the path of a program the tests run: from the folder that
// $E2E_TOOLS names or else .tools/bin of the repository, where
// `make tools` builds what Go can build, and then from PATH. A missing program
// fails the test with the command that installs it: a test that is skipped for
// want of a program proves nothing.
func Tool(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv(ToolsEnv)
	if dir == "" {
		dir = filepath.Join(Root(t), ".tools", "bin")
	}
	path := filepath.Join(dir, name)
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 { // #nosec G703 -- the folder is the tester's choice
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not in %s nor in PATH; install it with `make tools`", name, dir)
	}
	return path
}

// Root returns the repository: the nearest folder above the test whose go.mod is
// the product's.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if moduleOf(filepath.Join(dir, "go.mod")) == "drawbridge" {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("the test does not run inside the repository")
		}
	}
}

// moduleOf returns the module path of a go.mod file, or nothing.
func moduleOf(path string) string {
	f, err := os.Open(path) // #nosec G304 -- a file of the repository
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if module, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(module)
		}
	}
	return ""
}
