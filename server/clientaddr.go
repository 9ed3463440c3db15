package server

import (
	"net/http"
	"net/netip"
	"strings"
)

// ClientAddr returns a function that finds the caller's address. Only a peer
// inside trusted may say whom it forwards for: X-Forwarded-For is then read from
// the right, and the first address that is not a trusted proxy is the caller.
// Everything further left can be written by anyone. Who connects over a unix socket is
// a proxy on this machine, and trusted: the socket's mode says who can.
func ClientAddr(trusted []netip.Prefix) func(*http.Request) string {
	isTrusted := func(addr netip.Addr) bool {
		for _, prefix := range trusted {
			if prefix.Contains(addr) {
				return true
			}
		}
		return false
	}
	return func(r *http.Request) string {
		var addr netip.Addr // of a unix socket there is none
		local := true
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			addr, local = peer.Addr().Unmap(), false
		}
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for i := len(hops) - 1; i >= 0 && (local || isTrusted(addr)); i-- {
			hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
			if err != nil {
				break
			}
			addr, local = hop.Unmap(), false
		}
		if !addr.IsValid() {
			return ""
		}
		return addr.String()
	}
}
