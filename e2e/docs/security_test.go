package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// docs/security.md: each test that it names is in the folder that it names.
func TestSecurityPageNamesTests(t *testing.T) {
	t.Parallel()
	root := testbed.Root(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("`([a-z0-9/]+)` `(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1)
	if len(found) < 20 {
		t.Errorf("the page names %d tests", len(found))
	}
	for _, m := range found {
		files, _ := filepath.Glob(filepath.Join(root, m[1], "*_test.go")) // the pattern is well-formed
		there := false
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			there = there || strings.Contains(string(text), "func "+m[2]+"(")
		}
		if !there {
			t.Errorf("%s has no %s", m[1], m[2])
		}
	}
}
