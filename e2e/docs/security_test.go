package docs

import (
	"os"
	"path/filepath"
	"regexp"
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
		if !testbed.HasTest(t, m[1], m[2]) {
			t.Errorf("%s has no %s", m[1], m[2])
		}
	}
}
