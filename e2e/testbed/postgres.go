package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Postgres is a running PostgreSQL server on loopback with a data directory of
// its own. It ends with the test.
type Postgres struct {
	// Addr is host:port, and stays what it is through [Postgres.Restart].
	Addr string

	t          testing.TB
	bin, dir   string
	port       int
	credential *syscall.Credential
	run        *process
	databases  atomic.Int32
}

// postgresPassword is the superuser's. It has what a URL must escape.
const postgresPassword = "correct horse/battery@staple"

// StartPostgres starts a real PostgreSQL server on a free port. It fails the test
// where none is installed.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	p := &Postgres{t: t, bin: postgresBin(t)}
	// Not t.TempDir: its parent belongs to root alone, and the server refuses to
	// run as root.
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	p.dir = filepath.Join(dir, "data")
	if os.Geteuid() == 0 {
		p.credential = postgresUser(t)
		if err := os.Chown(dir, int(p.credential.Uid), int(p.credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(postgresPassword), 0o644); err != nil { // #nosec G306 -- the server's account reads it
		t.Fatal(err)
	}
	initdb := p.command("initdb", "--pgdata", p.dir, "--username", "postgres", "--pwfile", secret,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	for attempt := 1; ; attempt++ {
		p.port = freePort(t)
		p.Addr = net.JoinHostPort(loopback, strconv.Itoa(p.port))
		if err := p.start(); err == nil {
			return p
		} else if attempt == 3 {
			t.Fatalf("start postgres: %v", err)
		}
	}
}

// postgresBin returns the folder of the newest server's programs.
func postgresBin(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is well-formed
	if len(found) == 0 {
		t.Fatal("PostgreSQL is not installed: run `apt-get install postgresql` or `make tools`")
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b) // 9 before 15
		}
		return strings.Compare(a, b)
	}))
}

// postgresUser is the account that Debian's package makes.
func postgresUser(t testing.TB) *syscall.Credential {
	t.Helper()
	account, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (p *Postgres) command(program string, args ...string) *exec.Cmd {
	// Not the test's context: it ends before the cleaning up, which stops programs.
	cmd := exec.CommandContext(context.Background(), filepath.Join(p.bin, program), args...) // #nosec G204 -- our arguments
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.credential}
	return cmd
}

// start runs the server until it accepts connections.
func (p *Postgres) start() error {
	p.t.Helper()
	// After a kill the server syncs its thousand files one by one, unless told otherwise.
	p.run = startProcess(p.t, p.command("postgres", "-D", p.dir, "-h", loopback, "-p", strconv.Itoa(p.port),
		"-c", "unix_socket_directories=", "-c", "shared_buffers=32MB", "-c", "max_connections=100",
		"-c", "recovery_init_sync_method=syncfs"))
	p.run.quit = syscall.SIGINT // "fast": SIGTERM would wait for the clients
	p.t.Cleanup(p.Resume)       // a paused process does not end when it is told to
	return p.run.await("connections are accepted", func() bool {
		return strings.Contains(p.run.out.String(), "ready to accept connections")
	})
}

// NewDatabase makes an empty database and returns its address as store.url has it.
func (p *Postgres) NewDatabase() string {
	p.t.Helper()
	name := fmt.Sprintf("drawbridge%d", p.databases.Add(1))
	p.SQL("postgres", "CREATE DATABASE "+name)
	return p.URL(name)
}

// URL is the address of a database as store.url has it.
func (p *Postgres) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", Host: p.Addr, User: url.UserPassword("postgres", postgresPassword),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// DatabaseOf returns the name of the database that store.url names.
func DatabaseOf(storeURL string) string {
	name := storeURL[strings.LastIndexByte(storeURL, '/')+1:]
	name, _, _ = strings.Cut(name, "?")
	return name
}

// SQL runs statements in a database with psql and returns the rows, unaligned.
func (p *Postgres) SQL(database, statements string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "psql"), "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", // #nosec G204 -- our arguments
		"-d", p.URL(database), "-c", statements)
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("psql: %v: %s", err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// Stop ends the server in order, its connections first.
func (p *Postgres) Stop() {
	p.t.Helper()
	p.run.terminate()
}

// Kill ends the server at once, as kill -9 does.
func (p *Postgres) Kill() {
	p.t.Helper()
	p.run.signal(p.t, syscall.SIGKILL)
	<-p.run.done
}

// Restart starts a stopped or killed server again, on the same port and data. The
// children of a killed one hold its shared memory until they notice.
func (p *Postgres) Restart() {
	p.t.Helper()
	var err error
	for range 20 {
		if err = p.start(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.t.Fatal(err)
}

// Pause stops the server process with SIGSTOP: open connections are still
// answered by their own processes, new ones are not.
func (p *Postgres) Pause() { p.run.signal(p.t, syscall.SIGSTOP) }

// Resume ends a pause.
func (p *Postgres) Resume() { p.run.signal(p.t, syscall.SIGCONT) }
