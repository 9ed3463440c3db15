package htpasswd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

// The bounds on a hash's cost, the binary logarithm of its rounds. Above MaxCost
// a hash is refused, below MinCost it is warned about.
const (
	MinCost = 10
	MaxCost = 14
)

// Fault is one thing that is wrong with one line of a file. It never quotes a
// hash, nor a line that may hold a password.
type Fault struct {
	Line    int // from 1
	Message string
}

// Faults are all faults of one file, in the order of their lines.
type Faults struct {
	File string
	List []Fault
}

// Error lists every fault on a line of its own as file:line: message.
func (f *Faults) Error() string {
	var b strings.Builder
	for i, fault := range f.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:%d: %s", f.File, fault.Line, fault.Message)
	}
	return b.String()
}

// account is one line of the password file.
type account struct {
	hash []byte
	cost int
	line int
}

// version changes whenever a line gets another hash, and is the same on every
// replica. It needs no key of ours to tell nothing: nobody can try passwords
// against it without the 128 random bits of bcrypt's salt, which stand in the file.
func (a account) version(name string) string {
	sum := sha256.Sum256(append([]byte(name+":"), a.hash...))
	return hex.EncodeToString(sum[:16])
}

// parseUsers reads a password file. It reports every fault; the accounts are for
// use only when there is none.
func parseUsers(data []byte) (map[string]account, []Fault) {
	users := make(map[string]account)
	var faults []Fault
	fault := func(line int, format string, args ...any) {
		faults = append(faults, Fault{line, fmt.Sprintf(format, args...)})
	}
	for line, text := range lines(data) {
		name, rest, ok := strings.Cut(text, ":")
		if !ok {
			fault(line, "no colon: a line is USERNAME:HASH, as `htpasswd -B` writes it")
			continue
		}
		if err := checkName(name); err != nil {
			fault(line, "the username %v", err)
			continue
		}
		if earlier, dup := users[name]; dup {
			fault(line, "user %q stands on line %d already; delete one of the two", name, earlier.line)
			continue
		}
		hash, _, _ := strings.Cut(rest, ":") // behind it is a remark, as in Apache
		hash = strings.TrimRight(hash, " \t")
		cost, err := checkHash(hash)
		if err != nil {
			fault(line, "user %q: %v", name, err)
		}
		// Kept despite a faulty hash, so that a second line is still found.
		users[name] = account{hash: []byte(hash), cost: cost, line: line}
	}
	return users, faults
}

// parseGroups reads a group file into the members of each group.
func parseGroups(data []byte) (map[string][]string, []Fault) {
	groups := make(map[string][]string)
	var faults []Fault
	for line, text := range lines(data) {
		name, members, ok := strings.Cut(text, ":")
		if !ok {
			faults = append(faults, Fault{line, "no colon: a line is GROUP: USERNAME USERNAME ..."})
			continue
		}
		if err := checkName(name); err != nil {
			faults = append(faults, Fault{line, fmt.Sprintf("the group name %v", err)})
			continue
		}
		if !utf8.ValidString(members) {
			faults = append(faults, Fault{line, "a member's name is not valid UTF-8"})
			continue
		}
		groups[name] = append(groups[name], strings.Fields(members)...)
	}
	for name, members := range groups {
		slices.Sort(members)
		groups[name] = slices.Compact(members)
	}
	return groups, faults
}

// lines yields the numbered lines that say something: no blank ones, no
// comments, no line ends of either kind, no byte order mark.
func lines(data []byte) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
		number := 0
		for raw := range bytes.Lines(data) {
			number++
			text := strings.TrimRight(string(raw), "\r\n")
			blank := strings.TrimSpace(text)
			if blank == "" || blank[0] == '#' {
				continue
			}
			if !yield(number, text) {
				return
			}
		}
	}
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case !utf8.ValidString(name):
		return errors.New("is not valid UTF-8")
	case name != strings.TrimSpace(name):
		return errors.New("begins or ends with a space")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("holds a control character")
	case strings.Contains(name, ":"): // not from a file, where it ends the name
		return errors.New("holds a colon")
	}
	return nil
}

const (
	hashLength = 60 // $2b$12$ and 53 characters
	hashPrefix = 7
	hint       = "make it anew with `htpasswd -B -C 12 FILE USERNAME`"
)

// checkHash returns the cost of a bcrypt hash. Its whole shape is checked at
// load, so that a torn line is found then and not at somebody's login.
func checkHash(hash string) (int, error) {
	if !isBcrypt(hash) {
		return 0, fmt.Errorf("%s; %s", nameScheme(hash), hint)
	}
	if len(hash) != hashLength || strings.ContainsFunc(hash[hashPrefix:], notBase64) {
		return 0, fmt.Errorf("the bcrypt hash is damaged; %s", hint)
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil {
		return 0, fmt.Errorf("the bcrypt hash is damaged; %s", hint)
	}
	if cost > MaxCost {
		return 0, fmt.Errorf("bcrypt cost %d is over %d and would let a few logins occupy the machine; %s", cost, MaxCost, hint)
	}
	return cost, nil
}

func isBcrypt(hash string) bool {
	return strings.HasPrefix(hash, "$2a$") || strings.HasPrefix(hash, "$2b$") || strings.HasPrefix(hash, "$2y$")
}

func notBase64(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '/':
		return false
	}
	return true
}

// nameScheme tells an administrator what was found instead of bcrypt.
func nameScheme(hash string) string {
	schemes := []struct{ prefix, name string }{
		{"$apr1$", "an MD5 hash"},
		{"$1$", "an MD5 hash"},
		{"{SHA}", "a SHA-1 hash"},
		{"{SSHA}", "a SHA-1 hash"},
		{"$5$", "a SHA-256 crypt hash"},
		{"$6$", "a SHA-512 crypt hash"},
		{"$2x$", "a hash of the broken bcrypt variant $2x$"},
		{"$argon2", "an Argon2 hash"},
	}
	for _, s := range schemes {
		if strings.HasPrefix(hash, s.prefix) {
			return s.name + " is not accepted, only bcrypt"
		}
	}
	if hash == "" {
		return "the hash is missing"
	}
	return "this is no bcrypt hash"
}
