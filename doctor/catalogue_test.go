package doctor

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The page has a section for each finding, with its title, in the catalogue's order,
// and no other.
func TestPageHasEachFinding(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, e := range Catalogue() {
		want = append(want, string(e.ID)+" "+e.Title+" ("+string(e.Severity)+")")
	}
	for _, m := range regexp.MustCompile(`(?m)^### <a id="([^"]+)"></a>(DB-[A-Z]+-\d+): (.*)$`).FindAllStringSubmatch(string(page), -1) {
		got = append(got, m[2]+" "+m[3])
		if m[1] != strings.ToLower(m[2]) {
			t.Errorf("%s has the anchor %s", m[2], m[1])
		}
	}
	if !slices.Equal(want, got) {
		t.Errorf("docs/doctor.md has\n%s\nand the catalogue\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Each constant of the catalogue's file is an entry, and each entry is found by a
// check and expected by a test against a real setup.
func TestEachFindingIsFoundAndTested(t *testing.T) {
	source := read(t, "*.go")
	names := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+)\s+ID = "(DB-[A-Z]+-\d+)"`).FindAllStringSubmatch(source, -1) {
		names[m[2]] = m[1]
	}
	if len(names) != len(Catalogue()) {
		t.Errorf("%d constants and %d entries", len(names), len(Catalogue()))
	}
	uses := source + read(t, filepath.Join("..", "cmd", "drawbridge", "doctor*.go"))
	tests := read(t, filepath.Join("..", "e2e", "doctor", "*_test.go"))
	for _, e := range Catalogue() {
		name := names[string(e.ID)]
		if name == "" {
			t.Errorf("%s is no constant", e.ID)
			continue
		}
		if !regexp.MustCompile(`(finding\(|: |, |id(, \w+)? :?= )(doctor\.)?` + name + `\b`).MatchString(uses) {
			t.Errorf("no check finds %s (%s)", e.ID, name)
		}
		if !strings.Contains(tests, `"`+string(e.ID)+`"`) && !strings.Contains(tests, "doctor."+name) {
			t.Errorf("no test breaks a setup for %s", e.ID)
		}
	}
}

func read(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files (%v)", pattern, err)
	}
	var all strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") && !strings.Contains(pattern, "_test") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}
