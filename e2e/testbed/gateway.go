package testbed

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Gateway is a reverse proxy that stands before a registry: a real nginx or Caddy.
type Gateway struct {
	// Host is localhost:PORT, which the certificate of [Server.CAFile] is for.
	Host string
	// Dir is its own folder; nginx keeps in "temp" what it does not hold in memory.
	Dir string

	proc *process
}

// StartNginx runs nginx with what config returns as the inside of its http block,
// in a single process. config is given the address to listen on and the gateway's
// own folder. It returns when nginx accepts connections.
func StartNginx(t testing.TB, config func(addr, dir string) string) *Gateway {
	t.Helper()
	return startGateway(t, "nginx", "nginx.conf", func(addr, dir string) string {
		user := ""
		if os.Geteuid() == 0 {
			user = "user root;\n" // nobody else can look into the test's folders
		}
		return user + fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr info;
events {}
http {
client_body_temp_path %[1]s/temp/body;
proxy_temp_path %[1]s/temp/proxy;
fastcgi_temp_path %[1]s/temp/fastcgi;
uwsgi_temp_path %[1]s/temp/uwsgi;
scgi_temp_path %[1]s/temp/scgi;
access_log %[1]s/access.log;
%[2]s}
`, dir, config(addr, dir))
	}, func(program, file string) *exec.Cmd {
		return exec.CommandContext(context.Background(), program, "-e", "stderr", "-c", file) // #nosec G204
	})
}

// StartCaddy runs Caddy with the Caddyfile that config returns, without its
// administration endpoint and without asking anybody for certificates.
func StartCaddy(t testing.TB, config func(addr, dir string) string) *Gateway {
	t.Helper()
	return startGateway(t, "caddy", "Caddyfile", func(addr, dir string) string {
		return "{\n\tadmin off\n\tpersist_config off\n\tauto_https disable_redirects\n\tdefault_bind " + loopback + "\n}\n" + config(addr, dir)
	}, func(program, file string) *exec.Cmd {
		return exec.CommandContext(context.Background(), program, "run", "--adapter", "caddyfile", "--config", file) // #nosec G204
	})
}

// StartHAProxy runs HAProxy with the configuration that config returns.
func StartHAProxy(t testing.TB, config func(addr, dir string) string) *Gateway {
	t.Helper()
	return startGateway(t, "haproxy", "haproxy.cfg", config, func(program, file string) *exec.Cmd {
		return exec.CommandContext(context.Background(), program, "-db", "-f", file) // #nosec G204
	})
}

func startGateway(t testing.TB, program, name string, config func(addr, dir string) string, command func(program, file string) *exec.Cmd) *Gateway {
	t.Helper()
	g := &Gateway{Dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(g.Dir, "temp"), 0o700); err != nil {
		t.Fatal(err)
	}
	for attempt := 1; ; attempt++ {
		port := strconv.Itoa(freePort(t))
		addr := net.JoinHostPort(loopback, port)
		g.Host = net.JoinHostPort("localhost", port)
		file := filepath.Join(g.Dir, name)
		if err := os.WriteFile(file, []byte(config(addr, g.Dir)), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := command(Tool(t, program), file)
		cmd.Dir = g.Dir
		cmd.Env = []string{"HOME=" + g.Dir, "XDG_DATA_HOME=" + g.Dir, "XDG_CONFIG_HOME=" + g.Dir, "PATH=" + os.Getenv("PATH")}
		g.proc = startProcess(t, cmd)
		err := g.proc.await("connections are accepted", func() bool {
			conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", addr)
			if err != nil {
				return false
			}
			_ = conn.Close()
			return true
		})
		if err == nil {
			return g
		}
		if attempt == 3 {
			t.Fatal(err)
		}
	}
}

// Pid is the process ID of the gateway.
func (g *Gateway) Pid() int { return g.proc.cmd.Process.Pid }

// Log returns what the gateway printed so far.
func (g *Gateway) Log() string { return g.proc.out.String() }

// PeakMemory is the gateway's largest resident set so far, in bytes.
func (g *Gateway) PeakMemory(t testing.TB) int64 { t.Helper(); return peakMemory(t, g.Pid()) }

// peakMemory is the largest resident set of a process so far, in bytes: proc(5).
func peakMemory(t testing.TB, pid int) int64 {
	t.Helper()
	for line := range strings.Lines(string(readFile(t, fmt.Sprintf("/proc/%d/status", pid)))) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Fatal("/proc/PID/status is not as proc(5) says")
	return 0
}

// TempFiles returns the files below the gateway's temp folder and those it has
// open and unlinked, which is how nginx keeps a body that it buffers.
func (g *Gateway) TempFiles(t testing.TB) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(filepath.Join(g.Dir, "temp"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", g.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if target, err := os.Readlink(fd); err == nil && strings.Contains(target, g.Dir+"/temp/") {
			files = append(files, target)
		}
	}
	return files
}
