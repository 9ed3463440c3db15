package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/server"
)

// peer is one connection of a client.
type peer struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func connect(t *testing.T, addr string) *peer {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &peer{t, conn, bufio.NewReader(conn)}
}

func (p *peer) send(text string) *peer {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Fatal(err)
	}
	return p
}

// get asks, and waits for the answer.
func (p *peer) get() {
	p.t.Helper()
	p.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").answered()
}

func (p *peer) answered() {
	p.t.Helper()
	resp, err := http.ReadResponse(p.in, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

// alive asks, and says whether an answer came.
func (p *peer) alive() bool {
	p.t.Helper()
	_, _ = io.WriteString(p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // the answer tells
	resp, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return true
}

// ended waits until the server has closed the connection, and fails if it never does.
func (p *peer) ended() {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := io.Copy(io.Discard, p.in); err != nil && isTimeout(err) {
		p.t.Errorf("the connection is open (%d bytes came)", n)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // as the reader returns it
	return ok && timeout.Timeout()
}

// Each time that a client may take is kept by itself: the others are an hour.
func TestServeBoundsTimes(t *testing.T) {
	const short, long = 50 * time.Millisecond, time.Hour
	endless := make(chan error, 1)
	for _, tt := range []struct {
		name                          string
		header, request, answer, idle time.Duration
		client                        func(*peer)
	}{
		{"headers", short, long, long, long, func(p *peer) { p.send("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ") }},
		{"a whole request", long, short, long, long, func(p *peer) {
			p.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1")
		}},
		{"an answer", long, long, short, long, func(p *peer) {
			p.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
			if err := <-endless; err == nil {
				p.t.Error("an answer that nobody takes has an end")
			}
		}},
		{"no request", long, long, long, short, func(p *peer) { p.get() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			l, err := (&server.Listeners{}).Listen(ctx, "server.addr", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				done <- server.ServeWithin(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					if r.URL.Path != "/endless" {
						return
					}
					page := make([]byte, 1<<20)
					for err := error(nil); ; {
						if _, err = w.Write(page); err != nil {
							endless <- err
							return
						}
					}
				}), server.Options{Log: slog.New(slog.DiscardHandler)}, tt.header, tt.request, tt.answer, tt.idle)
			}()
			p := connect(t, l.Addr().String())
			tt.client(p)
			p.ended()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// The times that clients have are those of docs/limits.md.
func TestTimesOfThePage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name, is := range server.TimesOfThePage() {
		if !regexp.MustCompile("(?m)^\\| `" + name + "` \\|[^|]*\\| " + strconv.Itoa(int(is.Seconds())) + " s( each)? \\|").Match(page) {
			t.Errorf("docs/limits.md does not have %s for %s", is, name)
		}
	}
}

// Over limits.connections an idle connection makes room, and a busy one is waited for.
func TestServeBoundsConnections(t *testing.T) {
	const most = 2
	release := make(chan struct{})
	var running, open atomic.Int64
	addr, stop := startWith(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			running.Add(1)
			<-release
		}
	}), server.Options{MaxConnections: most, Open: func(change float64) { open.Add(int64(change)) }, Log: slog.New(slog.DiscardHandler)})
	first, second := connect(t, addr), connect(t, addr)
	first.get()
	second.get()
	third := connect(t, addr)
	third.get()
	// One of them made room, the one whose answer the server was done with first.
	kept := first
	if !first.alive() {
		kept = second
		second.get()
	} else if second.alive() {
		t.Error("three connections are open")
	}

	for _, p := range []*peer{kept, third} {
		p.send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	eventually(t, "both are busy", func() bool { return running.Load() == most })
	waiting := connect(t, addr).send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	eventually(t, "no more are open", func() bool { return open.Load() == most })
	// An answer with one waiting ends its connection.
	release <- struct{}{}
	release <- struct{}{}
	waiting.answered()
	eventually(t, "who was answered is gone", func() bool { return open.Load() <= most })

	for i := range most {
		connect(t, addr).send(fmt.Sprintf("GET /busy HTTP/1.1\r\nHost: x%d\r\n\r\n", i))
	}
	eventually(t, "all are busy again", func() bool { return running.Load() == 2*most })
	connect(t, addr) // waits when the server ends
	close(release)
	if err := stop(); err != nil {
		t.Error(err)
	}
	eventually(t, "each one is counted out", func() bool { return open.Load() == 0 })
}

// eventually waits until done reports true.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 3000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it never came to this: %s", what)
}
