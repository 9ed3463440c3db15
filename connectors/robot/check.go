package robot

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"drawbridge/identity"
)

// Limits on what a robot is made of, in bytes.
const (
	maxName        = 64
	maxOwner       = 256
	maxDescription = 256
	maxCIDRs       = 64
)

// Username returns what a robot of that name logs in as.
func Username(name string) string { return identity.RobotPrefix + name }

// claims reports whether the username is a robot's or wants to be taken for one.
// Directories fold case.
func claims(username string) bool {
	n := len(identity.RobotPrefix)
	return len(username) >= n && strings.EqualFold(username[:n], identity.RobotPrefix)
}

// checkName accepts what stands for itself in a repository's name.
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return invalid("A robot's name has 1 to %d characters.", maxName)
	}
	for i := 0; i < len(name); i++ {
		between := i > 0 && i < len(name)-1 && isAlphanumeric(name[i-1]) && isAlphanumeric(name[i+1])
		if isAlphanumeric(name[i]) || between && strings.IndexByte("._-", name[i]) >= 0 {
			continue
		}
		return invalid("%.100q is no name for a robot: use a-z and 0-9, with single '.', '_' or '-' between them.", name)
	}
	return nil
}

func isAlphanumeric(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// checkOwner accepts a group as policies qualify it. Whether the group exists only
// its directory knows.
func checkOwner(owner string) error {
	connector, group, ok := strings.Cut(owner, "/")
	switch {
	case !ok || connector == "" || group == "":
		return invalid("The owner is a group with its connector, as in corp/payments-leads, and not %.100q.", owner)
	case len(owner) > maxOwner || !printable(owner):
		return invalid("The owner has at most %d bytes of printable text.", maxOwner)
	}
	return nil
}

func checkDescription(text string) error {
	if len(text) > maxDescription || !printable(text) {
		return invalid("The description has at most %d bytes of printable text, on one line.", maxDescription)
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// ParseCIDR reads a network that a robot may come from. It refuses what may mean
// something else than it says: an address without a length, bits behind the length,
// and IPv4 written as IPv6.
func ParseCIDR(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			return netip.Prefix{}, invalid("%s is an address and not a network; write %s/%d.", text, addr, addr.BitLen())
		}
		return netip.Prefix{}, invalid("%.100q is not a network such as 10.0.0.0/8 or 2001:db8::/32.", text)
	}
	switch {
	case prefix.Addr().Is4In6():
		return netip.Prefix{}, invalid("%s is IPv4 in the clothes of IPv6; write it as IPv4, such as 10.0.0.0/8.", text)
	case prefix != prefix.Masked():
		return netip.Prefix{}, invalid("%s has bits behind its length; write %s, or %s/%d for that address alone.",
			text, prefix.Masked(), prefix.Addr(), prefix.Addr().BitLen())
	}
	return prefix, nil
}

func checkCIDRs(cidrs []netip.Prefix) error {
	if len(cidrs) > maxCIDRs {
		return invalid("A robot has at most %d networks.", maxCIDRs)
	}
	for _, cidr := range cidrs {
		if _, err := ParseCIDR(cidr.String()); err != nil {
			return err
		}
	}
	return nil
}

// invalid is the refusal of what somebody asked for.
func invalid(format string, args ...any) error {
	return &identity.Error{Kind: identity.Invalid, Message: fmt.Sprintf(format, args...)}
}
