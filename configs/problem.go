package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one fault of the configuration.
type Problem struct {
	// File is the configuration file, or the name of the environment variable
	// that the faulty value came from.
	File string
	// Line counts from 1. It is 0 for environment variables, for a file that
	// cannot be read, and for what Validate finds in a Config of its own.
	Line int
	// Key is the path of the setting, such as connectors.0.bind_dn; list entries
	// count from 0, as in the names of environment variables. Empty for a fault
	// of the whole file.
	Key string
	// Message says what is wrong and what to do. It never holds a secret.
	Message string
}

// String returns the problem as one line: file:line: key: message, without the
// parts that are not known.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems is every fault of a configuration at once, sorted by place. It is the
// error of [Load].
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sorted returns the problems by place, the file before the environment, each
// once.
func (ps Problems) sorted(file string) Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if (a.File == file) != (b.File == file) {
			if a.File == file {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Key, b.Key), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(ps)
}

// covers reports whether a fault of the key, or of the file that a secret is read
// from, is known already. So it is with a section around a key that was not
// written itself. A default then stands in for the faulty value, and what
// validation says about the default would only confuse.
func (ps Problems) covers(key string, written bool) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool {
		return p.Key != "" && (key == p.Key || key+twinSuffix == p.Key ||
			!written && strings.HasPrefix(key, p.Key+"."))
	})
}
