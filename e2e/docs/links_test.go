package docs

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"drawbridge/e2e/testbed"
)

// linked are the relative links of a page, each as it is written.
func linked(t *testing.T, page string) []string {
	t.Helper()
	var found []string
	for _, line := range prose(t, page) {
		for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(line, -1) {
			if !strings.Contains(m[1], "://") {
				found = append(found, m[1])
			}
		}
	}
	return found
}

// prose are the lines of a page outside of its fenced blocks.
func prose(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	fenced := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		} else if !fenced {
			found = append(found, strings.TrimRight(line, "\r\n"))
		}
	}
	return found
}

// anchors are what a link into a page can name: its headings, as GitHub and others
// spell them, and the IDs that it sets itself.
func anchors(t *testing.T, page string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, line := range prose(t, page) {
		for _, m := range regexp.MustCompile(`<a id="([^"]+)">`).FindAllStringSubmatch(line, -1) {
			found[m[1]] = true
		}
		heading := strings.TrimLeft(line, "#")
		if heading == line || !strings.HasPrefix(heading, " ") {
			continue
		}
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsNumber(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(heading))
		unique := slug
		for n := 1; found[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", slug, n)
		}
		found[unique] = true
	}
	return found
}

// Links lead to files that exist, and to places in them that exist.
func TestLinks(t *testing.T) {
	t.Parallel()
	root := testbed.Root(t)
	further, err := filepath.Glob(filepath.Join(root, "docs", "decisions", "*.md"))
	if err != nil || len(further) == 0 {
		t.Fatalf("no decisions: %v", err)
	}
	further = append(further, filepath.Join(root, "CHANGELOG.md"), filepath.Join(root, "bench", "RESULTS.md"))
	checked := 0
	for _, page := range append(pages(t), further...) {
		for _, link := range linked(t, page) {
			file, anchor, _ := strings.Cut(link, "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", filepath.Base(page), err)
				continue
			}
			if anchor != "" && !anchors(t, target)[anchor] {
				t.Errorf("%s: %s has no place %q", filepath.Base(page), file, anchor)
			}
			checked++
		}
	}
	if checked < 200 {
		t.Errorf("only %d links were found", checked)
	}
}

// docs/README.md is where to look: each page of docs/ is in it, once.
func TestIndex(t *testing.T) {
	t.Parallel()
	root := filepath.Join(testbed.Root(t), "docs")
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() {
			name = filepath.Join(name, "README.md")
		}
		if name != "README.md" {
			want[name] = 1
		}
	}
	got := map[string]int{}
	for _, link := range linked(t, filepath.Join(root, "README.md")) {
		got[link]++
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("docs/README.md has %d links to %s, want one", got[name], name)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("docs/README.md leads to %s, which is no page of docs/", name)
	}
}
