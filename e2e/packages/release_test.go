package packages

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

const version = "1.2.3"

// files is how many a release of two platforms has: an archive, a .deb, an .rpm and a
// bill of materials of each, the image and the chart.
const files = 10

// TestRelease makes a release, and looks at each of its files.
func TestRelease(t *testing.T) {
	t.Parallel()
	r := makeRelease(t, testbed.Root(t))
	for name, look := range map[string]func(*testing.T, release){
		"reproducible": testReproducible, "checksums": testChecksums, "archive": testArchive, "bill of materials": testBill,
		"image": testImage, "chart": testChart, "rpm": testRPM, "systemd": testSystemd, "platforms": testPlatforms,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			look(t, r)
		})
	}
}

// release is a folder as release.sh makes it.
type release string

// environment makes the release one of Linux, and as if it were made by somebody else.
func environment(t *testing.T) []string {
	t.Helper()
	return append(os.Environ(), "VERSION=v"+version, "RELEASE_PLATFORMS=linux/amd64 linux/arm64", "SOURCE_DATE_EPOCH=1700000000",
		"PATH="+filepath.Dir(testbed.Tool(t, "nfpm"))+":"+os.Getenv("PATH"))
}

func makeRelease(t *testing.T, root string) release {
	t.Helper()
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "deploy", "release", "release.sh"), out)
	cmd.Env = environment(t)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return release(out)
}

// file returns the only file whose name ends so.
func (r release) file(t *testing.T, suffix string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(string(r), "*"+suffix))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d files end with %s, want one", len(found), suffix)
	}
	return found[0]
}

// The same source in another folder, by the command of the page, gives the same bytes.
func testReproducible(t *testing.T, r release) {
	root := testbed.Root(t)
	again := testbed.Checkout(t)
	if err := os.Symlink(filepath.Join(root, ".tools"), filepath.Join(again, ".tools")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", testbed.Shown(t, "packages.md", "release-make"))
	cmd.Dir, cmd.Env = again, environment(t)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	read := func(folder string) string {
		sums, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		return string(sums)
	}
	first, second := read(string(r)), read(filepath.Join(again, "dist", "release"))
	if first != second || strings.Count(first, "\n") != files {
		t.Errorf("two builds of one source differ, or there are not %d files:\n%s\n%s", files, first, second)
	}
}

func testChecksums(t *testing.T, r release) {
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", testbed.Shown(t, "packages.md", "release-verify"))
	cmd.Dir = string(r)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != files {
		t.Errorf("%v\n%s", err, out)
	}
}

// unpack extracts a .tar.gz with the tar that people have.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "tar", "-C", dir, "-xzf", archive).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// The program of the archive runs, and what lies beside it fits to it.
func testArchive(t *testing.T, r release) {
	dir := filepath.Join(unpack(t, r.file(t, "-linux-"+runtime.GOARCH+".tar.gz")), "drawbridge-"+version+"-linux-"+runtime.GOARCH)
	program := filepath.Join(dir, "drawbridge")
	out, err := exec.CommandContext(t.Context(), program, "version").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "drawbridge v"+version) {
		t.Errorf("drawbridge version: %v\n%s", err, out)
	}
	for _, name := range []string{
		"README.md", "CHANGELOG.md", "LICENSES", "systemd/drawbridge.service", "systemd/drawbridge.socket",
		"completions/drawbridge.bash", "completions/drawbridge.fish", "completions/_drawbridge",
	} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "bash", "-n", filepath.Join(dir, "completions", "drawbridge.bash")).CombinedOutput(); err != nil {
		t.Errorf("the completion: %v\n%s", err, out)
	}
	pages(t, program, filepath.Join(dir, "man"), nil)
}

// pages says that the command and all below it have their manual page.
func pages(t *testing.T, program, dir string, command []string) {
	t.Helper()
	name := strings.Join(append([]string{"drawbridge"}, command...), "-") + ".1.gz"
	page, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = page.Close() }()
	unzipped, err := gzip.NewReader(page)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzipped)
	if err != nil || !strings.Contains(string(text), ".SH SYNOPSIS") || !strings.Contains(string(text), `"Nov 2023" "drawbridge v`+version+`"`) {
		t.Errorf("%s: %v\n%.400s", name, err, text)
	}
	// What the completion offers after the command are the commands below it.
	args := append(append([]string{"__completeNoDesc"}, command...), "")
	out, err := exec.CommandContext(t.Context(), program, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for below := range strings.Lines(string(out)) {
		below = strings.TrimSpace(below)
		if below == "help" || strings.HasPrefix(below, ":") || len(command) > 1 {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, strings.TrimSuffix(name, ".1.gz")+"-"+below+".1.gz")); err == nil {
			pages(t, program, dir, append(command[:len(command):len(command)], below))
		} else if len(command) == 0 {
			t.Errorf("the command %s has no page", below)
		}
	}
}

// The bill of materials is that of the program: the linker's own list.
func testBill(t *testing.T, r release) {
	dir := unpack(t, r.file(t, "-linux-"+runtime.GOARCH+".tar.gz"))
	program := filepath.Join(dir, "drawbridge-"+version+"-linux-"+runtime.GOARCH, "drawbridge")
	text, err := os.ReadFile(r.file(t, "-linux-"+runtime.GOARCH+".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		Metadata struct {
			Component struct {
				Version string
				Hashes  []struct{ Alg, Content string }
			}
		}
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	sum, err := exec.CommandContext(t.Context(), "sha256sum", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	if c := bom.Metadata.Component; c.Version != "v"+version || len(c.Hashes) != 1 || !strings.HasPrefix(string(sum), c.Hashes[0].Content+" ") {
		t.Errorf("the bill is of %+v, and the program has %s", c, sum)
	}
	linked, err := exec.CommandContext(t.Context(), "go", "version", "-m", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(linked), "\tdep\t"); n < 20 || n+1 != len(bom.Components) {
		t.Errorf("%d components, and %d modules are linked", len(bom.Components), n)
	}
	for _, c := range bom.Components {
		if c.Name != "std" && !strings.Contains(string(linked), "\tdep\t"+c.Name+"\t"+c.Version+"\t") {
			t.Errorf("%s %s is not linked", c.Name, c.Version)
		}
	}
}

// The chart of the release asks for the image of the release.
func testChart(t *testing.T, r release) {
	cmd := exec.CommandContext(t.Context(), testbed.Tool(t, "helm"), "template", "drawbridge", r.file(t, "drawbridge-chart-"+version+".tgz"))
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `image: "drawbridge:`+version+`"`) {
		t.Errorf("%v\n%s", err, out)
	}
}
