package server

import (
	"errors"
	"net"
	"net/http"
	"sync"
)

// connections is a listener that has so many connections open at most. The next one
// waits, and others behind it in the kernel's queue, until one ends; which is soon:
// meanwhile who is idle is closed, whoever has been so for the longest first, every
// answer closes its connection, and who sends no request is cut off anyway.
type connections struct {
	net.Listener
	slots  chan struct{} // one for each that is open
	ended  chan struct{} // closed with the listener
	ending sync.Once
	gauge  func(change float64)

	mu      sync.Mutex
	waiting bool // one waits for a place, and none is being made
	turn    uint64
	idle    map[net.Conn]uint64 // since which turn
}

// newConnections returns a listener with room for most; gauge is told of each that is
// opened or closed.
func newConnections(l net.Listener, most int, gauge func(float64)) *connections {
	return &connections{
		Listener: l, slots: make(chan struct{}, most), ended: make(chan struct{}), gauge: gauge,
		idle: make(map[net.Conn]uint64),
	}
}

// Accept implements [net.Listener].
func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if len(c.slots) == cap(c.slots) {
		c.wait(true)
		defer c.wait(false)
	}
	select {
	case c.slots <- struct{}{}:
	case <-c.ended:
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	c.gauge(1)
	return &connection{Conn: conn, end: sync.OnceFunc(func() { <-c.slots; c.gauge(-1) })}, nil
}

// Close implements [net.Listener].
func (c *connections) Close() error {
	c.ending.Do(func() { close(c.ended) })
	return c.Listener.Close()
}

// crowded says that a connection waits for a place that nobody makes yet.
func (c *connections) crowded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting
}

// wait begins and ends the time in which a connection waits for a place, and makes one
// if it can.
func (c *connections) wait(begins bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = begins
	if begins {
		c.closeOldest()
	}
}

// track is told what each connection does: see [http.Server.ConnState].
func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state != http.StateIdle {
		delete(c.idle, conn)
		return
	}
	c.turn++
	c.idle[conn] = c.turn
	if c.waiting {
		c.closeOldest()
	}
}

// closeOldest closes the connection that has been idle for the longest, if one is.
func (c *connections) closeOldest() {
	var oldest net.Conn
	for conn, since := range c.idle {
		if oldest == nil || since < c.idle[oldest] {
			oldest = conn
		}
	}
	if oldest != nil {
		delete(c.idle, oldest)
		c.waiting = false                  // that place is enough
		go func() { _ = oldest.Close() }() // over TLS it says goodbye first
	}
}

// connection gives its place back when it is closed.
type connection struct {
	net.Conn
	end func()
}

// Close implements [net.Conn].
func (c *connection) Close() error {
	defer c.end()
	return c.Conn.Close()
}
