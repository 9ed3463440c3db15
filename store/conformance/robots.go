package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"drawbridge/connectors/robot"
	"drawbridge/store"
	"drawbridge/store/feed"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func robotTests() map[string]func(t *testing.T, open Open) {
	return map[string]func(t *testing.T, open Open){
		"robots come back as they were made":              testRobotsComeBack,
		"robots have one name each":                       testRobotNames,
		"robots are made with their change or not at all": testRobotIncomplete,
		"robots are edited one after the other":           testRobotEdits,
		"robots stay as they are when an edit fails":      testRobotEditFails,
		"robots are deleted with their secrets":           testRobotDelete,
		"robots tell when they were used last":            testRobotUses,
		"robots are used and edited at once":              testRobotsBusy,
	}
}

// sameRobots compares networks as values.
func sameRobots() cmp.Options {
	return cmp.Options{cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()}
}

func aRobot(name string, secrets ...string) robot.Robot {
	r := robot.Robot{
		Name: name, Owner: "corp/payments-leads", Description: "builds 💻 'payments'", CreatedBy: "cli:root",
		CIDRs:     []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
		CreatedAt: At(), ExpiresAt: At().Add(time.Hour),
	}
	for _, id := range secrets {
		r.Secrets = append(r.Secrets, aSecret(name+"-"+id))
	}
	return r
}

func aSecret(id string) robot.Secret {
	s := robot.Secret{ID: id, CreatedAt: At(), ExpiresAt: At().Add(time.Hour)}
	copy(s.Hash[:], id)
	return s
}

func robotsChanged(name string) feed.Change {
	return feed.Change{Kind: feed.RobotsChanged, Value: name, At: At(), By: "cli:root", ExpiresAt: At().Add(time.Hour)}
}

func robots(t *testing.T, s *store.Store) []robot.Robot {
	t.Helper()
	got, err := s.Robots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func mustCreate(t *testing.T, s *store.Store, list ...robot.Robot) {
	t.Helper()
	for _, r := range list {
		stored, err := s.CreateRobot(t.Context(), r, robotsChanged(r.Name))
		if err != nil || len(stored) != 1 || stored[0].Seq == 0 {
			t.Fatalf("stored %v, %v", stored, err)
		}
	}
}

func testRobotsComeBack(t *testing.T, open Open) {
	s := open(t)
	if got := robots(t, s); len(got) != 0 {
		t.Fatalf("an empty store has %v", got)
	}
	plain := aRobot("b-plain")
	plain.CIDRs, plain.Description, plain.Disabled = nil, "", true
	want := []robot.Robot{aRobot("a.ci", "1", "2"), plain, aRobot("ci", "1")}
	mustCreate(t, s, want[2], want[0], want[1])
	if diff := cmp.Diff(want, robots(t, open(t)), sameRobots()); diff != "" {
		t.Error(diff)
	}
	changes, _, err := s.ChangesSince(t.Context(), 0, 10)
	if err != nil || len(changes) != 3 || changes[0].Kind != feed.RobotsChanged || changes[0].Value != "ci" {
		t.Errorf("changes %v, %v", changes, err)
	}
}

// Of several who want one name, also in other processes, one gets it.
func testRobotNames(t *testing.T, open Open) {
	stores := []*store.Store{open(t), open(t)}
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = stores[i%2].CreateRobot(t.Context(), aRobot("ci", strconv.Itoa(i)), robotsChanged("ci"))
		})
	}
	wg.Wait()
	made := 0
	for i, err := range errs {
		var conflict *store.Conflict
		switch {
		case err == nil:
			made++
		case !errors.As(err, &conflict) || errors.Is(err, store.ErrUnavailable):
			t.Errorf("%d: %v", i, err)
		}
	}
	got := robots(t, stores[0])
	if made != 1 || len(got) != 1 || len(got[0].Secrets) != 1 {
		t.Errorf("%d were made: %v", made, got)
	}
	if _, newest, err := stores[0].ChangesSince(t.Context(), 0, 10); err != nil || newest != 1 {
		t.Errorf("%d changes, %v", newest, err)
	}
}

func testRobotIncomplete(t *testing.T, open Open) {
	s := open(t)
	if _, err := s.CreateRobot(t.Context(), aRobot("ci", "1"), feed.Change{Kind: feed.RobotsChanged}); err == nil {
		t.Error("a change without a value was taken")
	}
	if got := robots(t, s); len(got) != 0 {
		t.Errorf("a robot without its change: %v", got)
	}
	mustCreate(t, s, aRobot("ci", "1"))
	if _, err := s.DeleteRobot(t.Context(), "ci", nil, feed.Change{Kind: feed.RobotsChanged}); err == nil {
		t.Error("a change without a value was taken")
	}
	if got := robots(t, s); len(got) != 1 || len(got[0].Secrets) != 1 {
		t.Errorf("it was deleted without its change: %v", got)
	}
}

// Each edit sees what the one before it left: none is lost, and of secrets that
// push each other out the last two stay.
func testRobotEdits(t *testing.T, open Open) {
	const editors, each = 4, 5
	stores := []*store.Store{open(t), open(t)}
	mustCreate(t, stores[0], aRobot("ci", "0"), aRobot("other", "0"))
	var wg sync.WaitGroup
	for e := range editors {
		wg.Go(func() {
			for i := range each {
				_, err := stores[e%2].UpdateRobot(t.Context(), "ci", func(r *robot.Robot) ([]feed.Change, error) {
					n := len(r.CIDRs) - 1
					r.CIDRs = append(r.CIDRs, netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/32", e*each+i)))
					r.Secrets = []robot.Secret{r.Secrets[len(r.Secrets)-1], aSecret(fmt.Sprintf("ci-%d", n))}
					return []feed.Change{robotsChanged("ci")}, nil
				})
				if err != nil {
					t.Errorf("edit: %v", err)
				}
			}
		})
	}
	wg.Wait()
	got := robots(t, stores[1])
	if len(got) != 2 || len(got[0].CIDRs) != 2+editors*each {
		t.Fatalf("%d edits are there: %v", len(got[0].CIDRs)-2, got)
	}
	if diff := cmp.Diff([]string{"ci-19", "ci-20"}, ids(got[0])); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(aRobot("other", "0"), got[1], sameRobots(), cmpopts.EquateApproxTime(time.Minute)); diff != "" {
		t.Errorf("another robot was changed: %s", diff)
	}
}

func ids(r robot.Robot) []string {
	var out []string
	for _, s := range r.Secrets {
		out = append(out, s.ID)
	}
	return out
}

func testRobotEditFails(t *testing.T, open Open) {
	s := open(t)
	mustCreate(t, s, aRobot("ci", "1"))
	before := robots(t, s)
	refused := errors.New("the robot expired")
	_, err := s.UpdateRobot(t.Context(), "ci", func(r *robot.Robot) ([]feed.Change, error) {
		r.Secrets, r.Disabled = nil, true
		return nil, refused
	})
	if !errors.Is(err, refused) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	_, err = s.UpdateRobot(t.Context(), "ci", func(r *robot.Robot) ([]feed.Change, error) {
		r.Disabled = true
		return []feed.Change{{Kind: feed.RobotsChanged}}, nil
	})
	if err == nil {
		t.Error("a change without a value was taken")
	}
	if diff := cmp.Diff(before, robots(t, s), sameRobots()); diff != "" {
		t.Error(diff)
	}
	_, err = s.UpdateRobot(t.Context(), "nobody", func(*robot.Robot) ([]feed.Change, error) {
		t.Error("a robot that does not exist is edited")
		return nil, nil
	})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

func testRobotDelete(t *testing.T, open Open) {
	s := open(t)
	mustCreate(t, s, aRobot("ci", "1", "2"), aRobot("other", "1"))
	gone := feed.Change{Kind: feed.RevokePerson, Value: "robot:ci", At: At(), ExpiresAt: At().Add(time.Hour)}
	stored, err := s.DeleteRobot(t.Context(), "ci", nil, robotsChanged("ci"), gone)
	if err != nil || len(stored) != 2 || stored[1].Seq != 4 {
		t.Fatalf("stored %v, %v", stored, err)
	}
	if got := robots(t, open(t)); len(got) != 1 || got[0].Name != "other" || len(got[0].Secrets) != 1 {
		t.Errorf("left: %v", got)
	}
	changes, _, err := s.ChangesSince(t.Context(), 2, 10)
	if diff := cmp.Diff(stored, changes); diff != "" || err != nil {
		t.Errorf("changes %s, %v", diff, err)
	}
	if _, err := s.DeleteRobot(t.Context(), "ci", nil, robotsChanged("ci")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	mustCreate(t, s, aRobot("ci", "1")) // the old secrets are gone, so that their place is free
}

func testRobotUses(t *testing.T, open Open) {
	s := open(t)
	mustCreate(t, s, aRobot("ci", "1", "2"))
	at := At()
	record := func(at time.Time, address string) {
		t.Helper()
		uses := []robot.Use{{SecretID: "gone", At: at, Address: address}, {SecretID: "ci-1", At: at, Address: address}}
		if err := s.RecordRobotUses(t.Context(), uses); err != nil {
			t.Fatal(err)
		}
	}
	record(at, "192.0.2.1")
	record(at.Add(-time.Second), "192.0.2.2") // another replica, late
	check := func(when string) {
		t.Helper()
		got := robots(t, s)[0].Secrets
		if !got[0].LastUsedAt.Equal(at) || got[0].LastAddress != "192.0.2.1" || !got[1].LastUsedAt.IsZero() {
			t.Errorf("%s: %+v", when, got)
		}
	}
	check("after two uses")
	_, err := s.UpdateRobot(t.Context(), "ci", func(r *robot.Robot) ([]feed.Change, error) {
		for i := range r.Secrets { // an edit that took long, with what it read at its beginning
			r.Secrets[i].LastUsedAt, r.Secrets[i].LastAddress = time.Time{}, ""
			r.Secrets[i].ExpiresAt = at.Add(time.Minute)
		}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	check("after an edit")
	if got := robots(t, s)[0].Secrets[0].ExpiresAt; !got.Equal(at.Add(time.Minute)) {
		t.Errorf("the edit is lost: %s", got)
	}
	if err := s.RecordRobotUses(t.Context(), nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

// Logins are written in whatever order they came, while robots are edited and
// deleted elsewhere: nobody waits for somebody who waits for them.
func testRobotsBusy(t *testing.T, open Open) {
	const rounds = 15
	names := []string{"a", "b", "c"}
	stores := []*store.Store{open(t), open(t)}
	var uses []robot.Use
	for _, name := range names {
		mustCreate(t, stores[0], aRobot(name, "1", "2"))
		for _, id := range []string{"1", "2"} {
			uses = append(uses, robot.Use{SecretID: name + "-" + id, At: At(), Address: "192.0.2.1"})
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() {
			for round := range rounds {
				mine := slices.Clone(uses)
				if i == 1 {
					slices.Reverse(mine)
				}
				for k := range mine {
					mine[k].At = mine[k].At.Add(time.Duration(round) * time.Second)
				}
				if err := s.RecordRobotUses(ctx, mine); err != nil {
					t.Errorf("use: %v", err)
				}
			}
		})
		wg.Go(func() {
			for range rounds {
				for _, name := range names {
					_, err := s.UpdateRobot(ctx, name, func(r *robot.Robot) ([]feed.Change, error) {
						slices.Reverse(r.Secrets)
						r.Secrets[0].ExpiresAt = r.Secrets[0].ExpiresAt.Add(time.Second)
						return []feed.Change{robotsChanged(name)}, nil
					})
					if err != nil {
						t.Errorf("edit: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	for _, name := range names {
		if _, err := stores[1].DeleteRobot(ctx, name, nil, robotsChanged(name)); err != nil {
			t.Error(err)
		}
	}
}
