package configs

import (
	"slices"
	"strings"
)

// hint returns what the writer of an unknown key most likely meant, as the end
// of a message: a key of the same section that is spelled alike, or the section
// elsewhere that has a key of this name.
func hint(key, path string, root, here *section) string {
	if strings.Contains(key, ".") {
		return "; keys are nested, each name on its own line under its section"
	}
	keys := make([]string, len(here.fields))
	for i, f := range here.fields {
		keys[i] = f.key
	}
	if near, ok := closest(key, keys); ok {
		return "; did you mean " + near + "?"
	}
	if key == path {
		return ""
	}
	var elsewhere []string
	one := func(string) int { return 1 }
	root.leaves("", one, func(at string, f field) {
		if f.key == key {
			elsewhere = append(elsewhere, strings.ReplaceAll(at, ".0.", "[]."))
		}
	})
	if len(elsewhere) == 1 {
		return "; did you mean " + elsewhere[0] + "?"
	}
	return ""
}

// closest returns the one of the words that is spelled most like the text, if
// any is near: a typing error or two, other case, a dash for an underscore.
func closest(text string, words []string) (string, bool) {
	text = strings.ReplaceAll(strings.ToLower(text), "-", "_")
	best, distance := "", max(1, min(len(text)/3, 3))+1
	for _, word := range words {
		if d := editDistance(text, strings.ToLower(word)); d < distance {
			best, distance = word, d
		}
	}
	return best, best != ""
}

// editDistance is the number of letters to insert, drop, change or swap with
// their neighbour (optimal string alignment).
func editDistance(a, b string) int {
	before, last := []int(nil), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = slices.Min([]int{row[j] + 1, last[j+1] + 1, last[j] + cost})
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
