package packages

import (
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// rpmArch is what Red Hat calls an architecture of Go's.
func rpmArch(arch string) string {
	return map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch]
}

// What the .rpm says of itself; package systemd installs it.
func testRPM(t *testing.T, r release) {
	file := r.file(t, "."+rpmArch(runtime.GOARCH)+".rpm")
	rpm := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "rpm", append(args, file)...).Output()
		if err != nil {
			t.Fatalf("rpm %v: %v", args, err)
		}
		return string(out)
	}
	if out := rpm("--checksig", "--nosignature"); !strings.Contains(out, "digests OK") {
		t.Errorf("the digests: %s", out)
	}
	if out := rpm("-qp", "--qf", "%{NAME} %{VERSION} %{ARCH} %{BUILDHOST}"); out != "drawbridge "+version+" "+rpmArch(runtime.GOARCH)+" drawbridge" {
		t.Errorf("the package is %s", out)
	}
	files := strings.Split(rpm("-qlp"), "\n")
	for _, want := range []string{
		"/usr/bin/drawbridge", "/usr/lib/systemd/system/drawbridge.service", "/usr/share/man/man1/drawbridge-serve.1.gz",
		"/usr/share/zsh/site-functions/_drawbridge", "/usr/share/doc/drawbridge/copyright",
	} {
		if !slices.Contains(files, want) {
			t.Errorf("%s is not in the package", want)
		}
	}
	flags := rpm("-qp", "--qf", "[%{FILENAMES} %{FILEFLAGS:fflags} %{FILEMODES:perms}\n]")
	for _, want := range []string{"/etc/drawbridge/drawbridge.yaml cn -rw-r-----", "/etc/drawbridge/htpasswd cn -rw-r-----", "/etc/drawbridge/credentials  drwx------"} {
		if !strings.Contains(flags, want) {
			t.Errorf("no file is %q:\n%s", want, flags)
		}
	}
}
