package testbed

import (
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const loopback = "127.0.0.1"

// RedisOptions says how [StartRedis] starts a server.
type RedisOptions struct {
	// Password is asked of every client; empty means none is.
	Password string
	// TLS makes the server speak TLS only, with a certificate for 127.0.0.1 and
	// localhost: see [Redis.CAFile].
	TLS bool
	// Args are further arguments of redis-server.
	Args []string
}

// Redis is a running redis-server on loopback that keeps nothing on disk. It
// ends with the test.
type Redis struct {
	// Addr is host:port, and stays what it is through [Redis.Restart].
	Addr string
	// CAFile is the PEM certificate of the authority behind the server's.
	CAFile string

	t    testing.TB
	opts RedisOptions
	dir  string
	port int
	run  *process
}

// StartRedis starts a real redis-server on a free port. It fails the test where
// none is installed.
func StartRedis(t testing.TB, opts RedisOptions) *Redis {
	t.Helper()
	r := &Redis{t: t, opts: opts, dir: t.TempDir()}
	if opts.TLS {
		if err := writeTestCertificates(r.dir); err != nil {
			t.Fatalf("make certificates for Redis: %v", err)
		}
		r.CAFile = filepath.Join(r.dir, "ca.pem")
	}
	for attempt := 1; ; attempt++ {
		r.port = freePort(t)
		r.Addr = net.JoinHostPort(loopback, strconv.Itoa(r.port))
		if err := r.start(); err == nil {
			return r
		} else if attempt == 3 {
			t.Fatalf("start redis-server: %v", err)
		}
	}
}

// redisProgram finds a program of Redis's.
func redisProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: run `apt-get install redis-server` or `make tools`", name)
	}
	return path
}

// start runs the server until it accepts connections.
func (r *Redis) start() error {
	r.t.Helper()
	// Not the test's context: it ends before the cleaning up, which stops programs.
	cmd := exec.CommandContext(context.Background(), redisProgram(r.t, "redis-server"), r.args()...) // #nosec G204 -- our arguments
	cmd.Dir = r.dir
	r.run = startProcess(r.t, cmd)
	r.t.Cleanup(r.Resume) // a paused process does not end when it is told to
	return r.run.await("connections are accepted", func() bool {
		return strings.Contains(r.run.out.String(), "Ready to accept connections")
	})
}

func (r *Redis) args() []string {
	port := strconv.Itoa(r.port)
	args := []string{"--bind", loopback, "--save", "", "--appendonly", "no", "--loglevel", "notice"}
	if r.opts.TLS {
		args = append(args, "--port", "0", "--tls-port", port, "--tls-auth-clients", "no",
			"--tls-ca-cert-file", "ca.pem", "--tls-cert-file", "server.pem", "--tls-key-file", "server.key")
	} else {
		args = append(args, "--port", port)
	}
	if r.opts.Password != "" {
		args = append(args, "--requirepass", r.opts.Password, "--masterauth", r.opts.Password)
	}
	return append(args, r.opts.Args...)
}

// URL is the server's address as cache.redis_url has it.
func (r *Redis) URL() string {
	u := url.URL{Scheme: "redis", Host: r.Addr}
	if r.opts.TLS {
		u.Scheme = "rediss"
	}
	if r.opts.Password != "" {
		u.User = url.UserPassword("", r.opts.Password)
	}
	return u.String()
}

// Kill ends the server at once, as kill -9 does, and waits for its end.
func (r *Redis) Kill() {
	r.t.Helper()
	r.run.signal(r.t, syscall.SIGKILL)
	<-r.run.done
}

// Restart starts a server that was killed again: on the same port, and empty.
func (r *Redis) Restart() {
	r.t.Helper()
	if err := r.start(); err != nil {
		r.t.Fatal(err)
	}
}

// Pause stops the process with SIGSTOP: the kernel goes on accepting connections
// and nobody answers them.
func (r *Redis) Pause() { r.run.signal(r.t, syscall.SIGSTOP) }

// Resume ends a pause.
func (r *Redis) Resume() { r.run.signal(r.t, syscall.SIGCONT) }

// CLI runs redis-cli against the server and returns what it prints, without the
// last newline.
func (r *Redis) CLI(args ...string) string {
	r.t.Helper()
	out, err := r.cli(args...)
	if err != nil {
		r.t.Fatalf("redis-cli %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

func (r *Redis) cli(args ...string) (string, error) {
	all := []string{"-h", loopback, "-p", strconv.Itoa(r.port), "--no-auth-warning"}
	if r.opts.TLS {
		all = append(all, "--tls", "--cacert", r.CAFile)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), startPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, redisProgram(r.t, "redis-cli"), append(all, args...)...) // #nosec G204 -- our arguments
	if r.opts.Password != "" {
		cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+r.opts.Password)
	}
	out, err := cmd.CombinedOutput()
	return strings.TrimSuffix(string(out), "\n"), err
}
