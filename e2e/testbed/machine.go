package testbed

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// machineImage is a Debian that boots. Mounts have to reach the sandboxes of services, as
// they do on a machine: LoadCredential= stands on it.
const (
	machineImage = "drawbridge-e2e-systemd"
	machineFile  = `FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends systemd rpm \
 && rm -rf /var/lib/apt/lists/*
CMD ["/bin/sh", "-c", "mount --make-rshared / && exec /lib/systemd/systemd"]
`
)

// Machine is a container in which systemd runs.
type Machine struct {
	docker *Docker
	name   string
}

// Boot starts one that has the folder at /mounted, and removes it when the test ends. The
// journal of the drawbridge service is shown if the test failed.
func Boot(t testing.TB, folder string) *Machine {
	t.Helper()
	m := &Machine{docker: NewDocker(t), name: machineImage + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)}
	// Its layers stay for the next run, and so it keeps its name.
	if out, err := m.docker.run("", []byte(machineFile), []string{"build", "--quiet", "--tag", machineImage, "-"}); err != nil {
		t.Fatalf("docker build %s: %v\n%s", machineImage, err, tail(out))
	}
	t.Cleanup(func() {
		if t.Failed() {
			journal, _ := m.docker.Run("exec", m.name, "journalctl", "--no-pager", "-o", "cat", "-u", "drawbridge.service")
			t.Logf("the journal:\n%s", tail(journal))
		}
		_, _ = m.docker.Run("rm", "--force", "--volumes", m.name)
	})
	m.docker.Must("run", "--detach", "--name", m.name,
		// What systemd needs to set up the sandboxes of its services.
		"--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", "--cgroupns", "host",
		"--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup",
		"--volume", folder+":/mounted:ro", machineImage)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		state, _ := m.docker.Run("exec", m.name, "systemctl", "is-system-running")
		if state == "running" || state == "degraded" {
			return m
		}
		if time.Now().After(deadline) {
			logs, _ := m.docker.Run("logs", m.name)
			t.Fatalf("systemd has not booted within two minutes: %s\n%s", state, tail(logs))
		}
	}
}

// Run runs a script as root and returns what it printed on both streams.
func (m *Machine) Run(script string) (string, error) {
	out, err := m.docker.Run("exec", m.name, "bash", "-euo", "pipefail", "-c", script)
	return strings.TrimSpace(out), err
}
