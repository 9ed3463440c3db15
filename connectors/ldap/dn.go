package ldap

import (
	"strings"
	"unicode"
	"unicode/utf8"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// sameDN reports whether two DNs name one entry: parsed and compared without
// regard to case (RFC 4517 section 4.2.15), because a directory may spell a DN
// differently in an entry and in a member attribute. Text that is no DN is equal
// to itself only.
func sameDN(a, b string) bool {
	x, errX := ldap3.ParseDN(a)
	y, errY := ldap3.ParseDN(b)
	if errX != nil || errY != nil {
		return a == b
	}
	return x.EqualFold(y)
}

// dnKey is a map key that is equal for DNs that [sameDN] holds equal, up to
// letters whose case folds to several others: there the keys may differ, which
// costs the walk one more query and never merges two groups.
func dnKey(dn string) string {
	parsed, err := ldap3.ParseDN(dn)
	if err != nil {
		return dn
	}
	for _, rdn := range parsed.RDNs {
		for _, attr := range rdn.Attributes {
			attr.Value = strings.ToLower(attr.Value)
		}
	}
	return parsed.String()
}

// rdnValue returns the value of the attribute in the first component of the DN,
// and false when it is not there or the DN does not parse.
func rdnValue(dn, attr string) (string, bool) {
	parsed, err := ldap3.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 {
		return "", false
	}
	for _, part := range parsed.RDNs[0].Attributes {
		if strings.EqualFold(part.Type, attr) {
			return part.Value, printable(part.Value)
		}
	}
	return "", false
}

// printable reports whether a value of the directory can be a name: text that is
// not empty and holds no control characters. A binary attribute such as
// objectGUID cannot.
func printable(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
