package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// The image can be built: every folder of the program is in what Docker is given.
func TestDockerignore(t *testing.T) {
	t.Parallel()
	root := testbed.Root(t)
	text, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	given := strings.Split(string(text), "\n")
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.ImportPath}}{{end}}{{end}}", "./cmd/drawbridge")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		folder, _, _ := strings.Cut(strings.TrimPrefix(path, "drawbridge/"), "/")
		if !slices.Contains(given, "!"+folder) {
			t.Errorf(".dockerignore does not give %s to the build", folder)
		}
	}
}
