package connectors_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/connectors"
	"drawbridge/identity"
)

// rechecker is a scripted connector that can re-check people.
type rechecker struct {
	scripted
	asked int
}

func (r *rechecker) Recheck(context.Context, identity.Identity, string) connectors.Outcome {
	r.asked++
	return r.outcome
}

func TestRecheckAsksTheConnectorThatVouched(t *testing.T) {
	alice := person("corp", "alice")
	alice.StableID = "17"
	renamed, another, elsewhere := alice, alice, alice
	renamed.Name, another.StableID, elsewhere.Connector = "alice.b", "18", "local"
	for _, tt := range []struct {
		name    string
		outcome connectors.Outcome
		want    connectors.Kind
	}{
		{"granted", connectors.Granted(alice), connectors.KindGranted},
		{"renamed", connectors.Granted(renamed), connectors.KindGranted},
		{"another person of that name", connectors.Granted(another), connectors.KindNotMine},
		{"another connector's", connectors.Granted(elsewhere), connectors.KindNotMine},
		{"gone", connectors.NotMine(), connectors.KindNotMine},
		{"disabled", connectors.Denied(connectors.AccountDisabled), connectors.KindDenied},
		{"down", connectors.Unavailable(errors.New("down")), connectors.KindUnavailable},
		{"an outcome nobody set", connectors.Outcome{}, connectors.KindUnavailable},
	} {
		corp := &rechecker{scripted: scripted{name: "corp", outcome: tt.outcome}}
		local := &rechecker{scripted: scripted{name: "local", outcome: connectors.Granted(alice)}}
		chain := connectors.NewChain(connectors.Link{Connector: local}, connectors.Link{Connector: corp, NextOnUnavailable: true})
		if got := chain.Recheck(t.Context(), alice, ""); got.Kind() != tt.want || got.Connector != "corp" || corp.asked != 1 || local.asked != 0 {
			t.Errorf("%s: got %s by %q", tt.name, got.Outcome, got.Connector)
		}
	}
}

// A connector that is configured no more, or cannot tell any more, says nothing
// about the person.
func TestRecheckWithoutAConnector(t *testing.T) {
	corp := &scripted{name: "corp", outcome: connectors.Granted(person("corp", "alice"))}
	chain := connectors.NewChain(connectors.Link{Connector: corp})
	for _, connector := range []string{"corp", "gone", ""} {
		if got := chain.Recheck(t.Context(), person(connector, "alice"), ""); got.Reason() != connectors.CannotRecheck {
			t.Errorf("%q: got %s", connector, got.Outcome)
		}
	}
	if corp.asked != 0 {
		t.Error("a login was tried")
	}
}

func TestRecheckSurvivesAPanic(t *testing.T) {
	c := connectors.Cached(connectors.NewChain(connectors.Link{Connector: panickingRechecker{}}), options(&mapCache{values: map[string][]byte{}}))
	if got := c.Recheck(t.Context(), person("panicking", "alice"), ""); got.Kind() != connectors.KindUnavailable {
		t.Errorf("got %s", got.Outcome)
	}
}

// However many sessions of a person are used at once, the directory is asked once,
// and a caller who leaves does not take the answer from the others.
func TestRecheckAsksOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &slowRechecker{slow: slow{release: make(chan struct{})}}
		c := connectors.Cached(connectors.NewChain(connectors.Link{Connector: backend}), options(&mapCache{values: map[string][]byte{}}))
		who := person(backend.Name(), "alice")
		leaving, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if got := c.Recheck(leaving, who, "v1"); got.Kind() != connectors.KindUnavailable {
				t.Errorf("the caller who left: %s", got.Outcome)
			}
		})
		synctest.Wait()
		for range 50 {
			wg.Go(func() {
				if got := c.Recheck(t.Context(), who, "v1"); got.Kind() != connectors.KindGranted {
					t.Errorf("got %s", got.Outcome)
				}
			})
		}
		wg.Go(func() { c.Recheck(t.Context(), who, "v2") })
		synctest.Wait()
		leave()
		synctest.Wait()
		close(backend.release)
		wg.Wait()
		if n := backend.asked.Load(); n != 2 { // one for each version
			t.Errorf("the directory was asked %d times", n)
		}
	})
}

type slowRechecker struct{ slow }

func (s *slowRechecker) Recheck(_ context.Context, id identity.Identity, _ string) connectors.Outcome {
	s.asked.Add(1)
	<-s.release
	return connectors.Granted(id)
}

type panickingRechecker struct{ panicking }

func (panickingRechecker) Name() string { return "panicking" }
func (panickingRechecker) Recheck(context.Context, identity.Identity, string) connectors.Outcome {
	panic("a bug")
}

// A grant stands for as long as that of a verified password, without grace, and not
// past anything that makes it outdated.
func TestRecheckIsRemembered(t *testing.T) {
	alice := person("corp", "alice")
	alice.StableID = "17"
	backend := &rechecker{scripted: scripted{name: "corp", outcome: connectors.Granted(alice)}}
	store, now := &mapCache{values: map[string][]byte{}}, start
	opts := options(store)
	opts.Clock = func() time.Time { return now }
	opts.Grace = func(string) time.Duration { return time.Hour }
	c := connectors.Cached(connectors.NewChain(connectors.Link{Connector: backend}), opts)
	is := func(what string, id identity.Identity, version string, kind connectors.Kind, asked int) {
		t.Helper()
		got := c.Recheck(t.Context(), id, version)
		if got.Kind() != kind || backend.asked != asked {
			t.Errorf("%s: got %s, asked %d times, want %s and %d", what, got.Outcome, backend.asked, kind, asked)
		}
	}
	is("first", alice, "v1", connectors.KindGranted, 1)
	is("again", alice, "v1", connectors.KindGranted, 1)
	is("another password", alice, "v2", connectors.KindGranted, 2)
	another := alice
	another.StableID = "18"
	is("another person of the name", another, "v1", connectors.KindNotMine, 3)
	for key, value := range store.values {
		if strings.Contains(key, "alice") || strings.Contains(key, "v1") || strings.Contains(string(value), "v1") {
			t.Errorf("the cache holds %s = %s", key, value)
		}
	}
	now = start.Add(59 * time.Second)
	is("within TTL", alice, "v1", connectors.KindGranted, 3)
	now = start.Add(time.Minute)
	backend.outcome = connectors.Unavailable(errors.New("down"))
	is("down, without grace", alice, "v1", connectors.KindUnavailable, 4)
	backend.outcome = connectors.NotMine()
	is("gone", alice, "v1", connectors.KindNotMine, 5)
	is("and not remembered as gone", alice, "v1", connectors.KindNotMine, 6)

	store.err = errors.New("redis: connection refused")
	backend.outcome = connectors.Granted(alice)
	is("the cache is down", alice, "v1", connectors.KindGranted, 7)
	opts.TTL = 0
	c = connectors.Cached(connectors.NewChain(connectors.Link{Connector: backend}), opts)
	store.err = nil
	is("nothing is remembered", alice, "v1", connectors.KindGranted, 8)
	is("nothing is remembered", alice, "v1", connectors.KindGranted, 9)
}

// Whoever is to be forgotten is asked for again at once.
func TestRecheckForgets(t *testing.T) {
	alice := person("corp", "alice")
	alice.StableID = "17"
	backend := &rechecker{scripted: scripted{name: "corp", outcome: connectors.Granted(alice)}}
	changes := newHanded()
	opts := options(&mapCache{values: map[string][]byte{}})
	opts.Forgets = connectors.NewForgets(changes, opts.Clock)
	c := connectors.Cached(connectors.NewChain(connectors.Link{Connector: backend}), opts)
	c.Recheck(t.Context(), alice, "v1")
	changes.forget("corp/alice", start)
	backend.outcome = connectors.Denied(connectors.AccountDisabled)
	if got := c.Recheck(t.Context(), alice, "v1"); got.Reason() != connectors.AccountDisabled {
		t.Errorf("got %s", got.Outcome)
	}
}

// What is to last for weeks does not begin with what is remembered: not with the
// verdict, nor with what an answer under way may rest on.
func TestFreshCredentialsAreVerifiedNow(t *testing.T) {
	w := newWorld(func(o *connectors.CachedOptions) { o.FailuresPerMinute = 2 })
	w.corp.outcome = connectors.Granted(person("corp", "alice")).WithVersion("v1")
	fresh := credential("alice", "good")
	fresh.Fresh, fresh.Address = true, "192.0.2.1"
	if got := w.chain.Authenticate(t.Context(), fresh); got.Kind() != connectors.KindGranted || w.corp.asked != 1 {
		t.Fatalf("got %s, asked %d times", got.Outcome, w.corp.asked)
	}
	if version, ok := w.chain.Authenticate(t.Context(), fresh).Version(); version != "v1" || !ok || w.corp.asked != 2 {
		t.Errorf("the version is %q, %v; asked %d times", version, ok, w.corp.asked)
	}
	if got := w.login(t, "alice", "good"); got.Kind() != connectors.KindGranted || w.corp.asked != 2 {
		t.Errorf("a fresh grant is not remembered: %s, asked %d times", got.Outcome, w.corp.asked)
	}
	if _, ok := w.login(t, "alice", "good").Version(); ok {
		t.Error("a remembered grant has a version")
	}

	// Others have used up the budget of wrong passwords: this one is known.
	w.corp.outcome = connectors.Denied(connectors.WrongPassword)
	w.login(t, "alice", "wrong 1")
	w.login(t, "alice", "wrong 2")
	w.corp.outcome = connectors.Granted(person("corp", "alice"))
	if got := w.chain.Authenticate(t.Context(), fresh); got.Kind() != connectors.KindGranted {
		t.Errorf("a credential that is remembered as good: %s", got.Outcome)
	}

	w.corp.outcome = connectors.Unavailable(errors.New("down"))
	if got := w.chain.Authenticate(t.Context(), fresh); !got.Stale {
		t.Errorf("during an outage: %s", got.Outcome)
	}

	// The password was changed: the grant that is remembered counts for nobody.
	w.corp.outcome = connectors.Denied(connectors.WrongPassword)
	if got := w.chain.Authenticate(t.Context(), fresh); got.Reason() != connectors.WrongPassword {
		t.Errorf("an old password: %s", got.Outcome)
	}
	if got := w.login(t, "alice", "good"); got.Reason() != connectors.WrongPassword {
		t.Errorf("and then without Fresh: %s", got.Outcome)
	}
}
