package testbed

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// Link is a TCP connection to something that can be cut, for one of several
// servers to lose what the others still reach.
type Link struct {
	// Addr is host:port, where the target is reached while the link holds.
	Addr string

	listener net.Listener
	target   string
	mu       sync.Mutex
	open     map[net.Conn]struct{}
	cut      bool
}

// StartLink leads to the target until the test ends.
func StartLink(t testing.TB, target string) *Link {
	t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{Addr: listener.Addr().String(), listener: listener, target: target, open: map[net.Conn]struct{}{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { l.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		l.Cut()
		wg.Wait()
	})
	return l
}

// Cut ends every connection, and each new one at once.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for conn := range l.open {
		_ = conn.Close()
	}
}

// Mend takes connections again.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
}

func (l *Link) serve(client net.Conn) {
	defer l.release(client)
	if !l.hold(client) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var dialer net.Dialer
	server, err := dialer.DialContext(ctx, "tcp", l.target)
	if err != nil {
		return
	}
	defer l.release(server)
	if l.hold(server) {
		join(client, server)
	}
}

func (l *Link) hold(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.cut {
		l.open[conn] = struct{}{}
	}
	return !l.cut
}

func (l *Link) release(conn net.Conn) {
	_ = conn.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, conn)
}
