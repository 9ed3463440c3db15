package robot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/connectors"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

// start is the moment at which the tests begin.
var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// listed is a source of robots that a test can change.
type listed struct {
	robots []Robot
	err    error
	asked  int
}

func (l *listed) Robots(context.Context) ([]Robot, error) {
	l.asked++
	return slices.Clone(l.robots), l.err
}

// made returns a secret and what is stored of it.
func made(t testing.TB, id string) (identity.Secret, Secret) {
	t.Helper()
	text, err := newSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hash, _ := hashOf(text)
	return text, Secret{ID: id, Hash: hash, CreatedAt: start, ExpiresAt: start.Add(time.Hour)}
}

// world is two robots, a moment, and a connector.
type world struct {
	source  *listed
	roster  *Roster
	uses    *Uses
	now     time.Time
	c       *Connector
	secrets map[string]identity.Secret // by ID: ci-old, ci-new, other
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{now: start, secrets: map[string]identity.Secret{}}
	secret := func(id string) Secret {
		text, stored := made(t, id)
		w.secrets[id] = text
		return stored
	}
	old := secret("ci-old")
	old.ExpiresAt = start.Add(time.Minute)
	w.source = &listed{robots: []Robot{
		{Name: "ci", Owner: "corp/leads", ExpiresAt: start.Add(time.Hour), Secrets: []Secret{old, secret("ci-new")}},
		{Name: "other", Owner: "corp/leads", ExpiresAt: start.Add(time.Hour), Secrets: []Secret{secret("other")}},
	}}
	clock := func() time.Time { return w.now }
	w.roster = NewRoster(w.source, clock, quiet())
	w.uses = NewUses(nil, clock, quiet())
	w.c = New(w.roster, w.uses, clock)
	w.load(t)
	return w
}

func (w *world) load(t testing.TB) {
	t.Helper()
	if err := w.roster.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) login(username string, secret identity.Secret) connectors.Outcome {
	cred := identity.Credential{Username: username, Password: secret, Address: "192.0.2.1"}
	return w.c.Authenticate(context.Background(), cred)
}

func TestAuthenticate(t *testing.T) {
	unknown, _ := made(t, "unknown")
	for _, tt := range []struct {
		name     string
		username string
		secret   string // an ID, or the text
		change   func(w *world, ci *Robot)
		want     connectors.Reason // empty: granted
		whom     string
	}{
		{"the new secret", "robot.ci", "ci-new", nil, "", "robot:ci"},
		{"the old one in the overlap", "robot.ci", "ci-old", nil, "", "robot:ci"},
		{"the old one at its last moment", "robot.ci", "ci-old", func(w *world, _ *Robot) { w.now = start.Add(time.Minute - 1) }, "", "robot:ci"},
		{"the old one when the overlap is over", "robot.ci", "ci-old", func(w *world, _ *Robot) { w.now = start.Add(time.Minute) }, connectors.SecretExpired, "robot:ci"},
		{"the new one then", "robot.ci", "ci-new", func(w *world, _ *Robot) { w.now = start.Add(time.Minute) }, "", "robot:ci"},
		{"an expired robot", "robot.ci", "ci-new", func(_ *world, ci *Robot) { ci.ExpiresAt = start }, connectors.AccountExpired, "robot:ci"},
		{"a robot at its last moment", "robot.ci", "ci-new", func(_ *world, ci *Robot) { ci.ExpiresAt = start.Add(1) }, "", "robot:ci"},
		{"a robot whose secret outlives it", "robot.ci", "ci-new", func(w *world, ci *Robot) {
			ci.ExpiresAt, ci.Secrets[1].ExpiresAt, w.now = start.Add(time.Second), start.Add(time.Hour), start.Add(2*time.Second)
		}, connectors.AccountExpired, "robot:ci"},
		{"a disabled robot", "robot.ci", "ci-new", func(_ *world, ci *Robot) { ci.Disabled = true }, connectors.AccountDisabled, "robot:ci"},
		{"from its network", "robot.ci", "ci-new", func(_ *world, ci *Robot) { ci.CIDRs = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }, "", "robot:ci"},
		{"from another network", "robot.ci", "ci-new", func(_ *world, ci *Robot) { ci.CIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }, connectors.AddressRefused, "robot:ci"},
		{"another robot's secret", "robot.ci", "other", nil, connectors.OthersSecret, "robot:ci"},
		{"and the other way round", "robot.other", "ci-new", nil, connectors.OthersSecret, "robot:other"},
		{"a secret that was revoked", "robot.ci", unknown.Reveal(), nil, connectors.UnknownSecret, "robot:ci"},
		{"a typing mistake", "robot.ci", unknown.Reveal()[:56] + "!", nil, connectors.MalformedSecret, "robot:ci"},
		{"a password", "robot.ci", "hunter2", nil, connectors.MalformedSecret, "robot:ci"},
		{"a robot nobody made", "robot.nobody", unknown.Reveal(), nil, connectors.UnknownRobot, ""},
		{"a robot nobody made, with a secret", "robot.nobody", "ci-new", nil, connectors.UnknownRobot, ""},
		{"a person with a robot's secret", "alice", "ci-new", nil, connectors.UnknownRobot, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if tt.change != nil {
				tt.change(w, &w.source.robots[0])
				w.load(t)
			}
			secret, ok := w.secrets[tt.secret]
			if !ok {
				secret = identity.NewSecret(tt.secret)
			}
			got := w.login(tt.username, secret)
			if got.Reason() != tt.want || (got.Kind() == connectors.KindGranted) != (tt.want == "") || got.Whom() != tt.whom {
				t.Fatalf("got %s about %q", got, got.Whom())
			}
			if used := len(w.uses.pending) == 1; used != (tt.want == "") {
				t.Errorf("uses %v", w.uses.pending)
			}
			want := identity.Identity{Kind: identity.Robot, Name: "ci"}
			if diff := cmp.Diff(want, got.Identity()); tt.want == "" && diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever is done to the name of a robot whose secret one has: it is that robot, or
// nobody, and never another connector's business.
func TestNameTricks(t *testing.T) {
	w := newWorld(t)
	for _, username := range []string{
		"robot.", "Robot.ci", "ROBOT.CI", "robot.CI", "rObot.ci", "robot.ci/../other", "robot.x/../ci", "robot.ci\x00", "robot.ci\x00x",
		"robot. ci", "robot.ci ", "robot..ci", "robot.robot.ci", "robot.ci.", "robot.%63i", "robot.ci\n", "robot.*", "robot.c*", "robot.\xff",
		"robot.)(uid=*", "robot.сi" /* a Cyrillic с */, "robot." + strings.Repeat("a", 200),
	} {
		if !w.c.Owns(identity.Credential{Username: username, Password: identity.NewSecret("x")}) {
			t.Errorf("%q is sent to other connectors", username)
		}
		if got := w.login(username, w.secrets["ci-new"]); got.Reason() != connectors.UnknownRobot {
			t.Errorf("%q: %s", username, got)
		}
	}
	// Not in a robot's form; the secret alone keeps them from a directory.
	for _, username := range []string{"robot", "robot:ci", " robot.ci", "ｒobot.ci", "robots.ci", "ci", "corp/robot.ci", "", "admin"} {
		if w.c.Owns(identity.Credential{Username: username, Password: identity.NewSecret("x")}) {
			t.Errorf("%q is taken for a robot", username)
		}
		if !w.c.Owns(identity.Credential{Username: username, Password: w.secrets["ci-new"]}) {
			t.Errorf("the secret of a robot with the name %q is sent to other connectors", username)
		}
		if got := w.login(username, w.secrets["ci-new"]); got.Reason() != connectors.UnknownRobot {
			t.Errorf("%q: %s", username, got)
		}
	}
}

// Not one wrong secret in a thousand locks out the right one from the same address,
// and none of what is refused is remembered.
func TestAFloodLocksNobodyOut(t *testing.T) {
	w := newWorld(t)
	chain := connectors.Cached(connectors.NewChain(connectors.Link{Connector: w.c}), connectors.CachedOptions{
		TTL: 0, FailuresPerMinute: 3, Secret: []byte("0123456789abcdef"), Clock: func() time.Time { return w.now }, Log: quiet(),
	})
	for i := range 1000 {
		wrong, _ := made(t, "wrong")
		cred := identity.Credential{Username: "robot.ci", Password: wrong, Address: "192.0.2.1"}
		if got := chain.Authenticate(t.Context(), cred); got.Reason() != connectors.UnknownSecret || got.RetryAfter != 0 {
			t.Fatalf("attempt %d: %s", i, got.Outcome)
		}
	}
	cred := identity.Credential{Username: "robot.ci", Password: w.secrets["ci-new"], Address: "192.0.2.1"}
	if got := chain.Authenticate(t.Context(), cred); got.Kind() != connectors.KindGranted || got.Connector != ConnectorName {
		t.Errorf("the right secret: %s by %q", got.Outcome, got.Connector)
	}
	if len(w.uses.pending) != 1 {
		t.Errorf("%d uses", len(w.uses.pending))
	}
}

// Before the robots were read once nothing is known of any, and nobody is told that
// a robot or a secret is wrong.
func TestUnavailableUntilRead(t *testing.T) {
	down := &listed{err: errors.New("connection refused")}
	roster := NewRoster(down, time.Now, quiet())
	if err := roster.Load(t.Context()); err == nil {
		t.Fatal("no error")
	}
	c := New(roster, nil, time.Now)
	for _, username := range []string{"robot.ci", "robot.nobody", "Robot.x", "robot."} {
		got := c.Authenticate(t.Context(), identity.Credential{Username: username, Password: identity.NewSecret("x")})
		if got.Kind() != connectors.KindUnavailable || got.Cause() == nil {
			t.Errorf("%s: %s", username, got)
		}
		if got := c.Lookup(t.Context(), username); got.Kind() != connectors.KindUnavailable {
			t.Errorf("lookup of %s: %s", username, got)
		}
	}
}

func TestDescribe(t *testing.T) {
	w := newWorld(t)
	w.source.robots[1].CIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	w.source.robots[1].ExpiresAt = start
	w.load(t)
	for username, want := range map[string]string{
		"robot.ci":     "granted(robot:ci) owner corp/leads, expires 2030-01-02T04:04:05Z, 2 live secrets",
		"robot.other":  "denied(account_expired) owner corp/leads, expires 2030-01-02T03:04:05Z, 1 live secrets, only from 10.0.0.0/8 2001:db8::/32",
		"robot.nobody": "denied(unknown_robot) ",
		"Robot.ci":     "denied(unknown_robot) ",
	} {
		outcome, description := w.c.Describe(t.Context(), username)
		if got := fmt.Sprint(outcome, " ", description.Entry); got != want {
			t.Errorf("%s: %s; want %s", username, got, want)
		}
		if got := w.c.Lookup(t.Context(), username); got.String() != outcome.String() {
			t.Errorf("lookup of %s: %s", username, got)
		}
	}
	if len(w.uses.pending) != 0 {
		t.Error("a lookup counts as a use")
	}
}

// A use has the address that the network has, whatever the socket calls it.
func TestTheAddressOfAUse(t *testing.T) {
	w := newWorld(t)
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "fe80::1%\x1b[2J": "fe80::1", "2001:DB8::1": "2001:db8::1", "": "", "x": "",
	} {
		w.c.Authenticate(t.Context(), identity.Credential{Username: "robot.ci", Password: w.secrets["ci-new"], Address: address})
		if got := w.uses.pending["ci-new"]; got.Address != want || !got.At.Equal(start) {
			t.Errorf("from %q: %+v", address, got)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	w := newWorld(b)
	for i := range 10_000 {
		_, stored := made(b, fmt.Sprint(i))
		w.source.robots = append(w.source.robots, Robot{Name: fmt.Sprintf("r%d", i), ExpiresAt: start.Add(time.Hour), Secrets: []Secret{stored}})
	}
	w.load(b)
	wrong, _ := made(b, "wrong")
	for name, secret := range map[string]identity.Secret{
		"granted": w.secrets["ci-new"], "unknown-secret": wrong, "malformed": identity.NewSecret("hunter2"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.login("robot.ci", secret)
			}
		})
	}
}
