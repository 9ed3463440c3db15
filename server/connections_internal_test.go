package server

import (
	"io"
	"net"
	"net/http"
	"testing"
)

// Room is made by who has been idle for the longest, and by nobody who is busy again.
func TestTheOldestIdleMakesRoom(t *testing.T) {
	c := newConnections(nil, 1, func(float64) {})
	ours, theirs := map[string]net.Conn{}, map[string]net.Conn{}
	for _, name := range []string{"busy", "oldest", "newer"} {
		ours[name], theirs[name] = net.Pipe()
		c.track(ours[name], http.StateIdle)
	}
	c.track(ours["busy"], http.StateActive)
	c.wait(true)
	if _, err := theirs["oldest"].Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // as the pipe returns it
		t.Errorf("the oldest is not closed: %v", err)
	}
	if len(c.idle) != 1 || c.idle[ours["newer"]] == 0 || c.crowded() {
		t.Errorf("idle: %v, crowded: %v", c.idle, c.crowded())
	}
	c.wait(true)
	c.wait(true)
	c.track(ours["busy"], http.StateIdle)                              // while one waits
	if _, err := theirs["busy"].Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // as the pipe returns it
		t.Errorf("who becomes idle while one waits is not closed: %v", err)
	}
}
