package ldap

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLastAddress: while DNS does not answer, a host is reached where it was last;
// one whose name is gone is not, nor one that was never reached.
func TestLastAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	last := l.Addr().String()
	var dialled []string
	var fault error
	h := &host{addr: "dc1.corp.example:636", dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled = append(dialled, addr)
		if addr == "dc1.corp.example:636" {
			if fault != nil {
				return nil, &net.OpError{Op: "dial", Err: fault}
			}
			addr = last
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	check := func(what string, good bool, want ...string) {
		t.Helper()
		dialled = nil
		conn, _, err := h.reach(t.Context(), time.Second)
		if (err == nil) != good {
			t.Errorf("%s: got %v", what, err)
		}
		if err == nil {
			_ = conn.Close()
		}
		if diff := cmp.Diff(want, dialled); diff != "" {
			t.Errorf("%s: dialled (-want +got):\n%s", what, diff)
		}
	}
	outage := &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	fault = outage
	check("never reached", false, h.addr)
	fault = nil
	check("reached", true, h.addr)
	fault = outage
	check("DNS fails", true, h.addr, last)
	check("DNS is left alone", true, last)
	h.last.until = time.Now() // the pause is over
	check("DNS fails still", true, h.addr, last)
	fault = &net.DNSError{Err: "no such host", IsNotFound: true}
	h.last.until = time.Time{}
	check("the name is gone", false, h.addr)
	fault = outage
	check("DNS fails again", true, h.addr, last)
	_ = l.Close()
	check("nobody is there", false, last)
	check("nobody is there, and DNS is asked", false, h.addr, last)
}
