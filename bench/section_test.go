package bench

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteSection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "RESULTS.md")
	if err := os.WriteFile(file, []byte("# Figures\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct{ name, text string }{{"a", "old a"}, {"b", "b\n"}, {"a", "\nnew a\n"}} {
		if err := WriteSection(file, s.name, s.text); err != nil {
			t.Fatal(err)
		}
	}
	want := `# Figures

<!-- figures: a -->

new a

<!-- end: a -->

<!-- figures: b -->

b

<!-- end: b -->
`
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(file, []byte("<!-- figures: a -->\nopen\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteSection(file, "a", "x"); err == nil {
		t.Error("a section without an end was replaced, with all that follows it")
	}
}

func TestTable(t *testing.T) {
	if got, want := Table([]string{"what", "n"}, [][]string{{"a", "1"}}), "| what | n |\n|---|---:|\n| a | 1 |\n"; got != want {
		t.Errorf("got %q", got)
	}
}
