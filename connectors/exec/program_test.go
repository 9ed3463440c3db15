package exec

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	osexec "os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"
)

// TestMain makes the test binary its own program: `TEST helper MODE [ARGS]` is
// what the connectors of these tests run.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "helper" {
		syscall.Exit(helper(os.Args[2], os.Args[3:])) // os.Exit takes a second with the race detector
	}
	os.Exit(m.Run())
}

// helper is a program as an operator may write it, good or bad.
func helper(mode string, args []string) int {
	in := bufio.NewReader(os.Stdin)
	for served := 0; ; served++ {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return 0 // the end of the input is the end of a pooled program
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			return 9
		}
		if code := misbehave(mode, args, r, served); code >= 0 {
			return code
		}
	}
}

// say prints an answer.
func say(id uint64, rest string) { fmt.Printf("{\"version\":1,\"id\":%d,%s}\n", id, rest) }

const helperGrant = `"outcome":"granted","identity":{"name":"alice","groups":["ops","dev","ops"],"mail":"a@example.com","stable_id":"7"}`

// misbehave handles one request; a result that is not negative is the exit code.
func misbehave(mode string, args []string, r request, served int) int {
	switch mode {
	case "say": // the argument, whatever is asked
		say(r.ID, args[0])
	case "raw":
		fmt.Print(args[0])
	case "by-name":
		return byName(r)
	case "hang":
		select {}
	case "ignore-term":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		time.Sleep(time.Hour)
	case "huge":
		_, _ = io.Copy(os.Stdout, endless{})
	case "stderr-flood":
		_, _ = io.Copy(os.Stderr, io.LimitReader(endless{}, 8<<20))
		for i := range 10000 {
			fmt.Fprintln(os.Stderr, "line", i)
		}
		say(r.ID, helperGrant)
	case "leak": // says the password wherever it should not
		quoted, _ := json.Marshal(*r.Password)
		fmt.Fprintf(os.Stderr, "the password is %s, or %s\n", *r.Password, quoted)
		fmt.Fprintln(os.Stderr, strings.Repeat("x", maxLogged-4)+*r.Password)
		fmt.Fprintln(os.Stderr, strings.Repeat("y", maxStderrLine)+*r.Password)
		message, _ := json.Marshal("cannot use " + *r.Password)
		say(r.ID, `"outcome":"unavailable","message":`+string(message))
	case "echo": // an answer that is the request
		line, _ := json.Marshal(r)
		fmt.Println(string(line))
	case "exit":
		say(r.ID, helperGrant)
		code, _ := strconv.Atoi(args[0])
		return code
	case "crash":
		say(r.ID, helperGrant)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "grandchildren", "escape":
		return grandchild(mode == "escape", args[0], r)
	case "twice": // an answer more than was asked for
		fmt.Printf("{\"version\":1,\"id\":%d,%s}\n{\"version\":1,\"id\":%d,%s}\n", r.ID, helperGrant, r.ID+1, helperGrant)
	case "die-after-two":
		say(r.ID, helperGrant)
		if served == 1 {
			return 3
		}
	case "look": // what others could see of this process
		return look(args[0], r)
	}
	return -1
}

// byName answers by the first letter of the username, so that one program can be
// everything under load.
func byName(r request) int {
	switch r.Username[0] {
	case 'g':
		say(r.ID, `"outcome":"granted","identity":{"name":"`+r.Username+`"}`)
	case 'n':
		say(r.ID, `"outcome":"not_mine"`)
	case 'd':
		say(r.ID, `"outcome":"denied","reason":"wrong_password"`)
	case 'h':
		time.Sleep(time.Hour)
	case 'c':
		return 4
	default:
		fmt.Println("garbage")
	}
	return -1
}

// grandchild leaves a sleeping process behind whose ID goes into the file.
func grandchild(escape bool, file string, r request) int {
	cmd := osexec.Command("/bin/sleep", "300")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: escape}
	if err := cmd.Start(); err != nil {
		return 8
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return 8
	}
	say(r.ID, helperGrant)
	return 0
}

// look writes its command line, its environment and its open files.
func look(file string, r request) int {
	cmdline, _ := os.ReadFile("/proc/self/cmdline")
	environ, _ := os.ReadFile("/proc/self/environ")
	var files []string
	for fd := range 64 {
		if target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil && !openedByGo(target) {
			files = append(files, strings.SplitN(target, ":", 2)[0])
		}
	}
	out, _ := json.Marshal(map[string]any{"cmdline": string(cmdline), "environ": string(environ), "files": files})
	if err := os.WriteFile(file, out, 0o600); err != nil {
		return 8
	}
	say(r.ID, helperGrant)
	return -1
}

// openedByGo reports what the runtime of the helper opens by itself.
func openedByGo(target string) bool {
	return strings.HasPrefix(target, "anon_inode") || strings.HasPrefix(target, "/sys/fs/cgroup/") || target == os.DevNull
}

// endless is an infinite line.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// logText collects the log.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// open returns a connector whose program is the helper.
func open(t *testing.T, mode string, timeout time.Duration, helperArgs ...string) (*Connector, *logText) {
	t.Helper()
	return openMeasured(t, nil, mode, timeout, helperArgs...)
}

// openMeasured is open with metrics, nil for none.
func openMeasured(t *testing.T, metrics Metrics, mode string, timeout time.Duration, helperArgs ...string) (*Connector, *logText) {
	t.Helper()
	log := &logText{}
	c, err := New(configs.Connector{
		Name: "hr", Type: configs.TypeExec, Timeout: timeout,
		Exec: configs.Exec{Command: append([]string{os.Args[0], "helper"}, helperArgs...), Mode: mode, PoolSize: 2},
	}, Deps{Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, log
}

func login(username, password string) identity.Credential {
	return identity.Credential{Username: username, Password: identity.NewSecret(password)}
}

// bothModes runs a test in either mode.
func bothModes(t *testing.T, test func(t *testing.T, mode string)) {
	for _, mode := range []string{configs.ExecPerLogin, configs.ExecPooled} {
		t.Run(mode, func(t *testing.T) { test(t, mode) })
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func expect(t *testing.T, got connectors.Outcome, kind connectors.Kind, text string) {
	t.Helper()
	if got.Kind() != kind || !strings.Contains(got.String(), text) {
		t.Errorf("got %s, want %s with %q", got, kind, text)
	}
}
