package testbed

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Balancer spreads TCP connections over servers, one after the other, as a
// Service of Kubernetes or a load balancer for TCP does: TLS ends at the servers.
// A server whose /readyz answers anything but 200 gets no new connection, unless
// there is no other; those that it has stay until it closes them. No answer in time
// changes nothing: on a busy machine it does not mean that the server is gone.
type Balancer struct {
	// URL is https://localhost:PORT.
	URL string

	listener net.Listener
	targets  []*target
	next     atomic.Uint32
	mu       sync.Mutex
	open     map[net.Conn]struct{} // nil when the test has ended
}

// target is one server behind the balancer.
type target struct {
	addr, readyz string
	ready        atomic.Bool
}

// healthEvery is the pace of the balancer's probes.
const healthEvery = 50 * time.Millisecond

// StartBalancer spreads connections over the servers until the test ends.
func StartBalancer(t testing.TB, servers ...*Server) *Balancer {
	t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatal(err)
	}
	b := &Balancer{
		URL:      "https://localhost" + portOf(listener.Addr().String()),
		listener: listener, open: map[net.Conn]struct{}{},
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, s := range servers {
		tg := &target{addr: loopback + portOf(s.URL), readyz: s.Telemetry + "/readyz"}
		tg.ready.Store(true)
		b.targets = append(b.targets, tg)
		wg.Go(func() { tg.probe(ctx) })
	}
	wg.Go(func() { b.accept(&wg) })
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		b.closeAll()
		wg.Wait()
	})
	return b
}

// portOf returns the port of an address or URL, with its colon.
func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':'):] }

func (tg *target) probe(ctx context.Context) {
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if ready, err := isReady(ctx, client, tg.readyz); err == nil {
				tg.ready.Store(ready)
			}
		}
	}
}

func isReady(ctx context.Context, client *http.Client, url string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, err
	}
	return resp.StatusCode == http.StatusOK, resp.Body.Close()
}

func (b *Balancer) accept(wg *sync.WaitGroup) {
	for {
		client, err := b.listener.Accept()
		if err != nil {
			return
		}
		wg.Go(func() { b.serve(client) })
	}
}

// serve connects a client with the next server that is ready.
func (b *Balancer) serve(client net.Conn) {
	if !b.hold(client) {
		return
	}
	defer b.release(client)
	var dialer net.Dialer
	for _, tg := range b.order() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		server, err := dialer.DialContext(ctx, "tcp", tg.addr)
		cancel()
		if err != nil {
			continue
		}
		if b.hold(server) {
			join(client, server)
			b.release(server)
		}
		return
	}
}

// order returns the servers to try, those that are not ready last.
func (b *Balancer) order() []*target {
	first := int(b.next.Add(1)) % len(b.targets)
	var ready, others []*target
	for i := range b.targets {
		if tg := b.targets[(first+i)%len(b.targets)]; tg.ready.Load() {
			ready = append(ready, tg)
		} else {
			others = append(others, tg)
		}
	}
	return append(ready, others...)
}

// join copies in both directions until both have ended.
func join(client, server net.Conn) {
	var wg sync.WaitGroup
	oneWay := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		if tcp, ok := to.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
	}
	wg.Go(func() { oneWay(server, client) })
	wg.Go(func() { oneWay(client, server) })
	wg.Wait()
}

func (b *Balancer) hold(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		_ = conn.Close()
		return false
	}
	b.open[conn] = struct{}{}
	return true
}

func (b *Balancer) release(conn net.Conn) {
	_ = conn.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, conn)
}

func (b *Balancer) closeAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for conn := range b.open {
		_ = conn.Close()
	}
	b.open = nil
}
