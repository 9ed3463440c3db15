package server

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are who may say for whom they forward a request, and under which ID. Who
// connects over a unix socket is a proxy on this machine, and one of them: the
// socket's mode says who can.
type Proxies []netip.Prefix

// Forwarded reports whether the request came straight from one of them.
func (p Proxies) Forwarded(r *http.Request) bool {
	peer, ok := peerOf(r)
	return !ok || p.trust(peer)
}

// peerOf returns the address of who opened the connection; a unix socket has none.
func peerOf(r *http.Request) (addr netip.Addr, ok bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return peer.Addr().Unmap(), err == nil
}

func (p Proxies) trust(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// ClientAddr returns a function that finds the caller's address. Only a peer
// inside trusted may say whom it forwards for: X-Forwarded-For is then read from
// the right, and the first address that is not a trusted proxy is the caller.
// Everything further left can be written by anyone.
func ClientAddr(trusted Proxies) func(*http.Request) string {
	return func(r *http.Request) string {
		addr, ok := peerOf(r)
		local := !ok
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for i := len(hops) - 1; i >= 0 && (local || trusted.trust(addr)); i-- {
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
