package verify

import (
	"net/http"
	"strings"
)

// shown is what a request shows as its credential.
type shown uint8

const (
	nothing    shown = iota // no token: the registry makes its challenge
	bearer                  // one token
	unreadable              // something that some registry may read as a token
)

// credential reads the Authorization header. It is strict, because registries are
// not: one takes the first of several headers, another finds the word "bearer"
// anywhere in the text, a third skips white space inside a token. What passed here
// as "no token" and there as a token would never be asked about. So a request
// without the header has no token, and neither has one with a plain Basic
// credential, which registries with token authentication refuse; of everything
// else only
//
//	Authorization: Bearer <token68>      (RFC 6750 section 2.1, RFC 9110 section 11.2)
//
// is a token, in any case of "Bearer" and with exactly one space.
func credential(header http.Header) (token string, _ shown) {
	values := header["Authorization"]
	if len(values) == 0 {
		return "", nothing
	}
	if len(values) > 1 {
		return "", unreadable
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	switch {
	case !isToken68(rest):
		return "", unreadable
	case strings.EqualFold(scheme, "Bearer"):
		return rest, bearer
	case strings.EqualFold(scheme, "Basic"):
		return "", nothing
	}
	return "", unreadable
}

// isToken68 reports whether s is a credential in the sense of RFC 9110 section
// 11.2, where '=' stands at the end only; neither a space nor a comma is in it.
func isToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-', c == '.', c == '_', c == '~', c == '+', c == '/':
		default:
			return false
		}
	}
	return s != ""
}
