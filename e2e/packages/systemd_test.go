package packages

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// The units are well-formed, and as closed as they were: 0 is the tightest of 10.
func TestUnits(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(testbed.Root(t), "deploy", "systemd")
	service, socket := filepath.Join(folder, "drawbridge.service"), filepath.Join(folder, "drawbridge.socket")
	out, _ := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", service, socket).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		// The program is not installed here; it is in [testSystemd].
		if !strings.Contains(line, "/usr/bin/drawbridge is not executable") {
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", service).CombinedOutput(); err != nil {
		t.Errorf("the unit's exposure is above 2.0: %v\n%s", err, out)
	}
}

// machine is a machine whose commands have to succeed.
type machine struct {
	*testbed.Machine
	t *testing.T
}

func (m *machine) run(script string) string {
	m.t.Helper()
	out, err := m.Run(script)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// fail runs a script that must not succeed.
func (m *machine) fail(script string) string {
	m.t.Helper()
	out, err := m.Run(script)
	if err == nil {
		m.t.Fatalf("%s: succeeded, want a failure\n%s", script, out)
	}
	return out
}

// says runs a script that has to print each of the texts.
func (m *machine) says(script string, want ...string) {
	m.t.Helper()
	out := m.run(script)
	for _, w := range want {
		if !strings.Contains(out, w) {
			m.t.Errorf("%s does not print %q:\n%s", script, w, out)
		}
	}
}

// pid is the server's.
func (m *machine) pid() string {
	m.t.Helper()
	return m.run("systemctl show --property MainPID --value drawbridge.service")
}

// shown is a block of docs/packages.md, with the names that amd64 has replaced by those
// of this platform.
func shown(t *testing.T, name string) string {
	t.Helper()
	return strings.NewReplacer("amd64", runtime.GOARCH, "x86_64", rpmArch(runtime.GOARCH)).Replace(testbed.Shown(t, "packages.md", name))
}

const configuration = "/etc/drawbridge/drawbridge.yaml"

// The packages from the first installation to the last trace, each step on the one before.
func testSystemd(t *testing.T, r release) {
	m := &machine{Machine: testbed.Boot(t, string(r)), t: t}
	for _, step := range []struct {
		name string
		run  func(*machine)
	}{
		{"deb", installed}, {"sandbox", sandboxed}, {"secret", secret}, {"reload", reloaded}, {"socket", socketActivated},
		{"broken", broken}, {"upgrade", upgraded}, {"purge", purged}, {"rpm", rpmInstalled}, {"archive", byHand},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(&machine{Machine: m.Machine, t: t}) }) {
			return // what follows stands on it
		}
	}
}

func installed(m *machine) {
	m.says("cd /mounted; "+shown(m.t, "package-deb"), "systemctl enable --now drawbridge")
	m.says("drawbridge version", "v"+version)
	m.says("stat --format '%U:%G %a %n' /etc/drawbridge/*",
		"root:drawbridge 640 "+configuration, "root:drawbridge 640 /etc/drawbridge/htpasswd", "root:root 700 /etc/drawbridge/credentials")
	m.says("getent passwd drawbridge", "/nologin")
	m.fail("systemctl is-active drawbridge")
	m.says(shown(m.t, "package-start"), "is fine", "ready")
	m.says("stat --format '%U %a %n' /var/lib/drawbridge/* /var/lib/drawbridge/keys/*",
		"drawbridge 600 /var/lib/drawbridge/drawbridge.db", "drawbridge 600 /var/lib/drawbridge/keys/ca.pem", "drawbridge 644 /var/lib/drawbridge/keys/signing-ca.pem")
}

// The server has one capability and no way to write but to its folders.
func sandboxed(m *machine) {
	status := m.run("cat /proc/" + m.pid() + "/status")
	for _, want := range []string{`CapEff:\s+0000000000000400`, `CapBnd:\s+0000000000000400`, `NoNewPrivs:\s+1`, `Seccomp:\s+2`, `Uid:\s+[1-9]`} {
		if !regexp.MustCompile(want).MatchString(status) {
			m.t.Errorf("the server's process has no %s:\n%s", want, status)
		}
	}
	mounts := m.run("cat /proc/" + m.pid() + "/mounts")
	for path, options := range map[string]string{"/": "ro", "/var/lib/drawbridge": "rw"} {
		if !regexp.MustCompile(`(?m)^\S+ ` + path + ` \S+ ` + options + `[, ]`).MatchString(mounts) {
			m.t.Errorf("%s is not %s for the server:\n%s", path, options, mounts)
		}
	}
}

// A secret that root alone can read reaches the configuration; a low port is opened.
func secret(m *machine) {
	m.run(`umask 077; echo bind-password > /etc/drawbridge/credentials/ldap
sed -i 's/^  addr: .*/  addr: ":443"/; /^#  - name: corp/,$ s/^#//' ` + configuration + `
systemctl restart drawbridge`)
	m.says("cat "+configuration, strings.TrimSpace(shown(m.t, "package-secret")))
	m.says("drawbridge health --config "+configuration, "ready")
	m.says("journalctl -o cat -u drawbridge.service | tail -n 3", `"addr":"[::]:443"`)
	if journal := m.run("journalctl -o cat -u drawbridge.service"); strings.Contains(journal, "bind-password") {
		m.t.Error("the journal has the password")
	}
}

func reloaded(m *machine) {
	before, loaded := m.pid(), func() int {
		return strings.Count(m.run("journalctl -o cat -u drawbridge.service"), `"msg":"reloaded"`)
	}
	count := loaded()
	m.run("systemctl reload drawbridge")
	eventually(m.t, "the reload is in the journal", func() bool { return loaded() > count })
	if after := m.pid(); after != before {
		m.t.Errorf("the reload made process %s of %s", after, before)
	}
}

// The socket is systemd's: a connection starts the server.
func socketActivated(m *machine) {
	m.run("sed -i '/^server:/,/^$/d' " + configuration + "; cat >> " + configuration + " <<'END'\n" + shown(m.t, "package-socket-config") + "END")
	m.run(shown(m.t, "package-socket"))
	m.fail("systemctl is-active drawbridge.service")
	m.run("exec 3<>/dev/tcp/127.0.0.1/5001")
	eventually(m.t, "the connection has started the server", func() bool {
		out, _ := m.Run("systemctl is-active drawbridge.service")
		return out == "active"
	})
	m.says("journalctl -o cat -u drawbridge.service | tail -n 3", `:5001"`)
}

// A mistake in the configuration keeps the server from starting, and is in the journal.
func broken(m *machine) {
	m.run("cp " + configuration + " /root/good.yaml; echo 'mistake: true' >> " + configuration)
	m.fail("systemctl restart drawbridge")
	m.says("journalctl -o cat -u drawbridge.service | tail -n 12", "mistake: unknown key")
	// A connection that waits would start it again and again.
	m.run("cp /root/good.yaml " + configuration + "; systemctl stop drawbridge.socket drawbridge.service; systemctl reset-failed; systemctl start drawbridge.socket drawbridge.service")
}

// upgrade installs a package that differs in its version and its default configuration.
func (m *machine) upgrade(version string) string {
	m.t.Helper()
	return m.run(strings.ReplaceAll(`
rm -rf /root/next; dpkg-deb --raw-extract /mounted/*_$(dpkg --print-architecture).deb /root/next
sed -i 's/^Version: .*/Version: VERSION/' /root/next/DEBIAN/control
echo '# VERSION' >> /root/next/etc/drawbridge/drawbridge.yaml
sed -i '/drawbridge.yaml$/d' /root/next/DEBIAN/md5sums
dpkg-deb -Znone --build /root/next /root/drawbridge_1.2.4_amd64.deb >/dev/null
cd /root
`, "VERSION", version) + "exec 2>&1\n" + testbed.Shown(m.t, "upgrading.md", "upgrade-deb"))
}

// An upgrade keeps the configuration, and restarts a server that will start again.
func upgraded(m *machine) {
	before := m.pid()
	m.upgrade("1.2.4")
	if after := m.pid(); after == before || after == "0" {
		m.t.Errorf("the upgrade did not restart the server: process %s, then %s", before, after)
	}
	m.run("cmp /root/good.yaml " + configuration + "; grep -q 1.2.4 " + configuration + ".dpkg-dist")

	before = m.pid()
	m.run("echo 'mistake: true' >> " + configuration)
	if out := m.upgrade("1.2.5"); !strings.Contains(out, "goes on running") || !strings.Contains(out, "mistake: unknown key") {
		m.t.Errorf("the upgrade does not say that it restarted nothing:\n%s", out)
	}
	if after := m.pid(); after != before {
		m.t.Errorf("the upgrade ended a server that could not start again: process %s, then %s", before, after)
	}
}

// Removed, the configuration stays; purged, the keys and the store still do.
func purged(m *machine) {
	m.run("dpkg --remove drawbridge; test -f " + configuration + "; test ! -e /usr/bin/drawbridge")
	m.fail("systemctl is-active drawbridge.service")
	m.says("dpkg --purge drawbridge 2>&1; test ! -e "+configuration+"; ls /var/lib/drawbridge/keys", "stay in /var/lib/drawbridge", "ca.pem")
}

// The .rpm does the same by rpm's own rules.
func rpmInstalled(m *machine) {
	m.run("rm -rf /etc/drawbridge")
	// On a Debian, rpm does not know what is installed.
	m.says("rpm() { command rpm --nodeps \"$@\"; }; cd /mounted; "+shown(m.t, "package-rpm"), "systemctl enable --now drawbridge")
	m.says(shown(m.t, "package-start"), "ready")
	before := m.pid()
	m.run("echo '# mine' >> " + configuration + "; rpm --upgrade --force --nodeps /mounted/*.$(uname -m).rpm; grep -q mine " + configuration)
	if after := m.pid(); after == before || after == "0" {
		m.t.Errorf("the upgrade did not restart the server: process %s, then %s", before, after)
	}
	m.says("rpm --erase --nodeps drawbridge; ls /etc/drawbridge /var/lib/drawbridge", "drawbridge.yaml.rpmsave", "drawbridge.db")
	m.fail("systemctl is-active drawbridge.service")
}

// The archive by the commands of the page, and the configuration that it leaves to write.
func byHand(m *machine) {
	m.run("rm -rf /etc/drawbridge /var/lib/drawbridge; userdel drawbridge; mkdir /root/archive; cp /mounted/*.tar.gz /root/archive; cd /root/archive\n" + shown(m.t, "package-tar"))
	m.says("stat --format '%U %a' /etc/drawbridge/credentials", "root 700")
	m.run(`cat > ` + configuration + ` <<'END'
data_dir: /var/lib/drawbridge
registries: [{ service: "Docker registry", issuer: "Acme auth server" }]
connectors: [{ name: local, type: htpasswd, file: /etc/drawbridge/htpasswd }]
END
touch /etc/drawbridge/htpasswd`)
	m.says(shown(m.t, "package-start"), "is fine", "ready")
}
