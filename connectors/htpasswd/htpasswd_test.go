package htpasswd

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"
)

var _ interface {
	connectors.Connector
	connectors.Looker
} = (*Connector)(nil)

// hashOf makes a cheap hash, so that tests take milliseconds.
func hashOf(t testing.TB, password string, cost int) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// open makes a connector named local over the two files; groups may be empty.
func open(t testing.TB, users, groups string) (*Connector, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	cfg := configs.Connector{Name: "local", HTPasswd: configs.HTPasswd{File: filepath.Join(dir, "users")}}
	write(t, cfg.HTPasswd.File, users)
	if groups != "" {
		cfg.HTPasswd.GroupsFile = filepath.Join(dir, "groups")
		write(t, cfg.HTPasswd.GroupsFile, groups)
	}
	var log bytes.Buffer
	c, err := Open(cfg, Deps{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return c, &log
}

func login(c *Connector, user, password string) connectors.Outcome {
	return c.Authenticate(context.Background(), identity.Credential{Username: user, Password: identity.NewSecret(password)})
}

func TestAuthenticate(t *testing.T) {
	long := strings.Repeat("x", 72)
	c, log := open(t,
		"alice:"+hashOf(t, "wonderland", 5)+"\n"+
			"jürgen:"+strings.Replace(hashOf(t, "größe", 4), "$2a$", "$2y$", 1)+"\n"+
			"long:"+strings.Replace(hashOf(t, long, 4), "$2a$", "$2b$", 1)+"\n",
		"ops: alice ghost\ndev: alice jürgen\n")
	alice := identity.Identity{Kind: identity.User, Connector: "local", Name: "alice",
		Groups: []string{"dev", "ops"}, Method: identity.MethodPassword}
	juergen := identity.Identity{Kind: identity.User, Connector: "local", Name: "jürgen",
		Groups: []string{"dev"}, Method: identity.MethodPassword}
	longID := identity.Identity{Kind: identity.User, Connector: "local", Name: "long", Method: identity.MethodPassword}
	tests := []struct {
		name, user, password string
		want                 connectors.Outcome
	}{
		{"right", "alice", "wonderland", connectors.Granted(alice)},
		{"right, $2y$ and UTF-8", "jürgen", "größe", connectors.Granted(juergen)},
		{"right, 72 bytes, $2b$", "long", long, connectors.Granted(longID)},
		{"73 bytes of which 72 are right", "long", long + "x", connectors.Denied(connectors.BadPassword)},
		{"wrong", "alice", "Wonderland", connectors.Denied(connectors.WrongPassword)},
		{"somebody else's", "alice", "größe", connectors.Denied(connectors.WrongPassword)},
		{"the hash itself", "alice", hashOf(t, "wonderland", 5), connectors.Denied(connectors.WrongPassword)},
		{"unknown", "mallory", "wonderland", connectors.NotMine()},
		{"unknown, 73 bytes", "mallory", long + "x", connectors.NotMine()},
		{"other case", "Alice", "wonderland", connectors.NotMine()},
		{"only in the group file", "ghost", "wonderland", connectors.NotMine()},
		{"a comment", "# x", "wonderland", connectors.NotMine()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := login(c, tt.user, tt.password)
			if got.Kind() != tt.want.Kind() || got.Reason() != tt.want.Reason() {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			if diff := cmp.Diff(tt.want.Identity(), got.Identity()); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		})
	}
	for _, want := range []string{`user=ghost`, `cost=4`, `line=2`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no warning with %s in:\n%s", want, log)
		}
	}
}

func TestLookup(t *testing.T) {
	c, _ := open(t, "alice:"+hashOf(t, "x", 4), "dev: alice")
	got := c.Lookup(context.Background(), "alice")
	want := identity.Identity{Kind: identity.User, Connector: "local", Name: "alice", Groups: []string{"dev"}}
	if diff := cmp.Diff(want, got.Identity()); got.Kind() != connectors.KindGranted || diff != "" {
		t.Errorf("%v (-want +got):\n%s", got, diff)
	}
	got.Identity().Groups[0] = "changed by a caller"
	if again := c.Lookup(context.Background(), "alice").Identity().Groups[0]; again != "dev" {
		t.Errorf("a caller changed the connector's data to %q", again)
	}
	if got := c.Lookup(context.Background(), "mallory"); got.Kind() != connectors.KindNotMine {
		t.Errorf("unknown: %v", got)
	}
}

// TestEveryRefusalCostsTheSame counts bcrypt rounds instead of measuring time.
func TestEveryRefusalCostsTheSame(t *testing.T) {
	c, _ := open(t, "cheap:"+hashOf(t, "a", 4)+"\nmiddle:"+hashOf(t, "b", 5)+"\ndear:"+hashOf(t, "c", 7), "")
	rounds := 0
	c.compare = func(hash, password []byte) error {
		cost, err := bcrypt.Cost(hash)
		if err != nil {
			t.Errorf("compared a malformed hash: %v", err)
		}
		if len(password) > maxPassword {
			t.Errorf("compared %d bytes", len(password))
		}
		rounds += 1 << cost
		return bcrypt.CompareHashAndPassword(hash, password)
	}
	long := strings.Repeat("x", 100)
	for _, user := range []string{"cheap", "middle", "dear", "unknown"} {
		for _, password := range []string{"wrong", long} {
			rounds = 0
			if got := login(c, user, password); got.Kind() == connectors.KindGranted {
				t.Fatalf("%s: %v", user, got)
			}
			if rounds != 1<<7 {
				t.Errorf("%s with %d bytes: %d rounds, want %d", user, len(password), rounds, 1<<7)
			}
		}
	}
}

// TestDummyIsWellFormed keeps the constant-work promise from failing silently:
// bcrypt returns at once for a hash it cannot read.
func TestDummyIsWellFormed(t *testing.T) {
	c, _ := open(t, "alice:"+hashOf(t, "x", 4), "")
	c.compare = func(hash, password []byte) error {
		if _, err := checkHash(string(hash)); err != nil {
			t.Errorf("dummy: %v", err)
		}
		err := bcrypt.CompareHashAndPassword(hash, password)
		if !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			t.Errorf("dummy answers %v", err)
		}
		return err
	}
	login(c, "unknown", "x")
}

func TestEmptyFile(t *testing.T) {
	c, _ := open(t, "# nobody yet\n", "")
	if got := login(c, "alice", "x"); got.Kind() != connectors.KindNotMine {
		t.Errorf("got %v", got)
	}
}

func TestQueue(t *testing.T) {
	c, _ := open(t, "alice:"+hashOf(t, "x", 4), "")
	entered, release := make(chan struct{}, 64), make(chan struct{})
	c.compare = func(_, _ []byte) error {
		entered <- struct{}{}
		<-release
		return nil
	}
	var wg sync.WaitGroup
	for range cap(c.gate.slots) {
		wg.Go(func() { login(c, "alice", "x") })
		<-entered
	}

	c.gate.wait = time.Millisecond
	if got := login(c, "alice", "x"); got.Kind() != connectors.KindUnavailable || !errors.Is(got.Cause(), errBusy) {
		t.Errorf("a full queue answers %v", got)
	}
	c.gate.wait = time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	got := c.Authenticate(ctx, identity.Credential{Username: "alice", Password: identity.NewSecret("x")})
	if got.Kind() != connectors.KindUnavailable || !errors.Is(got.Cause(), context.Canceled) {
		t.Errorf("a caller who has gone is answered %v", got)
	}
	close(release)
	wg.Wait()
	if got := login(c, "alice", "x"); got.Kind() != connectors.KindGranted {
		t.Errorf("after the flood: %v", got)
	}
}

// TestConnectorsShareAGate: while the checks of one fill it, those of another wait.
func TestConnectorsShareAGate(t *testing.T) {
	one, _ := open(t, "alice:"+hashOf(t, "x", 4), "")
	two, _ := open(t, "alice:"+hashOf(t, "x", 4), "")
	if one.gate == two.gate {
		t.Fatal("connectors that were given none share a gate")
	}
	two.gate = one.gate
	entered, release := make(chan struct{}, 64), make(chan struct{})
	one.compare = func(_, _ []byte) error {
		entered <- struct{}{}
		<-release
		return nil
	}
	var wg sync.WaitGroup
	for range cap(one.gate.slots) {
		wg.Go(func() { login(one, "alice", "x") })
		<-entered
	}
	one.gate.wait = time.Millisecond
	if got := login(two, "alice", "x"); !errors.Is(got.Cause(), errBusy) {
		t.Errorf("the other one answers %v", got)
	}
	close(release)
	wg.Wait()
	if got := login(two, "alice", "x"); got.Kind() != connectors.KindGranted {
		t.Errorf("after the flood: %v", got)
	}
}

func TestOpenFaults(t *testing.T) {
	dir := t.TempDir()
	users, groups := filepath.Join(dir, "users"), filepath.Join(dir, "groups")
	cfg := configs.Connector{Name: "local", HTPasswd: configs.HTPasswd{File: users, GroupsFile: groups}}
	deps := Deps{Log: slog.New(slog.DiscardHandler)}
	if _, err := Open(cfg, deps); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing password file: %v", err)
	}
	write(t, users, "a:x\n")
	if _, err := Open(cfg, deps); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "group file") {
		t.Errorf("missing group file: %v", err)
	}
	write(t, groups, "\nbad line\n")
	_, err := Open(cfg, deps)
	if err == nil {
		t.Fatal("opened")
	}
	for _, want := range []string{"connector local", users + ":1: ", groups + ":2: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %q", want, err)
		}
	}
	if _, ok := errors.AsType[*Faults](err); !ok {
		t.Errorf("%v holds no Faults", err)
	}
}

func TestReload(t *testing.T) {
	c, _ := open(t, "alice:"+hashOf(t, "old", 4), "")
	path := c.file
	for _, broken := range []string{"alice\n", "alice:{SHA}x\n", "alice:" + hashOf(t, "new", 4) + "\nalice:" + hashOf(t, "new", 4)} {
		write(t, path, broken)
		if err := c.Reload(); err == nil {
			t.Fatalf("accepted %q", broken)
		}
		if got := login(c, "alice", "old"); got.Kind() != connectors.KindGranted {
			t.Fatalf("after a failed reload: %v", got)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := c.Reload(); err == nil {
		t.Error("reloaded a missing file")
	}
	write(t, path, "alice:"+hashOf(t, "new", 4))
	if err := c.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := login(c, "alice", "old"); got.Reason() != connectors.WrongPassword {
		t.Errorf("the old password: %v", got)
	}
	if got := login(c, "alice", "new"); got.Kind() != connectors.KindGranted {
		t.Errorf("the new password: %v", got)
	}
}

func TestReloadDuringLogins(t *testing.T) {
	c, _ := open(t, "alice:"+hashOf(t, "x", 4), "dev: alice")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if got := login(c, "alice", "x"); got.Kind() != connectors.KindGranted || len(got.Identity().Groups) != 1 {
					t.Errorf("got %v", got)
				}
			}
		})
	}
	for range 20 {
		if err := c.Reload(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

func TestHash(t *testing.T) {
	hash, err := Hash(identity.NewSecret("wonderland"), MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if cost, err := checkHash(hash); err != nil || cost != MinCost {
		t.Errorf("cost %d, %v", cost, err)
	}
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte("wonderland")); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		password string
		cost     int
	}{{"", 12}, {strings.Repeat("x", 73), 12}, {"x", 9}, {"x", 15}, {"x", 0}} {
		if _, err := Hash(identity.NewSecret(tt.password), tt.cost); err == nil {
			t.Errorf("hashed %d bytes at cost %d", len(tt.password), tt.cost)
		}
	}
}

func TestCreateAdmin(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "htpasswd")
	password, err := CreateAdmin(path, "admin", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if len(password) != 24 || strings.ContainsAny(password, "0O1lIio") {
		t.Errorf("password %q", password)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	c, err := Open(configs.Connector{Name: "local", HTPasswd: configs.HTPasswd{File: path}}, Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if got := login(c, "admin", password); got.Kind() != connectors.KindGranted {
		t.Errorf("login: %v", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}

	before, _ := os.ReadFile(path)
	if _, err := CreateAdmin(path, "admin", rand.Reader); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second call: %v", err)
	}
	if err := writeNew(path, []byte("x")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a race for the name: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the file was replaced")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	for name, err := range map[string]error{
		"bad name":      second(CreateAdmin(filepath.Join(dir, "b"), "a:b", rand.Reader)),
		"no folder":     second(CreateAdmin(filepath.Join(dir, "c", "d"), "admin", rand.Reader)),
		"no randomness": second(CreateAdmin(filepath.Join(dir, "e"), "admin", strings.NewReader("abc"))),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second(_ string, err error) error { return err }

func BenchmarkAuthenticate(b *testing.B) {
	for _, cost := range []int{10, 12} {
		c, _ := open(b, "alice:"+hashOf(b, "x", cost), "dev: alice")
		for _, user := range []string{"alice", "unknown"} {
			b.Run(fmt.Sprintf("cost=%s/%s", strconv.Itoa(cost), user), func(b *testing.B) {
				for b.Loop() {
					login(c, user, "x")
				}
			})
		}
	}
}
