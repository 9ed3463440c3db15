package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// client is a program that pushes and pulls. What it prints comes back with an
// error that holds its exit code.
type client interface {
	// login logs in; the program remembers it for the registry.
	login(registry, user, password string) (string, error)
	// push uploads an image of that content.
	push(ref, content string) (string, error)
	// pull fetches the image as if it had never been here, and reports whether it
	// is the one of that content.
	pull(ref, content string) (bool, string, error)
	// copy pushes what is under one name under another.
	copy(from, to string) (string, error)
	// remove deletes the manifest; a program that cannot returns errUnable.
	remove(ref string) (string, error)
}

// errUnable is returned by a client that has no such command.
var errUnable = errors.New("the program has no such command")

// patience bounds one command.
const patience = 2 * time.Minute

// command is a program with an environment of its own.
type command struct {
	t    *testing.T
	path string
	env  []string
}

func newCommand(t *testing.T, name string, env ...string) command {
	t.Helper()
	home := t.TempDir()
	return command{t: t, path: testbed.Tool(t, name), env: append([]string{
		"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH"),
	}, env...)}
}

func (c command) run(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("not done within %s: %w", patience, err)
	}
	return string(out), err
}

// dockerClient is the docker command with the machine's engine.
type dockerClient struct {
	*testbed.Docker
	layers map[string]string // by content
}

func newDockerClient(t *testing.T) client {
	t.Helper()
	return dockerClient{testbed.NewDocker(t), map[string]string{}}
}

func (d dockerClient) login(registry, user, password string) (string, error) {
	return d.Login(registry, user, password)
}

func (d dockerClient) push(ref, content string) (string, error) {
	d.MakeImage(ref, content)
	d.layers[content] = d.Must("image", "inspect", "--format", "{{.RootFS.Layers}}", ref)
	return d.Run("push", ref)
}

func (d dockerClient) pull(ref, content string) (bool, string, error) {
	_, _ = d.Run("rmi", "--force", ref) // not there is as good
	out, err := d.Run("pull", ref)
	if err != nil {
		return false, out, err
	}
	return d.Must("image", "inspect", "--format", "{{.RootFS.Layers}}", ref) == d.layers[content], out, nil
}

func (d dockerClient) copy(from, to string) (string, error) {
	d.Must("tag", from, to)
	out, err := d.Run("push", to)
	d.RemoveImage(to)
	return out, err
}

func (dockerClient) remove(string) (string, error) { return "", errUnable }

// skopeoClient is skopeo, which verifies the registry's and the realm's
// certificates against caFile.
type skopeoClient struct{ command }

func newSkopeoClient(t *testing.T, caFile string) client {
	t.Helper()
	c := newCommand(t, "skopeo", "SSL_CERT_FILE="+caFile)
	c.env = append(c.env, "REGISTRY_AUTH_FILE="+filepath.Join(t.TempDir(), "auth.json"))
	return skopeoClient{c}
}

func (s skopeoClient) login(registry, user, password string) (string, error) {
	return s.run(password, "login", "--username", user, "--password-stdin", registry)
}

func (s skopeoClient) push(ref, content string) (string, error) {
	return s.run("", "--insecure-policy", "copy", "oci:"+newLayout(s.t, content).dir+":v1", "docker://"+ref)
}

func (s skopeoClient) pull(ref, content string) (bool, string, error) {
	to := s.t.TempDir()
	out, err := s.run("", "--insecure-policy", "copy", "docker://"+ref, "oci:"+to+":v1")
	return sameLayer(s.t, to, content), out, err
}

func (s skopeoClient) copy(from, to string) (string, error) {
	return s.run("", "--insecure-policy", "copy", "docker://"+from, "docker://"+to)
}

func (s skopeoClient) remove(ref string) (string, error) { return s.run("", "delete", "docker://"+ref) }

// craneClient is crane, which verifies certificates likewise.
type craneClient struct{ command }

func newCraneClient(t *testing.T, caFile string) craneClient {
	t.Helper()
	return craneClient{newCommand(t, "crane", "SSL_CERT_FILE="+caFile, "DOCKER_CONFIG="+t.TempDir())}
}

func (c craneClient) login(registry, user, password string) (string, error) {
	return c.run(password, "auth", "login", registry, "--username", user, "--password-stdin")
}

func (c craneClient) push(ref, content string) (string, error) {
	return c.run("", "push", newLayout(c.t, content).dir, ref)
}

func (c craneClient) pull(ref, content string) (bool, string, error) {
	to := c.t.TempDir()
	out, err := c.run("", "pull", "--format", "oci", ref, to)
	return sameLayer(c.t, to, content), out, err
}

func (c craneClient) copy(from, to string) (string, error) { return c.run("", "copy", from, to) }

func (c craneClient) remove(ref string) (string, error) {
	digest, err := c.run("", "digest", ref)
	if err != nil {
		return digest, err
	}
	repository := ref[:strings.LastIndexByte(ref, ':')]
	return c.run("", "delete", repository+"@"+strings.TrimSpace(digest))
}

// sameLayer reports whether the folder has the layer of that content, whose
// digest is its name.
func sameLayer(t *testing.T, dir, content string) bool {
	t.Helper()
	_, name, _ := strings.Cut(newLayout(t, content).layer, ":")
	_, err := os.Stat(filepath.Join(dir, "blobs", "sha256", name))
	return err == nil
}
