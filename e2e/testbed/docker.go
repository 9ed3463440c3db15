package testbed

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dockerPatience bounds one docker command. A cold build of the images compiles
// the product inside a container.
const dockerPatience = 15 * time.Minute

// Docker is the docker command with a configuration folder of its own: who is
// logged in, and nothing of the person's who runs the test. The engine is the
// machine's.
type Docker struct {
	t      testing.TB
	path   string
	config string
}

// NewDocker returns a client that is logged in nowhere. Where no engine answers
// it skips the test; with CI=true, where that would hide that nothing was tested,
// it fails the test.
func NewDocker(t testing.TB) *Docker {
	t.Helper()
	d := &Docker{t: t, config: t.TempDir()}
	path, err := exec.LookPath("docker")
	if err != nil {
		withoutEngine(t, "there is no docker command")
	}
	d.path = path
	if out, err := d.Run("version", "--format", "{{.Server.Version}}"); err != nil {
		withoutEngine(t, "no Docker engine answers: "+out)
	}
	plugins := filepath.Join(d.config, "cli-plugins")
	if err := os.MkdirAll(plugins, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(Tool(t, "docker-compose"), filepath.Join(plugins, "docker-compose")); err != nil {
		t.Fatal(err)
	}
	return d
}

func withoutEngine(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// Config returns the configuration folder, for a script that runs docker itself.
func (d *Docker) Config() string { return d.config }

// Run runs `docker args...` and returns what it printed on both streams.
func (d *Docker) Run(args ...string) (string, error) { return d.run("", nil, args) }

// Must is Run for a command that has to succeed.
func (d *Docker) Must(args ...string) string {
	d.t.Helper()
	out, err := d.Run(args...)
	if err != nil {
		d.t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, tail(out))
	}
	return out
}

// RunIn is Run in a folder, for `docker compose` and `docker build`.
func (d *Docker) RunIn(dir string, args ...string) (string, error) { return d.run(dir, nil, args) }

// Login runs `docker login`; the password goes through standard input.
func (d *Docker) Login(registry, user, password string) (string, error) {
	return d.run("", []byte(password), []string{"login", "--username", user, "--password-stdin", registry})
}

// MakeImage puts an image of a few bytes on the engine under that name; content
// makes its layer differ from another's. The image goes when the test ends.
func (d *Docker) MakeImage(name, content string) {
	d.t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	head := &tar.Header{Name: "content", Mode: 0o644, Size: int64(len(content))}
	if err := errors.Join(w.WriteHeader(head), writeString(w, content), w.Close()); err != nil {
		d.t.Fatal(err)
	}
	if out, err := d.run("", layer.Bytes(), []string{"import", "-", name}); err != nil {
		d.t.Fatalf("docker import %s: %v\n%s", name, err, out)
	}
	d.t.Cleanup(func() { _, _ = d.Run("rmi", "--force", name) }) // a test may have removed it
}

func writeString(w *tar.Writer, s string) error {
	_, err := w.Write([]byte(s))
	return err
}

// RemoveImage forgets an image, so that the next pull has to fetch it.
func (d *Docker) RemoveImage(name string) {
	d.t.Helper()
	d.Must("rmi", "--force", name)
}

func (d *Docker) run(dir string, stdin []byte, args []string) (string, error) {
	// Not the test's own context, which ends before its cleanup does.
	ctx, cancel := context.WithTimeout(context.Background(), dockerPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.path, args...) // #nosec G204 -- arguments of the test's own
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+d.config)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("not done within %s: %w", dockerPatience, err)
	}
	return strings.TrimSpace(string(out)), err
}
