package identity

import (
	"strings"
	"unicode"
)

// Printable replaces each character of a text that a terminal would obey, or that
// would end a line or a cell. Names in a directory, answers of servers and what clients
// call themselves are other people's words.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
