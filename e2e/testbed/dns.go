package testbed

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS is a name server on loopback, over UDP and TCP, with the records a test gives
// it and no others. It ends with the test.
type DNS struct {
	t    testing.TB
	addr string

	mu        sync.Mutex
	conn      net.PacketConn // nil while stopped
	listener  net.Listener
	records   map[string][]dnsmessage.ResourceBody
	questions map[string]int
}

// StartDNS starts a name server without records.
func StartDNS(t testing.TB) *DNS {
	t.Helper()
	d := &DNS{t: t, addr: loopback + ":0", records: map[string][]dnsmessage.ResourceBody{}, questions: map[string]int{}}
	d.Start()
	t.Cleanup(d.Stop)
	return d
}

// Addr is host:port of the name server.
func (d *DNS) Addr() string { return d.addr }

// Start listens, again on the port it had.
func (d *DNS) Start() {
	d.t.Helper()
	conn, listener, err := listenDNS(d.addr)
	for range 20 {
		// The first time any port does, if it is free for TCP, too.
		if err != nil {
			time.Sleep(pollEvery)
			conn, listener, err = listenDNS(d.addr)
		}
	}
	if err != nil {
		d.t.Fatalf("start the name server: %v", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn, d.listener, d.addr = conn, listener, conn.LocalAddr().String()
	go d.serve(conn)
	go d.serveTCP(listener)
}

// listenDNS listens on one port for UDP and TCP.
func listenDNS(addr string) (net.PacketConn, net.Listener, error) {
	conn, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp", addr)
	if err != nil {
		return nil, nil, err
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", conn.LocalAddr().String())
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, listener, nil
}

// Stop closes the port. It may be stopped already.
func (d *DNS) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		_ = d.conn.Close() // closing cannot fail in a way that matters to a test
		d.conn = nil
		if d.listener != nil {
			_ = d.listener.Close()
			d.listener = nil
		}
	}
}

// Resolver asks this server and no other.
func (d *DNS) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", d.addr)
	}}
}

// SetSRV replaces the SRV records of a name such as _ldap._tcp.corp.example.
func (d *DNS) SetSRV(name string, records ...net.SRV) {
	d.t.Helper()
	bodies := []dnsmessage.ResourceBody{}
	for _, r := range records {
		bodies = append(bodies, &dnsmessage.SRVResource{Priority: r.Priority, Weight: r.Weight, Port: r.Port, Target: d.dnsName(r.Target)})
	}
	d.set(name, bodies)
}

// SetAddress replaces the address of a host.
func (d *DNS) SetAddress(name string, ip netip.Addr) {
	d.t.Helper()
	d.set(name, []dnsmessage.ResourceBody{&dnsmessage.AResource{A: ip.As4()}})
}

// Questions counts the questions for a name.
func (d *DNS) Questions(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.questions[rooted(name)]
}

func (d *DNS) set(name string, bodies []dnsmessage.ResourceBody) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records[rooted(name)] = bodies
}

// rooted is the name as questions have it.
func rooted(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) + "." }

func (d *DNS) dnsName(name string) dnsmessage.Name {
	d.t.Helper()
	n, err := dnsmessage.NewName(rooted(name))
	if err != nil {
		d.t.Fatalf("%q: %v", name, err)
	}
	return n
}

// serve answers until the port is closed.
func (d *DNS) serve(conn net.PacketConn) {
	buf := make([]byte, 1232)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if query.Unpack(buf[:n]) != nil || len(query.Questions) != 1 {
			continue
		}
		answer := d.answer(query)
		if out, err := answer.Pack(); err == nil {
			_, _ = conn.WriteTo(out, from) // a lost answer is part of UDP
		}
	}
}

// serveTCP answers one question of each connection (RFC 7766 section 8 has the
// length before each message).
func (d *DNS) serveTCP(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			var length uint16
			if binary.Read(conn, binary.BigEndian, &length) != nil {
				return
			}
			data := make([]byte, length)
			var query dnsmessage.Message
			if _, err := io.ReadFull(conn, data); err != nil || query.Unpack(data) != nil || len(query.Questions) != 1 {
				return
			}
			answer := d.answer(query)
			if out, err := answer.AppendPack(make([]byte, 2)); err == nil {
				binary.BigEndian.PutUint16(out, uint16(len(out)-2)) //nolint:gosec // a few records
				_, _ = conn.Write(out)
			}
		}()
	}
}

func (d *DNS) answer(query dnsmessage.Message) dnsmessage.Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := query.Questions[0]
	name := rooted(q.Name.String())
	d.questions[name]++
	a := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionDesired: query.RecursionDesired},
		Questions: query.Questions,
	}
	bodies, known := d.records[name]
	if !known {
		a.RCode = dnsmessage.RCodeNameError
		return a
	}
	for _, body := range bodies {
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 600}, Body: body}
		if _, srv := body.(*dnsmessage.SRVResource); srv == (q.Type == dnsmessage.TypeSRV) && q.Type != dnsmessage.TypeAAAA {
			a.Answers = append(a.Answers, r)
		}
	}
	return a
}
