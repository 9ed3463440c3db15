package testbed

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// drainPatience is how long the server may take to end after SIGTERM.
const drainPatience = 20 * time.Second

// ServerOptions say what [StartDrawbridge] starts.
type ServerOptions struct {
	// Config is the YAML configuration, without server.addr, telemetry_addr,
	// external_url and data_dir, which the test bed sets. Relative paths in it
	// begin in the folder of Files.
	Config string
	// Files are written before the start, by name: policy.yaml, htpasswd ...
	Files map[string]string
	// Prepare, if set, is called with the folder before the start.
	Prepare func(dir string)
	// Env are further variables, NAME=VALUE: settings that several servers share.
	Env []string
}

// Server is a running `drawbridge serve`, in a folder of its own.
type Server struct {
	// Dir is the working directory, with the files of the options and data_dir,
	// which is "data".
	Dir string
	// URL is https://localhost:PORT, as server.external_url; clients refuse
	// realms that are IP literals. It is http:// where server.tls.mode is off.
	URL string
	// Telemetry is the URL of the telemetry listener.
	Telemetry string
	// CAFile is the self-signed TLS certificate, for clients to trust.
	CAFile string
	// TrustFile is the signing CA, for registries to trust.
	TrustFile string

	t      testing.TB
	cmd    *exec.Cmd
	done   chan struct{} // closed when the program has ended
	stdout output
	stderr output
	ended  bool
}

// StartDrawbridge runs the program and waits until it is ready. When the test
// ends the server must drain and exit with 0, without a word of the race
// detector.
func StartDrawbridge(t testing.TB, opts ServerOptions) *Server {
	t.Helper()
	s := &Server{Dir: t.TempDir(), t: t, done: make(chan struct{})}
	s.CAFile = filepath.Join(s.Dir, "data", "tls", "server.crt")
	s.TrustFile = filepath.Join(s.Dir, "data", "keys", "signing-ca.pem")
	s.WriteFile("drawbridge.yaml", opts.Config)
	for name, content := range opts.Files {
		s.WriteFile(name, content)
	}
	if opts.Prepare != nil {
		opts.Prepare(s.Dir)
	}
	s.cmd = exec.CommandContext(context.Background(), serverProgram(t), "serve", "--config", "drawbridge.yaml") // #nosec G204 -- our own program
	s.cmd.Dir = s.Dir
	// Nothing is inherited: DRAWBRIDGE_* variables would override the file. The
	// port is chosen by the server, so that no two tests can want the same one.
	s.cmd.Env = []string{
		"HOME=" + s.Dir, "PATH=" + os.Getenv("PATH"), "DRAWBRIDGE_DATA_DIR=data",
		"DRAWBRIDGE_SERVER_ADDR=" + loopback + ":0", "DRAWBRIDGE_SERVER_TELEMETRY_ADDR=" + loopback + ":0",
		"DRAWBRIDGE_SERVER_EXTERNAL_URL=https://localhost",
	}
	s.cmd.Env = append(s.cmd.Env, opts.Env...)
	s.start()
	return s
}

// WriteFile puts a file into the server's folder in one step, as an editor or a
// deployment does: the server never reads half of it.
func (s *Server) WriteFile(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) start() {
	s.t.Helper()
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	// A test binary that is killed takes its programs with it.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, done chan<- struct{}) {
		_ = cmd.Wait() // Stop reads the status
		close(done)
	}(s.cmd, s.done)
	s.t.Cleanup(func() {
		s.Stop()
		if s.t.Failed() {
			s.t.Logf("drawbridge logged:\n%s", tail(s.stderr.String()))
		}
	})
	var ready logLine
	s.await("the server listens", func() bool {
		for _, line := range s.Log() {
			if line.Message == "ready" {
				ready = line
			}
		}
		return ready.Addr != ""
	})
	scheme := "https"
	if ready.TLS == "off" {
		scheme = "http"
	}
	if _, port, err := net.SplitHostPort(ready.Addr); err == nil { // of a unix socket there is none
		s.URL = scheme + "://localhost:" + port
	}
	s.Telemetry = "http://" + ready.TelemetryAddr
	s.await("/readyz answers 200", s.Ready)
}

// Stop asks the server to drain, and fails the test unless it ends with 0 and
// the race detector had nothing to say. A server that has crashed before fails
// it, too.
func (s *Server) Stop() {
	s.t.Helper()
	if s.ended {
		return
	}
	s.ended = true
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // one that has ended has its status
	select {
	case <-s.done:
	case <-time.After(drainPatience):
		_ = s.cmd.Process.Kill()
		<-s.done
		s.t.Errorf("drawbridge did not end within %s of SIGTERM", drainPatience)
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("drawbridge ended with %v, want exit code 0", s.cmd.ProcessState)
	}
	if stderr := s.stderr.String(); strings.Contains(stderr, "DATA RACE") {
		s.t.Errorf("the race detector found:\n%s", tail(stderr))
	}
}

// Pid is the process ID of the server.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// await waits for something of the server's and fails the test if it ends, or
// takes too long.
func (s *Server) await(what string, done func() bool) {
	s.t.Helper()
	p := &process{cmd: s.cmd, done: s.done}
	if err := p.await(what, done); err != nil {
		s.t.Fatalf("%v\n%s", err, tail(s.stderr.String()))
	}
}

// Await waits until done reports true, such as for a line in the log.
func (s *Server) Await(what string, done func() bool) { s.t.Helper(); s.await(what, done) }
