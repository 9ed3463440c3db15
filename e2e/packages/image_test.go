package packages

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// The image of the release, through a real registry to a real engine.
func testImage(t *testing.T, r release) {
	registry := testbed.StartRegistry(t, testbed.Registry311, testbed.RegistryOptions{})
	docker := testbed.NewDocker(t)
	image := registry.Addr + "/drawbridge:" + version
	push := exec.CommandContext(t.Context(), "bash", "-euc", strings.ReplaceAll(strings.ReplaceAll(shown(t, "package-image"), "registry.example.com", registry.Addr), " drawbridge-", " "+string(r)+"/drawbridge-"))
	push.Dir = t.TempDir()
	push.Env = append(os.Environ(), "PATH="+filepath.Dir(testbed.Tool(t, "crane"))+":"+os.Getenv("PATH"))
	if out, err := push.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	crane(t, "validate", "--remote", image)
	t.Cleanup(func() { _, _ = docker.Run("image", "rm", "--force", image) })
	docker.Must("pull", image)
	asInDockerfile(t, docker, image)

	name := "drawbridge-e2e-release-" + registry.Addr[strings.LastIndex(registry.Addr, ":")+1:]
	t.Cleanup(func() { _, _ = docker.Run("rm", "--force", "--volumes", name) })
	docker.Must("run", "--detach", "--name", name, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", image)
	eventually(t, "the image is healthy", func() bool {
		out, err := docker.Run("inspect", "--format", "{{.State.Health.Status}}", name)
		return err == nil && out == "healthy"
	})
	if out := docker.Must("exec", name, "/drawbridge", "version"); !strings.Contains(out, "v"+version) {
		t.Errorf("the image is of %s", out)
	}
	// Whom it trusts are public authorities.
	certificates := filepath.Join(t.TempDir(), "ca.pem")
	docker.Must("cp", name+":/etc/ssl/certs/ca-certificates.crt", certificates)
	if text, err := os.ReadFile(certificates); err != nil || strings.Count(string(text), "BEGIN CERTIFICATE") < 100 {
		t.Errorf("the image trusts too few: %v", err)
	}
}

func crane(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), testbed.Tool(t, "crane"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("crane %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func eventually(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ready(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within two minutes: %s", what)
		}
	}
}

// asInDockerfile says that the image has what the last stage of the Dockerfile gives to
// one.
func asInDockerfile(t *testing.T, docker *testbed.Docker, image string) {
	t.Helper()
	var all []struct {
		Config struct {
			Entrypoint, Cmd, Env  []string
			User                  string
			ExposedPorts, Volumes map[string]any
			Healthcheck           struct {
				Test                           []string
				Interval, Timeout, StartPeriod time.Duration
				Retries                        int
			}
		}
	}
	if err := json.Unmarshal([]byte(docker.Must("inspect", image)), &all); err != nil || len(all) != 1 {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(testbed.Root(t), "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(string(text), "\nFROM scratch\n")
	said := func(pattern string) string {
		t.Helper()
		m := regexp.MustCompile(`(?m)^` + pattern + `$`).FindStringSubmatch(last)
		if m == nil {
			t.Fatalf("the Dockerfile has no line %s", pattern)
		}
		return m[1]
	}
	list := func(text string) (items []string) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), &items); err != nil {
			t.Fatal(err)
		}
		return items
	}
	c := all[0].Config
	health := c.Healthcheck
	for what, same := range map[string]bool{
		"ENTRYPOINT": slices.Equal(c.Entrypoint, list(said(`ENTRYPOINT (.*)`))),
		"CMD":        slices.Equal(c.Cmd, list(said(`CMD (.*)`))),
		"ENV":        slices.Contains(c.Env, said(`ENV (.*)`)),
		"USER":       c.User == said(`USER (.*)`),
		"EXPOSE":     c.ExposedPorts[said(`EXPOSE (.*)`)+"/tcp"] != nil && len(c.ExposedPorts) == 1,
		"VOLUME":     c.Volumes[said(`VOLUME (.*)`)] != nil && len(c.Volumes) == 1,
		"HEALTHCHECK": slices.Equal(health.Test, append([]string{"CMD"}, list(said(`HEALTHCHECK .* CMD (.*)`))...)) &&
			health.Interval.String() == said(`HEALTHCHECK .*--interval=(\S+) .*`) && health.Timeout.String() == said(`HEALTHCHECK .*--timeout=(\S+) .*`) &&
			health.StartPeriod.String() == said(`HEALTHCHECK .*--start-period=(\S+) .*`) && said(`HEALTHCHECK .*--retries=(\S+) .*`) == "3" && health.Retries == 3,
	} {
		if !same {
			t.Errorf("%s of the image is not that of the Dockerfile: %+v", what, c)
		}
	}
}

// One index of several platforms: each engine finds its own.
func TestImageOfSeveralPlatforms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	program := testbed.Tool(t, "crane") // any: nothing of it is run
	if err := os.WriteFile(ca, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	layout := filepath.Join(dir, "layout")
	make := exec.CommandContext(t.Context(), "go", "run", "./image", "-out", layout, "-ca", ca, "-version", "v1", "linux/amd64="+program, "linux/arm64="+program, "linux/arm/v7="+program)
	make.Dir = filepath.Join(testbed.Root(t), "deploy", "release")
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	registry := testbed.StartRegistry(t, testbed.Registry311, testbed.RegistryOptions{})
	image := registry.Addr + "/drawbridge:1"
	crane(t, "push", "--index", layout, image)
	crane(t, "validate", "--remote", image)
	for _, platform := range []struct{ name, arch, variant string }{{"linux/amd64", "amd64", ""}, {"linux/arm64", "arm64", ""}, {"linux/arm/v7", "arm", "v7"}} {
		var config struct{ OS, Architecture, Variant string }
		if err := json.Unmarshal([]byte(crane(t, "config", "--platform", platform.name, image)), &config); err != nil {
			t.Fatal(err)
		}
		if config.OS != "linux" || config.Architecture != platform.arch || config.Variant != platform.variant {
			t.Errorf("%s is %+v", platform.name, config)
		}
	}
	docker := testbed.NewDocker(t)
	t.Cleanup(func() { _, _ = docker.Run("image", "rm", "--force", image) })
	docker.Must("pull", image)
	if arch := docker.Must("inspect", "--format", "{{.Architecture}}", image); arch != runtime.GOARCH {
		t.Errorf("this machine, which is %s, pulled %s", runtime.GOARCH, arch)
	}
}
