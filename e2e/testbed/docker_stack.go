package testbed

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Stack is a docker compose project in a copy of the repository, as somebody has
// it who has just cloned it.
type Stack struct {
	// Docker runs the commands; it is logged in nowhere.
	*Docker
	// Dir is the copy; Project is the name of the project, which no other has.
	Dir     string
	Project string
}

// stackPrefix begins the name of every project and container of these tests.
const stackPrefix = "drawbridge-e2e-stack-"

// NewStack makes the copy and keeps the ports 5000 and 5001 of loopback, which
// docker-compose.yml names, for this test alone. Nothing runs yet; what will is
// removed when the test ends, with its volumes and images. The logs are shown if
// the test failed.
func NewStack(t testing.TB) *Stack {
	t.Helper()
	s := &Stack{
		Docker:  NewDocker(t),
		Project: stackPrefix + strconv.FormatInt(time.Now().UnixNano(), 36),
	}
	lockPorts(t)
	// Whoever holds the lock is the only one: what is there was left by a run that
	// was killed.
	s.removeLeftovers()
	requireFree(t, 5000, 5001)
	s.Dir = Checkout(t)
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := s.Compose("--profile", "*", "logs", "--no-color", "--tail", "60")
			t.Logf("the stack's logs:\n%s", logs)
		}
		if out, err := s.Compose("--profile", "*", "down", "--volumes", "--rmi", "local", "--timeout", "5"); err != nil {
			t.Errorf("docker compose down: %v\n%s", err, out)
		}
	})
	return s
}

// removeLeftovers removes what earlier runs could not.
func (s *Stack) removeLeftovers() {
	s.t.Helper()
	for _, kind := range []struct{ list, remove []string }{
		{[]string{"container", "ls", "--all", "--filter", "name=" + stackPrefix}, []string{"container", "rm", "--force", "--volumes"}},
		{[]string{"volume", "ls", "--filter", "name=" + stackPrefix}, []string{"volume", "rm", "--force"}},
		{[]string{"network", "ls", "--filter", "name=" + stackPrefix}, []string{"network", "rm"}},
		{[]string{"image", "ls", "--filter", "reference=" + stackPrefix + "*"}, []string{"image", "rm", "--force"}},
	} {
		found := strings.Fields(s.Must(append(kind.list, "--quiet")...))
		slices.Sort(found) // setup and openldap are one image of two names
		if found = slices.Compact(found); len(found) > 0 {
			s.Must(append(kind.remove, found...)...)
		}
	}
}

// Compose runs `docker compose args...` on the shipped docker-compose.yml.
func (s *Stack) Compose(args ...string) (string, error) {
	return s.RunIn(s.Dir, append([]string{"compose", "--project-name", s.Project}, args...)...)
}

// MustCompose is Compose for a command that has to succeed.
func (s *Stack) MustCompose(args ...string) string {
	s.t.Helper()
	out, err := s.Compose(args...)
	if err != nil {
		s.t.Fatalf("docker compose %s: %v\n%s", strings.Join(args, " "), err, tail(out))
	}
	return out
}

// Checkout copies the files of the repository that git knows into a temporary
// folder: what is ignored, or was forgotten in a commit, is not there.
func Checkout(t testing.TB) string {
	t.Helper()
	root, dir := Root(t), t.TempDir()
	list := exec.CommandContext(t.Context(), "git", "-c", "safe.directory=*", "ls-files", "-z") // #nosec G204 -- no input
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		err := copyFile(filepath.Join(root, name), filepath.Join(dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) { // removed, and not committed yet
			t.Fatal(err)
		}
	}
	return dir
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from) // #nosec G304 -- a file of the repository
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { // #nosec G301 -- as a checkout has them: containers read it as other users
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, info.Mode().Perm()) // #nosec G304 -- in the test's folder
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return nil
}
