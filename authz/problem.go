package authz

import (
	"fmt"
	"strings"
)

// maxProblems bounds what one document reports. Nobody reads more, and a broken
// generator can make one per line.
const maxProblems = 200

// Problem is one fault of a policy document.
type Problem struct {
	// File is the name that Parse was given.
	File string `json:"file,omitempty"`
	// Line and Column count from 1; 0 means the document as a whole.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path leads to the value, as in bindings[2].role.
	Path string `json:"path,omitempty"`
	// Message says what is wrong and what to write instead.
	Message string `json:"message"`
}

// String returns file:line: path: message, the form editors jump to.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:", p.Line)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems is the error that Parse and Compile return: every fault they found,
// by line. It is never empty.
type Problems []Problem

// Error returns one problem per line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// problemList collects problems up to maxProblems.
type problemList struct {
	file    string
	list    Problems
	omitted int
}

func (l *problemList) add(line, column int, path, format string, args ...any) {
	if len(l.list) >= maxProblems {
		l.omitted++
		return
	}
	l.list = append(l.list, Problem{File: l.file, Line: line, Column: column, Path: path, Message: fmt.Sprintf(format, args...)})
}

// err returns the problems as an error, nil when there are none.
func (l *problemList) err() error {
	if len(l.list) == 0 {
		return nil
	}
	if l.omitted > 0 {
		return append(l.list, Problem{File: l.file, Message: fmt.Sprintf("and %d further problems", l.omitted)})
	}
	return l.list
}

// didYouMean returns a hint that names the known word nearest to word, or "".
func didYouMean(word string, known []string) string {
	best, distance := "", 3
	if len(word) > 64 {
		return ""
	}
	for _, k := range known {
		if d := editDistance(strings.ToLower(word), k); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// editDistance counts the single-byte insertions, removals, replacements and
// swaps of neighbours between two short words.
func editDistance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// quoteList returns the words as a sentence lists them: pull, push or delete.
func quoteList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
