package packages

import (
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// testPlatforms says of each architecture that the program in everything made for it is
// one for it, and that what surrounds the program says so. Those of the other
// architecture cannot be started here.
func testPlatforms(t *testing.T, r release) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		t.Run(arch, func(t *testing.T) {
			run := func(name string, args ...string) string {
				t.Helper()
				out, err := exec.CommandContext(t.Context(), name, args...).Output()
				if err != nil {
					t.Fatalf("%s %q: %v", name, args, err)
				}
				return strings.TrimSpace(string(out))
			}
			program := filepath.Join(unpack(t, r.file(t, "-linux-"+arch+".tar.gz")), "drawbridge-"+version+"-linux-"+arch, "drawbridge")
			built(t, program, machine)

			deb := r.file(t, "_"+arch+".deb")
			if got := run("dpkg-deb", "--field", deb, "Architecture"); got != arch {
				t.Errorf("the .deb is for %s", got)
			}
			fromDeb := t.TempDir()
			run("dpkg-deb", "--extract", deb, fromDeb)
			built(t, filepath.Join(fromDeb, "usr", "bin", "drawbridge"), machine)

			rpm := r.file(t, "."+rpmArch(arch)+".rpm")
			if got := run("rpm", "-qp", "--qf", "%{ARCH} %{OS}", rpm); got != rpmArch(arch)+" linux" {
				t.Errorf("the .rpm is for %s", got)
			}
			fromRPM := t.TempDir()
			run("bash", "-euo", "pipefail", "-c", `rpm2archive - <"$0" | tar -C "$1" -xz ./usr/bin/drawbridge`, rpm, fromRPM)
			built(t, filepath.Join(fromRPM, "usr", "bin", "drawbridge"), machine)

			built(t, fromImage(t, r, arch), machine)
			bill, err := os.ReadFile(r.file(t, "-linux-"+arch+".cdx.json"))
			if err != nil {
				t.Fatal(err)
			}
			if sum, _, _ := strings.Cut(run("sha256sum", program), " "); !strings.Contains(string(bill), sum) {
				t.Errorf("the bill of materials is of another program than %s", sum)
			}
		})
	}
}

// built says that a program is one for the machine.
func built(t *testing.T, program string, machine elf.Machine) {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if f.Machine != machine {
		t.Errorf("%s is for %s, want %s", program, f.Machine, machine)
	}
}

// fromImage returns the program that the image has for the architecture, found as an
// engine finds it: by the platform in the index.
func fromImage(t *testing.T, r release, arch string) string {
	t.Helper()
	dir := t.TempDir()
	untar := func(archive string, flags ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "tar", append([]string{"-C", dir, "-xf", archive}, flags...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	untar(r.file(t, "-image.tar"))
	var content struct {
		Manifests []struct {
			Digest   string
			Platform struct{ OS, Architecture string }
		}
		Layers []struct{ Digest string }
	}
	read := func(name string) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &content); err != nil {
			t.Fatal(err)
		}
	}
	blob := func(digest string) string { return filepath.Join("blobs", strings.Replace(digest, ":", "/", 1)) }
	read("index.json")
	for _, m := range content.Manifests {
		if m.Platform.OS == "linux" && m.Platform.Architecture == arch {
			read(blob(m.Digest))
		}
	}
	if len(content.Layers) != 1 {
		t.Fatalf("the image has %d layers for %s, want one", len(content.Layers), arch)
	}
	untar(filepath.Join(dir, blob(content.Layers[0].Digest)), "drawbridge")
	return filepath.Join(dir, "drawbridge")
}
