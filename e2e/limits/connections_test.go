package limits

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// ended waits until the server has closed the connection.
func ended(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a connection is still open")
	}
}

func readAnswer(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp
}

// Over the limit who is idle makes room for who comes, and nobody is refused.
func connections(t *testing.T) {
	w := start(t, "limits: { connections: 5 }\n")
	var idle []net.Conn
	for range 5 {
		conn := w.dial()
		_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", query)
		if resp := readAnswer(t, conn); resp.StatusCode != http.StatusOK { //nolint:bodyclose // it is
			t.Fatalf("an answer: %s", resp.Status)
		}
		idle = append(idle, conn)
	}
	w.Await("all places are taken", func() bool { return w.Metrics()["drawbridge_http_connections"] == 5 })
	w.serves() // on a sixth
	open := 0
	for _, conn := range idle {
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", query); err != nil {
			continue
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			_ = resp.Body.Close()
			open++
		}
	}
	if open != 4 {
		t.Errorf("%d of the five before it are open, want 4", open)
	}
	if n := w.Metrics()["drawbridge_http_connections"]; n > 5 {
		t.Errorf("%v connections are open", n)
	}
}

// A header of a megabyte is answered and not read.
func headerSize(t *testing.T) {
	w := start(t, "")
	conn := w.dial()
	go func() { // the server does not read all of it
		_, _ = io.WriteString(conn, "GET "+query+" HTTP/1.1\r\nHost: localhost\r\nX-Large: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
	}()
	resp := readAnswer(t, conn) //nolint:bodyclose // it is
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge || !resp.Close {
		t.Errorf("%s, and the connection is closed: %v", resp.Status, resp.Close)
	}
	w.serves()
	// One that is below it is read.
	if is := w.send(request{method: http.MethodGet, path: query, user: "-", header: map[string]string{"X-Large": strings.Repeat("x", 60<<10)}}); is.status != http.StatusOK {
		t.Errorf("60 KiB: %d", is.status)
	}
}

// Three hundred clients that never come to the end of their headers, and as many that
// never begin with TLS: others are answered, and all of them are cut off.
func headerTime(t *testing.T) {
	const each = 150
	w := start(t, "")
	w.serves()
	before := w.PeakMemory()
	var slow []net.Conn
	dialer := net.Dialer{Timeout: patience}
	for range each {
		silent, err := dialer.DialContext(context.Background(), "tcp", strings.TrimPrefix(w.URL, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = silent.Close() })
		half := w.dial()
		if _, err := io.WriteString(half, "GET "+query+" HTTP/1.1\r\nHost: localhost\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, silent, half)
	}
	for range 10 {
		w.serves()
	}
	for _, conn := range slow {
		ended(t, conn)
	}
	w.serves()
	// With the race detector a connection costs several times what it costs without.
	if grown := w.PeakMemory() - before; grown > 128<<20 {
		t.Errorf("%d slow connections took %d MiB", len(slow), grown>>20)
	}
}

// A body that stops in its middle.
func apiBodyTime(t *testing.T) {
	w := start(t, "")
	body, never := io.Pipe()
	defer func() { _ = never.Close() }()
	go func() { _, _ = io.WriteString(never, `{"text": "`) }()
	w.refuses(request{method: http.MethodPost, path: "/api/v1/policy/plan", body: body}, http.StatusRequestTimeout, problemShape, "timeout")
	w.serves()
}
