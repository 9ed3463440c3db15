package faults

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// bench is a directory behind a proxy.
type bench struct {
	slapd *testbed.Slapd
	proxy *proxy
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s := testbed.StartSlapd(t)
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	return &bench{s, startProxy(t, u.Host)}
}

// reset makes the proxy cut what carries the text.
func (b *bench) reset(text string) func() {
	return func() {
		b.proxy.resetAfter.Store(&text)
		b.proxy.cutAll() // pooled connections, too
	}
}

func (b *bench) noReset() { b.proxy.resetAfter.Store(nil) }

// TestOutages: while the directory is away, in whatever way, people are asked to
// come back, soon enough for docker; when it is back they are let in by the same
// process.
func TestOutages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		direct        bool // no proxy between
		fail, mend    func(*bench)
		unknownStatus int // of a username that nobody has
	}{
		{"killed", true, func(b *bench) { b.slapd.Kill() }, func(b *bench) { b.slapd.Start() }, 503},
		{"stopped", true, func(b *bench) { b.slapd.Stop() }, func(b *bench) { b.slapd.Start() }, 503},
		{"paused", true, func(b *bench) { b.slapd.Pause() }, func(b *bench) { b.slapd.Resume() }, 503},
		{"killed behind a balancer", false, func(b *bench) { b.slapd.Kill() }, func(b *bench) { b.slapd.Start() }, 503},
		{"reset in the middle of a user's bind", false, func(b *bench) { b.reset("pw-")() }, (*bench).noReset, 401},
		{"reset in the middle of the service bind", false, func(b *bench) { b.reset(b.slapd.BindPassword)() }, (*bench).noReset, 503},
		{"reset in the middle of a search", false, func(b *bench) { b.reset("inetOrgPerson")() }, (*bench).noReset, 503},
		{"reset in the middle of the search for groups", false, func(b *bench) { b.reset("ou=groups")() }, (*bench).noReset, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			address := "ldap://" + b.proxy.addr()
			if tt.direct {
				address = b.slapd.URL()
			}
			w := serve(t, direct, corp(b.slapd, []string{address}))
			w.healthy("before")
			tt.fail(b)
			w.expect("meanwhile", "alice", testbed.SeedPassword("alice"), true, http.StatusServiceUnavailable)
			w.expect("meanwhile", "bob", "pw-wrong", false, http.StatusServiceUnavailable)
			w.expect("meanwhile", "nobody", "pw-wrong", false, tt.unknownStatus)
			w.local("meanwhile")
			tt.mend(b)
			w.recovers(tt.name)
		})
	}
}

// TestABindIsNeverSentTwice: directories count wrong passwords. A connection that
// is reset after the request went out is no reason to send it again.
func TestABindIsNeverSentTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := serve(t, direct, corp(b.slapd, []string{"ldap://" + b.proxy.addr(), "ldap://" + b.proxy.addr()}))
	w.healthy("before")
	b.reset("pw-")()
	before, cut := b.slapd.Binds(), b.proxy.cut.Load()
	const logins = 20
	for range logins {
		a := w.login("alice", "pw-wrong", false)
		if a.status != http.StatusServiceUnavailable {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	}
	if n := b.proxy.cut.Load() - cut; n != logins {
		t.Errorf("%d binds were sent for %d logins", n, logins)
	}
	// The service account binds once, since its connection was cut.
	if n := b.slapd.Binds() - before; n > logins+1 {
		t.Errorf("the directory saw %d binds of %d logins", n, logins)
	}
}

// TestSecondHost: a host that is dead, or hangs, costs time and no login.
func TestSecondHost(t *testing.T) {
	t.Parallel()
	hung, first, second := testbed.StartSlapd(t), testbed.StartSlapd(t), testbed.StartSlapd(t)
	dead := testbed.StartSlapd(t)
	dead.Stop()
	for name, urls := range map[string][]string{
		"the second is dead":     {first.URL(), dead.URL()},
		"the first is dead":      {dead.URL(), first.URL()},
		"the first hangs":        {hung.URL(), first.URL()},
		"the second hangs":       {first.URL(), hung.URL()},
		"only the third is left": {dead.URL(), hung.URL(), second.URL()},
	} {
		w := serve(t, direct, corp(first, urls))
		hung.Pause()
		w.healthy(name)
		hung.Resume()
	}

	w := serve(t, direct, corp(first, []string{first.URL(), second.URL()}))
	w.healthy("both")
	first.Kill()
	w.healthy("the first was killed")
	first.Start()
	second.Pause()
	w.recovers("the first came back and the second hangs")
	second.Resume()
	first.Stop()
	second.Stop()
	w.expect("none is left", "alice", testbed.SeedPassword("alice"), true, http.StatusServiceUnavailable)
	second.Start()
	w.recovers("the second came back")
}

// TestSlowHost: with answers after 2 s a login takes three of them, which docker
// waits for; a timeout too short for that is a 503 and never a refusal.
func TestSlowHost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		timeout      string
		right, wrong int
	}{
		"enough time": {"8s", http.StatusOK, http.StatusUnauthorized},
		"too little":  {"3s", http.StatusServiceUnavailable, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			w := serve(t, direct, corp(b.slapd, []string{"ldap://" + b.proxy.addr()}, "timeout: "+tt.timeout))
			w.healthy("before")
			b.proxy.delay.Store(int64(2 * time.Second))
			w.expect("slow", "alice", testbed.SeedPassword("alice"), true, tt.right)
			w.expect("slow", "bob", "pw-wrong", false, tt.wrong)
			w.local("slow")
			b.proxy.delay.Store(0)
			w.recovers("it is quick again")
		})
	}
}
