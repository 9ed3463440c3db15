package ldap_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
	"drawbridge/store/feed"

	"github.com/google/go-cmp/cmp"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// mapCache is a lookup cache that a test can look into and break.
type mapCache struct {
	mu     sync.Mutex
	values map[string][]byte
	broken bool
}

func newMapCache() *mapCache { return &mapCache{values: map[string][]byte{}} }

var errBroken = errors.New("the cache is down")

func (m *mapCache) Get(_ context.Context, key string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return nil, false, errBroken
	}
	value, ok := m.values[key]
	return value, ok, nil
}

func (m *mapCache) Set(_ context.Context, key string, value []byte, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return errBroken
	}
	m.values[key] = value
	return nil
}

func (m *mapCache) Delete(_ context.Context, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return errBroken
	}
	for _, key := range keys {
		delete(m.values, key)
	}
	return nil
}

// cost is what an action costs the directory.
func cost(s *testbed.Slapd, action func()) (binds, searches int) {
	b, n := s.Binds(), s.Searches()
	action()
	return s.Binds() - b, s.Searches() - n
}

// TestWhatALoginCosts counts operations in the server's own log.
func TestWhatALoginCosts(t *testing.T) {
	s := testbed.StartSlapd(t)
	lookups := newMapCache()
	c := connect(t, settings(s), ldap.Deps{Lookups: lookups, LookupTTL: time.Minute})
	for _, step := range []struct {
		name                string
		username, password  string
		wantBinds, searches int
	}{
		{"first: the service account binds once", "alice", testbed.SeedPassword("alice"), 2, 2},
		{"cached: one bind", "alice", testbed.SeedPassword("alice"), 1, 0},
		{"another person, warm connection", "bob", testbed.SeedPassword("bob"), 1, 2},
		{"wrong password, cached: counted once", "alice", "wrong", 1, 2},
		{"wrong password, not cached", "carol", "wrong", 1, 2},
		{"unknown: nobody to bind as", "nobody", "wrong", 0, 1},
		{"unknown again: never remembered", "nobody", "wrong", 0, 1},
		{"refused before any I/O", "alice", "", 0, 0},
	} {
		binds, searches := cost(s, func() { login(c, step.username, step.password) })
		if binds != step.wantBinds || searches != step.searches {
			t.Errorf("%s: %d binds and %d searches, want %d and %d", step.name, binds, searches, step.wantBinds, step.searches)
		}
	}
	if binds, searches := cost(s, func() { c.Lookup(t.Context(), "alice") }); binds != 0 || searches != 2 {
		t.Errorf("a lookup costs %d binds and %d searches; it never answers from the cache", binds, searches)
	}
	for key, value := range lookups.values {
		if strings.Contains(key, "alice") || strings.Contains(string(value), "pw-") {
			t.Errorf("the cache tells too much: %q %q", key, value)
		}
	}
}

// TestCachedPersonIsTheSame: what comes from the cache equals what came from the
// directory.
func TestCachedPersonIsTheSame(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{Lookups: newMapCache(), LookupTTL: time.Minute})
	for _, username := range testbed.SeedPeople() {
		first := mustGrant(t, c, username)
		if diff := cmp.Diff(first, mustGrant(t, c, username)); diff != "" {
			t.Errorf("%q: %s", username, diff)
		}
	}
}

func TestCachedPersonWhoMovedLogsIn(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{Lookups: newMapCache(), LookupTTL: time.Minute})
	mustGrant(t, c, "alice")
	s.Move(s.PersonDN("alice"), "uid=alice", "ou=contractors,"+s.BaseDN)
	mustGrant(t, c, "alice")
	if binds, searches := cost(s, func() { mustGrant(t, c, "alice") }); binds != 1 || searches != 0 {
		t.Errorf("the new DN is not remembered: %d binds, %d searches", binds, searches)
	}
}

// TestCachedPersonWhoIsGone: a cache never lets anybody in.
func TestCachedPersonWhoIsGone(t *testing.T) {
	s := testbed.StartSlapd(t)
	lookups := newMapCache()
	c := connect(t, settings(s), ldap.Deps{Lookups: lookups, LookupTTL: time.Minute})
	mustGrant(t, c, "alice")
	s.Delete(s.PersonDN("alice"))
	mustBe(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindNotMine)
	if len(lookups.values) != 0 {
		t.Error("who is gone is still remembered")
	}
}

// TestCachedPersonsAccountStateIsFresh: locked and reset accounts are refused at
// once, and a changed password counts at once.
func TestCachedPersonsAccountStateIsFresh(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{Lookups: newMapCache(), LookupTTL: time.Minute})
	dn := s.AddPerson(testbed.Person{UID: "eve", Policy: testbed.PolicyStrict})
	mustGrant(t, c, "eve")
	s.Modify(dn, "pwdReset", "TRUE")
	mustDeny(t, login(c, "eve", testbed.SeedPassword("eve")), connectors.MustChange)
	s.Modify(dn, "pwdReset")
	mustGrant(t, c, "eve")
	// Two wrong passwords of the three that lock: each is counted once.
	for range 2 {
		mustDeny(t, login(c, "eve", "wrong"), connectors.WrongPassword)
	}
	mustGrant(t, c, "eve")
	s.Modify(dn, "pwdAccountLockedTime", "000001010000Z")
	mustDeny(t, login(c, "eve", testbed.SeedPassword("eve")), connectors.AccountLocked)
	s.Modify(s.PersonDN("bob"), "userPassword", "new")
	mustDeny(t, login(c, "bob", testbed.SeedPassword("bob")), connectors.WrongPassword)
}

// handed is a feed whose changes a test hands out.
type handed struct {
	handlers map[feed.Kind]func(feed.Change)
	loading  error
}

func (h *handed) On(kind feed.Kind, handle func(feed.Change)) { h.handlers[kind] = handle }
func (h *handed) Loaded() error                               { return h.loading }

func (h *handed) forget(name string) {
	h.handlers[feed.Forget](feed.Change{Seq: 1, Kind: feed.Forget, Value: name, At: time.Now()})
}

// TestForgottenPersonIsLookedUpAnew: somebody who lost a group keeps it until the
// lookup's time is over, or until somebody says forget.
func TestForgottenPersonIsLookedUpAnew(t *testing.T) {
	s := testbed.StartSlapd(t)
	h := &handed{handlers: map[feed.Kind]func(feed.Change){}}
	c := connect(t, settings(s), ldap.Deps{Lookups: newMapCache(), LookupTTL: time.Minute, Forgets: connectors.NewForgets(h, nil)})
	groups := func(username string, want ...string) {
		t.Helper()
		out := login(c, username, testbed.SeedPassword("alice"))
		if diff := cmp.Diff(want, out.Identity().Groups); diff != "" {
			t.Errorf("%s: %s", username, diff)
		}
	}
	searches := func(username string, want int) {
		t.Helper()
		if _, n := cost(s, func() { login(c, username, testbed.SeedPassword("alice")) }); n != want {
			t.Errorf("%s: %d searches, want %d", username, n, want)
		}
	}
	groups("alice", "payments-dev")
	groups("ALICE", "payments-dev")
	s.Modify(s.GroupDN("payments-dev"), "member", s.PersonDN("bob"))
	groups("alice", "payments-dev")
	h.forget("bob")
	groups("alice", "payments-dev")
	h.forget("corp/alice")
	groups("alice")
	groups("ALICE") // whatever was typed
	searches("alice", 0)

	// What was asked before the forget is remembered by nobody.
	h.forget("alice")
	s.Pause()
	var asking sync.WaitGroup
	asking.Go(func() { login(c, "alice", testbed.SeedPassword("alice")) })
	waitForALogin(c)
	h.handlers[feed.Forget](feed.Change{Seq: 2, Kind: feed.Forget, Value: "alice", At: time.Now()})
	s.Resume()
	asking.Wait()
	searches("alice", 2)
	searches("alice", 0)

	// Nor can a process use a cache that does not know yet what was forgotten.
	h.loading = errors.New("the store is down")
	searches("alice", 2)
	h.loading = nil
	searches("alice", 0)
}

// waitForALogin waits until somebody waits for the directory.
func waitForALogin(c *ldap.Connector) {
	for c.Stats().InUse == 0 {
		time.Sleep(time.Millisecond)
	}
}

// TestBrokenCacheFailsNoLogin: an error, nonsense and another connector's person
// are misses.
func TestBrokenCacheFailsNoLogin(t *testing.T) {
	s := testbed.StartSlapd(t)
	lookups := newMapCache()
	c := connect(t, settings(s), ldap.Deps{Lookups: lookups, LookupTTL: time.Minute})
	mustGrant(t, c, "alice")
	for key := range lookups.values {
		for _, nonsense := range []string{"", "{", "null", `{"name":"alice"}`, `{"dn":"","name":"root"}`, "[]"} {
			lookups.values[key] = []byte(nonsense)
			mustGrant(t, c, "alice")
		}
	}
	lookups.broken = true
	mustGrant(t, c, "alice")
	mustBe(t, login(c, "nobody", "pw"), connectors.KindNotMine)
}

// TestLogTellsNoUsernames: people type passwords into the username field.
func TestLogTellsNoUsernames(t *testing.T) {
	s := testbed.StartSlapd(t)
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	s.Add("uid=bob,ou=contractors,"+s.BaseDN, map[string][]string{
		"objectClass": {"inetOrgPerson"}, "uid": {"bob"}, "cn": {"Other"}, "sn": {"Other"},
	})
	c := connect(t, settings(s), ldap.Deps{Log: logger})
	var causes strings.Builder
	for _, username := range []string{"alice", "hunter2", "bob"} {
		causes.WriteString(login(c, username, "s3cret").String())
	}
	s.Stop()
	causes.WriteString(login(c, "hunter2", "s3cret").String())
	if !strings.Contains(log.String(), "ambiguous") {
		t.Error("an ambiguous username raises no alarm")
	}
	for _, secret := range []string{"hunter2", "s3cret", "uid=", "bob", s.BindPassword} {
		if strings.Contains(log.String()+causes.String(), secret) {
			t.Errorf("%q is in the log or in a cause: %s %s", secret, &log, &causes)
		}
	}
}
