package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The image is built from what .dockerignore lets through, and of that from every
// package of ours that the program has.
func TestDockerignoreHasEveryPackage(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	var let []string
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok && !strings.Contains(name, ".") {
			let = append(let, name)
		}
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/drawbridge")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var needed []string
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "drawbridge/"); ok {
			name, _, _ = strings.Cut(name, "/")
			needed = append(needed, name)
		}
	}
	slices.Sort(let)
	slices.Sort(needed)
	if diff := cmp.Diff(slices.Compact(needed), let); diff != "" {
		t.Errorf("needed and let through:\n%s", diff)
	}
}
