package helm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"

	"github.com/google/go-cmp/cmp"
)

// The plain manifests are what the chart renders, and nothing in them is Helm's.
func TestManifests(t *testing.T) {
	t.Parallel()
	folder, fresh := filepath.Join(testbed.Root(t), "deploy", "kubernetes"), t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(folder, "render.sh"), fresh)
	cmd.Env = []string{"HELM=" + testbed.Tool(t, "helm"), "HOME=" + fresh, "PATH=" + os.Getenv("PATH")}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	committed, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(committed) != 2 {
		t.Fatalf("%d manifests, want 2: %v", len(committed), err)
	}
	for _, file := range committed {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		made, err := os.ReadFile(filepath.Join(fresh, filepath.Base(file)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), string(made)); diff != "" {
			t.Errorf("%s is not what the chart renders; run make manifests:\n%s", filepath.Base(file), diff)
		}
		if strings.Contains(string(text), "helm.sh") || strings.Contains(string(text), "Helm\n") {
			t.Errorf("%s speaks of Helm", filepath.Base(file))
		}
		decode(t, string(text))
	}
}
