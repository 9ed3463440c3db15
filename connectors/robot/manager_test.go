package robot

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/identity"
	"drawbridge/store/feed"

	"github.com/google/go-cmp/cmp"
)

var errGone = errors.New("not found")

// kept is a store of one process.
type kept struct {
	robots map[string]Robot
	err    error
}

func (k *kept) CreateRobot(_ context.Context, r Robot, changes ...feed.Change) ([]feed.Change, error) {
	if _, taken := k.robots[r.Name]; taken || k.err != nil {
		return nil, errors.Join(errors.New("taken"), k.err)
	}
	k.robots[r.Name] = r
	return changes, nil
}

func (k *kept) UpdateRobot(_ context.Context, name string, edit func(*Robot) ([]feed.Change, error)) ([]feed.Change, error) {
	r, ok := k.robots[name]
	if !ok {
		return nil, errGone
	}
	changes, err := edit(&r)
	if err = errors.Join(err, k.err); err != nil {
		return nil, err
	}
	k.robots[name] = r
	return changes, nil
}

func (k *kept) DeleteRobot(_ context.Context, name string, check func(Robot) error, changes ...feed.Change) ([]feed.Change, error) {
	if _, ok := k.robots[name]; !ok || k.err != nil {
		return nil, errors.Join(errGone, k.err)
	}
	if check != nil {
		if err := check(k.robots[name]); err != nil {
			return nil, err
		}
	}
	delete(k.robots, name)
	return changes, nil
}

// events collects audit events.
type events struct{ list []audit.Event }

func (e *events) Act(_ context.Context, event audit.Event) { e.list = append(e.list, event) }

// office is a manager with what it stands on.
type office struct {
	*Manager
	kept      *kept
	announced []feed.Change
	events    *events
	now       time.Time
}

func newOffice() *office {
	o := &office{kept: &kept{robots: map[string]Robot{}}, events: &events{}, now: start}
	o.Manager = &Manager{
		Announce: func(_ context.Context, stored ...feed.Change) { o.announced = append(o.announced, stored...) },
		Store:    o.kept, Audit: o.events, MaxTTL: 365 * 24 * time.Hour, Actor: "cli:root", Clock: func() time.Time { return o.now },
	}
	return o
}

// took returns what was announced and audited since.
func (o *office) took() string {
	var out []string
	for _, c := range o.announced {
		out = append(out, fmt.Sprintf("%s %s +%s by %s for %s", c.Kind, c.Value, c.At.Sub(o.now), c.By, c.ExpiresAt.Sub(o.now)))
	}
	for _, e := range o.events.list {
		out = append(out, fmt.Sprintf("%s %s %s on %s", e.Action, e.Outcome, e.User, e.Target))
	}
	o.announced, o.events.list = nil, nil
	return strings.Join(out, "\n")
}

func request() Request { return Request{Name: "ci", Owner: "corp/leads"} }

func mustMake(t *testing.T, o *office, req Request) (Robot, identity.Secret) {
	t.Helper()
	bot, secret, err := o.Create(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return bot, secret
}

func TestCreate(t *testing.T) {
	o := newOffice()
	req := request()
	req.Description, req.CIDRs, req.TTL = "builds", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, 36*time.Hour
	bot, secret := mustMake(t, o, req)
	hash, ok := hashOf(secret)
	if !ok || len(bot.Secrets) != 1 || bot.Secrets[0].Hash != hash || len(bot.Secrets[0].ID) != 12 {
		t.Fatalf("%+v", bot)
	}
	if !bot.ExpiresAt.Equal(start.Add(36*time.Hour)) || !bot.Secrets[0].ExpiresAt.Equal(bot.ExpiresAt) || bot.CreatedBy != "cli:root" ||
		!bot.CreatedAt.Equal(start) || bot.Description != "builds" || len(bot.CIDRs) != 1 {
		t.Errorf("%+v", bot)
	}
	if got, want := o.took(), "robots_changed ci +0s by cli:root for 1h0m0s\nrobot_created success cli:root on robot:ci"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, text := range []string{fmt.Sprintf("%+v %v", bot, secret), fmt.Sprintf("%+v", o.kept)} {
		if strings.Contains(text, secret.Reveal()) {
			t.Errorf("the secret is in %s", text)
		}
	}
	for _, tt := range []struct {
		maxTTL, ttl, want time.Duration // zero: refused
	}{
		{365 * 24 * time.Hour, 0, DefaultTTL},
		{time.Hour, 0, time.Hour},
		{time.Hour, time.Hour, time.Hour},
		{time.Hour, time.Hour + 1, 0},
		{time.Hour, time.Second, 0},
		{time.Hour, -time.Hour, 0},
	} {
		o := newOffice()
		o.MaxTTL = tt.maxTTL
		req := request()
		req.TTL = tt.ttl
		bot, _, err := o.Create(t.Context(), req)
		switch {
		case tt.want == 0 && (identity.AsError(err).Kind != identity.Invalid || !strings.Contains(err.Error(), "robots.max_ttl")):
			t.Errorf("%+v: %v", tt, err)
		case tt.want != 0 && (err != nil || !bot.ExpiresAt.Equal(start.Add(tt.want))):
			t.Errorf("%+v: until %s, %v", tt, bot.ExpiresAt, err)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	for name, change := range map[string]func(*Request){
		"name":        func(r *Request) { r.Name = "x/../y" },
		"owner":       func(r *Request) { r.Owner = "leads" },
		"description": func(r *Request) { r.Description = "a\nb" },
		"network":     func(r *Request) { r.CIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")} },
		"networks":    func(r *Request) { r.CIDRs = make([]netip.Prefix, 65) },
	} {
		o := newOffice()
		req := request()
		change(&req)
		if _, _, err := o.Create(t.Context(), req); identity.AsError(err).Kind != identity.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if got := o.took(); got != "" || len(o.kept.robots) != 0 {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestRotate(t *testing.T) {
	o := newOffice()
	bot, first := mustMake(t, o, Request{Name: "ci", Owner: "corp/leads", TTL: 48 * time.Hour})
	o.took()
	rotate := func(r Rotation) Rotated {
		t.Helper()
		out, err := o.Rotate(t.Context(), "ci", r)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	// ends are when each secret is over, counted from the start.
	check := func(when string, want ...time.Duration) {
		t.Helper()
		var got []time.Duration
		for _, s := range o.kept.robots["ci"].Secrets {
			got = append(got, s.ExpiresAt.Sub(start))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
	}
	second := rotate(Rotation{Overlap: 24 * time.Hour})
	check("two live secrets", 24*time.Hour, 48*time.Hour)
	if got, want := o.took(), "robots_changed ci +0s by cli:root for 1h0m0s\nrobot_rotated success cli:root on robot:ci"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if second.Secret == first || len(second.CutShort) != 0 || len(second.Robot.Secrets) != 2 {
		t.Errorf("%+v", second)
	}
	o.now = start.Add(40 * time.Hour)
	third := rotate(Rotation{Overlap: 24 * time.Hour})
	check("no longer than the robot", 48*time.Hour, 48*time.Hour)
	if len(third.CutShort) != 0 { // it was over
		t.Errorf("cut short: %+v", third.CutShort)
	}
	fourth := rotate(Rotation{Overlap: time.Hour})
	check("a third one pushes the oldest out", 41*time.Hour, 48*time.Hour)
	if len(fourth.CutShort) != 1 || fourth.CutShort[0].ID != o.secretID(second.Secret, second.Robot) {
		t.Errorf("cut short: %+v", fourth.CutShort)
	}
	rotate(Rotation{Overlap: time.Hour, TTL: 72 * time.Hour})
	check("renewed", 41*time.Hour, 112*time.Hour)
	o.took()
	rotate(Rotation{})
	check("a leaked secret", 40*time.Hour, 112*time.Hour)
	if got := o.took(); !strings.Contains(got, "revoke_person robot:ci +2s by cli:root for 2h0m0s") {
		t.Errorf("its tokens go on:\n%s", got)
	}
	rotate(Rotation{Overlap: time.Hour, TTL: time.Hour})
	check("an earlier end is everybody's", 41*time.Hour, 41*time.Hour)

	o.now = start.Add(41 * time.Hour)
	for _, r := range []Rotation{{Overlap: time.Hour}, {Overlap: -1}, {TTL: -1}, {TTL: 366 * 24 * time.Hour}} {
		if _, err := o.Rotate(t.Context(), "ci", r); identity.AsError(err).Kind != identity.Invalid {
			t.Errorf("%+v: %v", r, err)
		}
	}
	rotate(Rotation{Overlap: time.Hour, TTL: time.Hour})
	check("an expired robot that is renewed has one secret again", 41*time.Hour, 42*time.Hour)
	if n := len(o.kept.robots["ci"].Live(o.now)); n != 1 {
		t.Errorf("%d live secrets", n)
	}
	if _, err := o.Rotate(t.Context(), "nobody", Rotation{}); !errors.Is(err, errGone) {
		t.Errorf("nobody: %v", err)
	}
	if got := o.kept.robots["ci"]; got.CreatedAt != bot.CreatedAt || got.Owner != bot.Owner {
		t.Errorf("changed: %+v", got)
	}
}

// secretID finds the ID of a secret by its text.
func (*office) secretID(text identity.Secret, bot Robot) string {
	hash, _ := hashOf(text)
	for _, s := range bot.Secrets {
		if s.Hash == hash {
			return s.ID
		}
	}
	return "none"
}

func TestDisableAndDelete(t *testing.T) {
	o := newOffice()
	mustMake(t, o, request())
	o.took()
	const revoked = "revoke_person robot:ci +2s by cli:root for 2h0m0s\n"
	for _, tt := range []struct {
		act  func() error
		want string
	}{
		{func() error { return o.SetDisabled(t.Context(), "ci", true) }, revoked + "robot_disabled success cli:root on robot:ci"},
		{func() error { return o.SetDisabled(t.Context(), "ci", false) }, "robot_enabled success cli:root on robot:ci"},
		{func() error { return o.Delete(t.Context(), "ci") }, revoked + "robot_deleted success cli:root on robot:ci"},
	} {
		if err := tt.act(); err != nil {
			t.Fatal(err)
		}
		if got, want := o.took(), "robots_changed ci +0s by cli:root for 1h0m0s\n"+tt.want; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// What was not written is neither announced nor audited.
func TestFailuresLeaveNoTrace(t *testing.T) {
	o := newOffice()
	mustMake(t, o, request())
	o.took()
	o.kept.err = errors.New("the store is unavailable")
	for name, act := range map[string]func() error{
		"create":  func() error { _, _, err := o.Create(t.Context(), Request{Name: "x", Owner: "corp/leads"}); return err },
		"rotate":  func() error { _, err := o.Rotate(t.Context(), "ci", Rotation{}); return err },
		"disable": func() error { return o.SetDisabled(t.Context(), "ci", true) },
		"delete":  func() error { return o.Delete(t.Context(), "ci") },
	} {
		if err := act(); !errors.Is(err, o.kept.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := o.took(); got != "" {
		t.Errorf("got\n%s", got)
	}
}
