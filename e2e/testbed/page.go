package testbed

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Block is one fenced block of a page of the documentation.
type Block struct {
	File string // the page's name
	Line int
	Lang string // what follows the fence; "text" is shown and never run
	Run  string // the name in a line <!-- run: NAME --> before it
	Text string
}

// Blocks returns the fenced blocks of a page. loose are commands outside of them.
func Blocks(t testing.TB, page string) (found []Block, loose []string) {
	t.Helper()
	f, err := os.Open(page) // #nosec G304 -- a file of the repository
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	marker := regexp.MustCompile(`^<!-- run: ([a-z-]+) -->$`)
	command := regexp.MustCompile(`^ {4,}(drawbridge|docker|make|curl|openssl|podman) `)
	var in *Block
	run := ""
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case in != nil && line == "```":
			found = append(found, *in)
			in, run = nil, ""
		case in != nil:
			in.Text += line + "\n"
		case strings.HasPrefix(line, "```"):
			in = &Block{File: filepath.Base(page), Line: n, Lang: line[3:], Run: run}
		case marker.MatchString(line):
			run = marker.FindStringSubmatch(line)[1]
		case command.MatchString(line):
			loose = append(loose, line)
		default:
			run = ""
		}
	}
	return found, loose
}

// Shown returns the text of the only block of docs/PAGE that is marked with the
// name, with each of the old texts replaced by the new one that follows it, such
// as an address by one of this test. A text that the block does not hold fails the
// test: the page has changed, and the test would run something else.
func Shown(t testing.TB, page, name string, oldnew ...string) string {
	t.Helper()
	all, _ := Blocks(t, filepath.Join(Root(t), "docs", page))
	var text string
	for _, b := range all {
		if b.Run == name {
			if text != "" {
				t.Fatalf("docs/%s has more than one block %s", page, name)
			}
			text = b.Text
		}
	}
	if text == "" {
		t.Fatalf("docs/%s has no block %s", page, name)
	}
	for i := 0; i+1 < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			t.Fatalf("docs/%s: the block %s does not hold %q", page, name, oldnew[i])
		}
		text = strings.ReplaceAll(text, oldnew[i], oldnew[i+1])
	}
	return text
}

// HasTest says whether a folder of the repository has the test, for pages that name
// what shows their claims.
func HasTest(t testing.TB, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Root(t), folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.Contains(string(readFile(t, file)), "\nfunc "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}
