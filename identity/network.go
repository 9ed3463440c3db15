package identity

import (
	"net/netip"
	"strings"
)

// Network is what counts as one caller where an address is limited: the address, and
// of IPv6 its /64, since whoever has one address has all 2^64 of them. What is no
// address is itself.
func Network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if addr = addr.Unmap(); addr.Is4() {
		return addr.String()
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return network.String()
}

// Loopback reports whether a host's name or address means this machine, so that what
// is sent to it crosses no network (RFC 6761 section 6.3).
func Loopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
