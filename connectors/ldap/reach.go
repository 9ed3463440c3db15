package ldap

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// dnsPause is how long a host is reached at its last address without asking DNS,
// after DNS did not answer: or each connection would wait for it.
const dnsPause = 30 * time.Second

// lastAddress is where a host was reached last, for the time in which DNS does not
// answer. The certificate tells whether it is still that host.
type lastAddress struct {
	mu    sync.Mutex
	addr  string // address and port; empty: never reached
	until time.Time
}

// reach opens a TCP connection to the host within the limit, or, when DNS fails, to
// the address of last time within a limit of its own. It also returns when that limit
// ends.
func (h *host) reach(ctx context.Context, limit time.Duration) (net.Conn, time.Time, error) {
	h.last.mu.Lock()
	last, paused := h.last.addr, time.Now().Before(h.last.until)
	h.last.mu.Unlock()
	if !paused {
		sock, end, err := h.dialWithin(ctx, limit, h.addr)
		if dns, ok := errors.AsType[*net.DNSError](err); !ok || dns.IsNotFound || last == "" || ctx.Err() != nil {
			if err == nil {
				h.last.note(sock.RemoteAddr().String(), time.Time{})
			}
			return sock, end, err
		}
		h.last.note(last, time.Now().Add(dnsPause))
	}
	sock, end, err := h.dialWithin(ctx, limit, last)
	if err != nil {
		h.last.note(last, time.Time{}) // it may have moved
	}
	return sock, end, err
}

func (h *host) dialWithin(ctx context.Context, limit time.Duration, addr string) (net.Conn, time.Time, error) {
	end := time.Now().Add(limit)
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	sock, err := h.dial(ctx, "tcp", addr)
	return sock, end, err
}

func (l *lastAddress) note(addr string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addr, l.until = addr, until
}
