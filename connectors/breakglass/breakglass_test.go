package breakglass_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/connectors"
	"drawbridge/connectors/breakglass"
	"drawbridge/connectors/measure/measuretest"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// world is a store, a clock and a connector.
type world struct {
	t      *testing.T
	now    time.Time
	stored breakglass.Arming
	down   bool
	asked  int
	events []audit.Event
	log    bytes.Buffer
	watch  *breakglass.Watch
	conn   *breakglass.Connector
}

var errDown = errors.New("connection refused")

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	w.watch = breakglass.NewWatch(w, func() time.Time { return w.now }, w, slog.New(slog.NewTextHandler(&w.log, nil)))
	w.conn = breakglass.New(w.watch)
	return w
}

// BreakGlass implements [breakglass.Source].
func (w *world) BreakGlass(context.Context) (breakglass.Arming, bool, error) {
	w.asked++
	if w.down {
		return breakglass.Arming{}, false, errDown
	}
	return w.stored, w.stored.ID != "", nil
}

// Record implements [breakglass.Recorder].
func (w *world) Record(e audit.Event) { w.events = append(w.events, e) }

// arm arms for 30 minutes and returns the password.
func (w *world) arm() string {
	w.t.Helper()
	a, secret, err := breakglass.Arm(w.now, 30*time.Minute, "cli:root", "LDAP is down", rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	w.stored = a
	w.load()
	return secret.Reveal()
}

func (w *world) load() {
	w.t.Helper()
	if err := w.watch.Load(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// login returns granted, or why not.
func (w *world) login(username, password string) string {
	w.t.Helper()
	outcome := w.conn.Authenticate(w.t.Context(), identity.Credential{
		Username: username, Password: identity.NewSecret(password), Address: "192.0.2.7",
	})
	if outcome.Kind() == connectors.KindDenied {
		return string(outcome.Reason())
	}
	if outcome.Kind() == connectors.KindGranted && outcome.Identity().Kind != identity.BreakGlass {
		w.t.Errorf("granted to %+v", outcome.Identity())
	}
	return outcome.Kind().String()
}

func (w *world) want(what, got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestOnlyTheArmedPassword(t *testing.T) {
	w := newWorld(t)
	w.want("not loaded", w.login("breakglass", "dbglass_x"), "not_armed")
	w.load()
	w.want("never armed", w.login("breakglass", "dbglass_x"), "not_armed")
	w.want("the empty password", w.login("breakglass", ""), "not_armed")
	first := w.arm()
	asked := w.asked
	w.want("a wrong password", w.login("breakglass", first+"x"), "wrong_password")
	w.want("another name", w.login("alice", first), "unknown_user_or_wrong_password")
	w.want("another spelling", w.login("BreakGlass", first), "unknown_user_or_wrong_password")
	if w.asked != asked {
		t.Error("a guess is a question to the store")
	}
	w.want("the password", w.login("breakglass", first), "granted")
	second := w.arm()
	w.want("the one before", w.login("breakglass", first), "wrong_password")
	w.want("the new one", w.login("breakglass", second), "granted")
}

func TestItEnds(t *testing.T) {
	w := newWorld(t)
	password := w.arm()
	w.now = w.stored.ExpiresAt.Add(-time.Millisecond)
	w.want("in its last moment", w.login("breakglass", password), "granted")
	w.now = w.stored.ExpiresAt
	w.want("after it", w.login("breakglass", password), "not_armed")

	// An end that this process has not heard of yet is an end.
	password = w.arm()
	w.stored.EndedAt, w.stored.EndedBy = w.now, "cli:root"
	w.want("ended elsewhere", w.login("breakglass", password), "not_armed")
	w.load()
	w.want("ended", w.login("breakglass", password), "not_armed")

	password = w.arm()
	w.down = true
	w.want("no store", w.login("breakglass", password), "unavailable")
	w.down = false
	w.want("the store is back", w.login("breakglass", password), "granted")
}

// What nobody can have armed with the command is not honoured.
func TestForgedArmings(t *testing.T) {
	for name, edit := range map[string]func(*breakglass.Arming){
		"too long":      func(a *breakglass.Arming) { a.ExpiresAt = a.ArmedAt.Add(breakglass.MaxFor + time.Second) },
		"of the future": func(a *breakglass.Arming) { a.ArmedAt = a.ArmedAt.Add(10 * time.Minute) },
		"no ID":         func(a *breakglass.Arming) { a.ID = "" },
		"no hash":       func(a *breakglass.Arming) { a.Hash = [sha256.Size]byte{} },
	} {
		w := newWorld(t)
		password := w.arm()
		edit(&w.stored)
		w.load()
		if got := w.login("breakglass", password); got != "not_armed" && got != "wrong_password" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestArmRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		howLong time.Duration
		reason  string
	}{
		"too short": {time.Second, "x"}, "too long": {breakglass.MaxFor + 1, "x"}, "negative": {-time.Hour, "x"},
		"no reason": {time.Hour, " "}, "two lines": {time.Hour, "a\nb"}, "long": {time.Hour, strings.Repeat("x", 600)},
	} {
		if _, _, err := breakglass.Arm(time.Now(), tt.howLong, "cli:root", tt.reason, rand.Reader); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, _, err := breakglass.Arm(time.Now(), time.Hour, "cli:root", "x", strings.NewReader("too short")); err == nil {
		t.Error("a password is made without randomness")
	}
}

// Its name and its passwords are shown to no directory, armed or not.
func TestOwns(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		username, password string
		want               bool
	}{
		"its name": {"breakglass", "x", true}, "in capitals": {"BREAKGLASS", "x", true},
		"its password": {"alice", "dbglass_x", true}, "somebody": {"alice", "x", false}, "a longer name": {"breakglass2", "x", false},
	} {
		if got := w.conn.Owns(identity.Credential{Username: tt.username, Password: identity.NewSecret(tt.password)}); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A registry grants it nothing that it does not grant everybody, whatever the policy
// says.
func TestItIsNobodyToAPolicy(t *testing.T) {
	document, err := authz.Parse("policy", []byte(`
bindings:
  - { name: all, role: maintainer, subjects: [authenticated, "user:breakglass/breakglass", "user:*/breakglass"], repositories: ["**"] }
  - { name: admins, role: policy-admin, subjects: [authenticated] }
`))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := document.Compile(authz.Options{})
	if err != nil {
		t.Fatal(err)
	}
	subject := policy.Subject(breakglass.Identity())
	if got := policy.Capabilities(&subject, time.Now()); got != 0 {
		t.Errorf("the policy gives it %v", got.Names())
	}
}

func TestItIsLoud(t *testing.T) {
	w := newWorld(t)
	registry := prometheus.NewRegistry()
	w.watch.Register(registry)
	gauge := func() float64 { return measuretest.Series(t, registry, "drawbridge_")["break_glass_armed"] }
	if gauge() != 0 {
		t.Error("the metric says that it is armed")
	}
	password := w.arm()
	if gauge() != 1 {
		t.Error("the metric does not say that it is armed")
	}
	w.load() // twice is said once
	w.login("breakglass", password)
	w.stored.EndedAt, w.stored.EndedBy = w.now, "cli:eve"
	w.load()
	w.arm()
	w.now = w.now.Add(time.Hour)
	w.down = true // also while the store is away
	_ = w.watch.Load(t.Context())
	if gauge() != 0 {
		t.Error("the metric says that it is still armed")
	}
	var got []string
	for _, e := range w.events {
		got = append(got, strings.Join([]string{string(e.Action), e.Reason, e.User, e.Target, e.Note, e.SourceIP}, " "))
	}
	want := []string{
		"breakglass_armed  cli:root breakglass/breakglass LDAP is down ",
		"breakglass_used  breakglass/breakglass cli:root LDAP is down 192.0.2.7",
		"breakglass_ended disarmed cli:eve breakglass/breakglass LDAP is down ",
		"breakglass_armed  cli:root breakglass/breakglass LDAP is down ",
		"breakglass_ended expired cli:root breakglass/breakglass LDAP is down ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(w.log.String(), "level=WARN"); n != len(want) {
		t.Errorf("%d warnings:\n%s", n, w.log.String())
	}
	if strings.Contains(w.log.String(), password) {
		t.Error("the password is in the log")
	}
}

// Run learns of an arming from the feed, and of its end by the clock.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.watch = breakglass.NewWatch(w, time.Now, w, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.watch.Run(ctx); close(done) }()
		synctest.Wait()
		a, _, err := breakglass.Arm(time.Now(), 30*time.Minute, "cli:root", "why", rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		w.stored = a
		w.watch.Changed()
		synctest.Wait()
		if got, ok := w.watch.Armed(); !ok || got.ID != a.ID {
			t.Error("it is not known that it is armed")
		}
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if len(w.events) != 2 || w.events[1].Action != audit.BreakglassEnded {
			t.Errorf("%+v", w.events)
		}
		cancel()
		<-done
	})
}
