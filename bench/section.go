package bench

import (
	"fmt"
	"os"
	"strings"
)

// WriteSection replaces one section of a file of results, which stands between the
// lines `<!-- figures: NAME -->` and `<!-- end: NAME -->`, so that each part can be
// measured again by itself. A section that the file does not have is put at its end.
func WriteSection(file, name, text string) error {
	old, err := os.ReadFile(file) //nolint:gosec // the caller's own file
	if err != nil {
		return err
	}
	begin, end := fmt.Sprintf("<!-- figures: %s -->\n", name), fmt.Sprintf("<!-- end: %s -->\n", name)
	section := begin + "\n" + strings.TrimSpace(text) + "\n\n" + end
	before, rest, found := strings.Cut(string(old), begin)
	if !found {
		return os.WriteFile(file, []byte(strings.TrimRight(before, "\n")+"\n\n"+section), 0o644) //nolint:gosec // public figures
	}
	_, after, found := strings.Cut(rest, end)
	if !found {
		return fmt.Errorf("%s: the section %s has no end", file, name)
	}
	return os.WriteFile(file, []byte(before+section+after), 0o644) //nolint:gosec // public figures
}

// Table is a table of Markdown. The columns after the first are figures.
func Table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	b.WriteString("|---|" + strings.Repeat("---:|", len(head)-1) + "\n")
	for _, row := range rows {
		line(row)
	}
	return b.String()
}
