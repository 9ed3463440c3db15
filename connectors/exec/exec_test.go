package exec

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

func TestOutcomes(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		for says, want := range map[string]connectors.Outcome{
			helperGrant: connectors.Granted(identity.Identity{
				Kind: identity.User, Connector: "hr", Name: "alice", Groups: []string{"dev", "ops"},
				Mail: "a@example.com", StableID: "7", Method: identity.MethodPassword,
			}),
			`"outcome":"not_mine"`:                            connectors.NotMine(),
			`"outcome":"denied","reason":"account_locked"`:    connectors.Denied(connectors.AccountLocked),
			`"outcome":"unavailable","message":"no database"`: connectors.Unavailable(errors.New("the program says unavailable: no database")),
			`"outcome":"unavailable"`:                         connectors.Unavailable(errors.New("the program says unavailable")),
			`"outcome":"misconfigured","message":"bad\nkey"`:  connectors.Misconfigured(errors.New("the program says misconfigured: bad key")),
		} {
			c, _ := open(t, mode, 5*time.Second, "say", says)
			for range 2 { // a pooled process is there for more than one
				got := c.Authenticate(t.Context(), login("alice", "secret"))
				if got.String() != want.String() {
					t.Errorf("%s: got %s", says, got)
				}
				if diff := cmp.Diff(want.Identity(), got.Identity()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		}
	})
}

func TestLookup(t *testing.T) {
	c, _ := open(t, configs.ExecPooled, 5*time.Second, "by-name")
	l := Looker{c}
	got := l.Lookup(t.Context(), "gina")
	expect(t, got, connectors.KindGranted, "hr/gina")
	if got.Identity().Method != identity.MethodNone {
		t.Errorf("a lookup proves nothing, yet the method is %q", got.Identity().Method)
	}
	expect(t, l.Lookup(t.Context(), "nobody"), connectors.KindNotMine, "")
	expect(t, l.Lookup(t.Context(), "dora"), connectors.KindUnavailable, "lookup")
	if _, is := any(c).(connectors.Looker); is {
		t.Error("a connector without lookup: true has the ability")
	}
}

// Every way in which a program fails is Unavailable: never a grant, and never a
// wrong password.
func TestFaultsFailClosed(t *testing.T) {
	const pooledOnly, perLoginOnly = "pooled", "per_login"
	for _, tt := range []struct {
		name, only string
		args       []string
		want       string
	}{
		{"hang", "", []string{"hang"}, "no answer within"},
		{"ignores SIGTERM", "", []string{"ignore-term"}, "no answer within"},
		{"huge output", "", []string{"huge"}, "over 1048576 bytes"},
		{"garbage", "", []string{"raw", "Segmentation fault\n"}, "not a JSON object"},
		{"grant in prose", "", []string{"raw", "granted\n"}, "not a JSON object"},
		{"silent success", perLoginOnly, []string{"silent"}, "not a JSON object"},
		{"silent", pooledOnly, []string{"silent"}, "no answer within"},
		{"no newline", pooledOnly, []string{"raw", `{"version":1,"id":1,"outcome":"not_mine"}`}, "no answer within"},
		{"partial JSON", perLoginOnly, []string{"raw", `{"version":1,"id":1,"outcome":"granted","identity":{"name":"a"}`}, "not JSON"},
		{"another id", "", []string{"raw", `{"version":1,"id":99,"outcome":"granted","identity":{"name":"a"}}` + "\n"}, "another request"},
		{"another version", "", []string{"raw", `{"version":9,"id":1,"outcome":"granted","identity":{"name":"a"}}` + "\n"}, "version is 9"},
		{"an echo", "", []string{"echo"}, "does not know"},
		{"two answers", "", []string{"twice"}, ""},
		{"grant and exit code 1", perLoginOnly, []string{"exit", "1"}, "exit status 1"},
		{"grant and exit code 137", perLoginOnly, []string{"exit", "137"}, "exit status 137"},
		{"grant and SIGKILL", perLoginOnly, []string{"crash"}, "killed"},
	} {
		bothModes(t, func(t *testing.T, mode string) {
			if tt.only != "" && tt.only != mode {
				return
			}
			t.Run(tt.name, func(t *testing.T) {
				timeout := 5 * time.Second
				if strings.Contains(tt.want, "no answer") {
					timeout = time.Second
				}
				c, _ := open(t, mode, timeout, tt.args...)
				start := time.Now()
				got := c.Authenticate(t.Context(), login("alice", "hunter2-hunter2"))
				expect(t, got, connectors.KindUnavailable, tt.want)
				if took := time.Since(start); took > timeout+time.Second {
					t.Errorf("it took %s", took)
				}
				if strings.Contains(got.String(), "hunter2") {
					t.Errorf("the password is in %s", got)
				}
			})
		})
	}
}

func TestAPooledProcessThatEndsMidLine(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	p := newProcessReader(r)
	_, _ = w.WriteString(`{"version":1,`)
	_ = w.Close()
	if line, err := p.readLine(time.Now().Add(time.Second)); !errors.Is(err, errAnswer) {
		t.Errorf("got %q, %v", line, err)
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		program := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		cfg := configs.Connector{Name: "hr", Timeout: time.Second, Exec: configs.Exec{Command: []string{program}, Mode: mode, PoolSize: 1}}
		c, err := New(cfg, Deps{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if err := os.Remove(program); err != nil {
			t.Fatal(err)
		}
		eventually(t, "misconfigured", func() bool {
			return c.Authenticate(t.Context(), login("alice", "x")).Kind() == connectors.KindMisconfigured
		})
		if _, err := New(cfg, Deps{Log: slog.New(slog.DiscardHandler)}); err == nil {
			t.Error("a connector was made for a program that is not there")
		}
	})
}

// What others can see of a process: /proc/PID/cmdline is readable by everybody.
func TestThePasswordIsInNoArgumentAndNoVariable(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		t.Setenv("DRAWBRIDGE_STORE_URL", "postgres://u:store-secret@h")
		t.Setenv("HR_TOKEN", "let-me-in")
		t.Setenv("OTHER", "not-for-you")
		file := filepath.Join(t.TempDir(), "seen")
		c, err := New(configs.Connector{Name: "hr", Exec: configs.Exec{
			Command: []string{os.Args[0], "helper", "look", file}, Mode: mode, PoolSize: 1,
			Env: []string{"HR_TOKEN", "DRAWBRIDGE_STORE_URL", "NOT_SET"},
		}}, Deps{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		expect(t, c.Authenticate(t.Context(), login("alice", "hunter2")), connectors.KindGranted, "hr/alice")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "alice") {
			t.Errorf("the credential is in %s", text)
		}
		var seen struct {
			Environ string
			Files   []string
		}
		if err := json.Unmarshal(text, &seen); err != nil {
			t.Fatal(err)
		}
		if want := searchPath + "\x00HR_TOKEN=let-me-in\x00"; seen.Environ != want {
			t.Errorf("the environment is %q, want %q", seen.Environ, want)
		}
		if diff := cmp.Diff([]string{"pipe", "pipe", "pipe"}, seen.Files); diff != "" {
			t.Errorf("open files (-want +got):\n%s", diff)
		}
	})
}

func TestThePasswordNeverReachesTheLog(t *testing.T) {
	for _, password := range []string{
		"hunter2", `qu"o\te<&>`, "two\nlines", "ünïcödé", "sp ace", strings.Repeat("long", 300), "x1\u2028y2",
	} {
		bothModes(t, func(t *testing.T, mode string) {
			c, log := open(t, mode, 5*time.Second, "leak")
			got := c.Authenticate(t.Context(), login("alice", password))
			expect(t, got, connectors.KindUnavailable, "cannot use")
			if err := c.Close(); err != nil { // all of standard error is in the log now
				t.Fatal(err)
			}
			for _, part := range strings.FieldsFunc(password, func(r rune) bool { return r == '\n' }) {
				quoted, _ := json.Marshal(part)
				for _, where := range []string{log.String(), got.String()} {
					if strings.Contains(where, part) || strings.Contains(where, strings.Trim(string(quoted), `"`)) {
						t.Errorf("%q is in %s", part, where)
					}
				}
			}
			if !strings.Contains(log.String(), redacted) || !strings.Contains(log.String(), "too long to be logged") {
				t.Errorf("the log says\n%s", log)
			}
			// Half a password is one, too: the second line has it across the cut.
			if head := password[:min(len(password), 4)]; password == "hunter2" && strings.Contains(log.String(), head) {
				t.Errorf("%q is in %s", head, log)
			}
		})
	}
}

func TestAFloodOnStandardErrorIsBounded(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		c, log := open(t, mode, 10*time.Second, "stderr-flood")
		expect(t, c.Authenticate(t.Context(), login("alice", "secret")), connectors.KindGranted, "")
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		text := log.String()
		if lines := strings.Count(text, "\n"); lines > maxLines+2 || len(text) > 64<<10 || !strings.Contains(text, "more to its standard error") {
			t.Errorf("%d lines, %d bytes:\n%.2000s", lines, len(text), text)
		}
	})
}

// A caller who goes away is answered at once; the connector goes on.
func TestACallerWhoGoesAway(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		c, _ := open(t, mode, 5*time.Second, "by-name")
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(50*time.Millisecond, cancel).Stop()
		start := time.Now()
		expect(t, c.Authenticate(ctx, login("hang", "x")), connectors.KindUnavailable, "context canceled")
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("it took %s", took)
		}
		expect(t, c.Authenticate(t.Context(), login("gina", "x")), connectors.KindGranted, "gina")
	})
}

func TestAfterClose(t *testing.T) {
	bothModes(t, func(t *testing.T, mode string) {
		c, _ := open(t, mode, time.Second, "by-name")
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		expect(t, c.Authenticate(t.Context(), login("gina", "x")), connectors.KindUnavailable, "closed")
	})
}
