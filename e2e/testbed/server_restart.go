package testbed

import (
	"context"
	"os/exec"
	"strings"
)

// Restart stops the server, as [Server.Stop] does, and runs the program again in
// the same folder, on the same addresses, until it is ready.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.again()
}

// Kill ends the server at once, as kill -9 does.
func (s *Server) Kill() {
	s.ended = true
	_ = s.cmd.Process.Kill()
	<-s.done
}

// Start runs a server again that was stopped or killed.
func (s *Server) Start() { s.t.Helper(); s.again() }

func (s *Server) again() {
	s.t.Helper()
	old := s.cmd
	s.cmd = exec.CommandContext(context.Background(), old.Path, old.Args[1:]...) // #nosec G204 -- our own program
	s.cmd.Dir = old.Dir
	s.cmd.Env = append(old.Env, // the last one of a name counts
		"DRAWBRIDGE_SERVER_ADDR="+loopback+s.URL[strings.LastIndexByte(s.URL, ':'):],
		"DRAWBRIDGE_SERVER_TELEMETRY_ADDR="+strings.TrimPrefix(s.Telemetry, "http://"))
	s.done, s.ended = make(chan struct{}), false
	s.start()
}
