package faults

import (
	"bytes"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands between the server and slapd, and does harm.
type proxy struct {
	// delay holds back each piece of an answer.
	delay atomic.Int64
	// resetAfter, when set, cuts a connection whose client sends this text: the
	// request arrives and its answer does not.
	resetAfter atomic.Pointer[string]
	// certificate, when set, makes the proxy speak TLS to its clients.
	certificate atomic.Pointer[tls.Certificate]

	listener net.Listener
	target   string
	cut      atomic.Int64 // connections that were reset
	done     sync.WaitGroup

	mu    sync.Mutex
	open  map[net.Conn]bool
	ended bool
}

// startProxy listens on a port of loopback until the test ends.
func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, open: map[net.Conn]bool{}}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		p.cutAll()
		p.done.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() { p.serve(client.(*net.TCPConn)) })
	}
}

// hold remembers a connection, to close it when the test ends.
func (p *proxy) hold(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	p.open[conn] = true
	return true
}

func (p *proxy) drop(conn net.Conn) {
	_ = conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
}

func (p *proxy) serve(raw *net.TCPConn) {
	defer p.drop(raw)
	if !p.hold(raw) {
		return
	}
	var client net.Conn = raw
	if cert := p.certificate.Load(); cert != nil {
		client = tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12})
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer p.drop(server)
	if !p.hold(server) {
		return
	}
	var answers sync.WaitGroup
	answers.Go(func() { p.answer(raw, client, server) })
	p.ask(raw, client, server)
	_ = server.Close()
	answers.Wait()
}

// ask copies what the client sends.
func (p *proxy) ask(raw *net.TCPConn, client, server net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if n > 0 {
			text := p.resetAfter.Load()
			reset := text != nil && bytes.Contains(buffer[:n], []byte(*text))
			if reset { // first, or the answer may be quicker
				p.cut.Add(1)
				_ = raw.SetLinger(0) // a reset, and no orderly end
				_ = raw.Close()
			}
			if _, err := server.Write(buffer[:n]); err != nil || reset {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// piece is a part of an answer and when it may go on.
type piece struct {
	data []byte
	due  time.Time
}

// answer copies what the server sends, each piece as much later as the delay says.
func (p *proxy) answer(raw *net.TCPConn, client, server net.Conn) {
	pieces := make(chan piece, 1024)
	var written sync.WaitGroup
	written.Go(func() {
		defer func() { _ = raw.Close() }()
		for next := range pieces {
			time.Sleep(time.Until(next.due)) // the fault itself: a slow server
			if _, err := client.Write(next.data); err != nil {
				_ = server.Close() // which ends the loop below
			}
		}
	})
	for {
		buffer := make([]byte, 16<<10)
		n, err := server.Read(buffer)
		if n > 0 {
			pieces <- piece{buffer[:n], time.Now().Add(time.Duration(p.delay.Load()))}
		}
		if err != nil {
			break
		}
	}
	close(pieces)
	written.Wait()
}

// cutAll closes every connection, as a firewall does that forgets them.
func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		_ = conn.Close()
	}
}
