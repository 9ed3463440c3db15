package audit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/audit"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// database is a store that can be down, or hang until its context ends.
type database struct {
	mu     sync.Mutex
	down   bool
	hangs  bool
	sizes  []int
	events []audit.Event
	pruned []int64
}

func (d *database) AppendAudit(ctx context.Context, events []audit.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if d.down {
		return errors.New("connection refused")
	}
	d.sizes = append(d.sizes, len(events))
	d.events = append(d.events, events...)
	return nil
}

func (d *database) PruneAudit(_ context.Context, before time.Time, most int64) (int64, error) {
	d.pruned = append(d.pruned, before.Unix(), most)
	return 1, nil
}

func (d *database) set(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
}

func (d *database) batches() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sizes
}

// kept is what it has.
func (d *database) kept() []audit.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events
}

func withStore(t *testing.T, d *database, log *bytes.Buffer) *audit.Log {
	t.Helper()
	l, err := audit.New(audit.Options{NoFile: true, Store: d, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestStoreGetsBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &database{}
		l := withStore(t, d, &bytes.Buffer{})
		for range 1200 {
			l.Record(audit.Event{Action: audit.TokenDenied, Requested: []string{"repository:a/b:pull", "registry:catalog:*", "repository:host:5000/c:push"}})
		}
		time.Sleep(time.Second)
		// What comes while a full batch is written may be two.
		if got := d.batches(); len(got) > 3 || got[0] != 1024 || len(d.kept()) != 1200 {
			t.Errorf("batches of %v", got)
		}
		e := d.kept()[0]
		if e.ID == "" || e.Time.IsZero() || !cmp.Equal(e.Type, []string{"access", "denied"}) || !cmp.Equal(e.Repositories, []string{"a/b", "host:5000/c"}) {
			t.Errorf("got %+v", e)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Events wait a little for others, unless somebody waits for one of them, or many do.
func TestEventsAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &database{}
		l := withStore(t, d, &bytes.Buffer{})
		begin := time.Now()
		batches := func(what string, took time.Duration, want ...int) {
			t.Helper()
			if diff := cmp.Diff(want, d.batches()); diff != "" || time.Since(begin) != took {
				t.Errorf("%s, after %s: %s", what, time.Since(begin), diff)
			}
		}
		for range 20 {
			l.Record(audit.Event{Action: audit.Login})
			time.Sleep(time.Second / 100)
		}
		synctest.Wait()
		batches("a fifth of a second", time.Second/5, 20)
		l.Record(audit.Event{Action: audit.Login})
		l.Act(t.Context(), audit.Event{Action: audit.PolicySaved})
		batches("somebody waits", time.Second/5, 20, 2)
		for range 5000 {
			l.Record(audit.Event{Action: audit.Login})
		}
		synctest.Wait()
		if kept := len(d.kept()); kept < 5022-1024 || time.Since(begin) != time.Second/5 {
			t.Errorf("more than a batch, after %s: %d are kept", time.Since(begin), kept)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if kept := len(d.kept()); kept != 5022 || time.Since(begin) != time.Second/5 {
			t.Errorf("closed, after %s: %d are kept", time.Since(begin), kept)
		}
	})
}

// A store that is down for a moment costs nothing; one that is down for long costs
// what does not fit, which is counted. Nobody waits for it.
func TestStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, log := &database{down: true}, &bytes.Buffer{}
		l := withStore(t, d, log)
		registry := prometheus.NewRegistry()
		l.Register(registry)
		l.Record(audit.Event{Action: audit.Login})
		time.Sleep(10 * time.Second)
		d.set(false)
		time.Sleep(2 * time.Second)
		if len(d.kept()) != 1 || l.Dropped()["store"] != 0 {
			t.Errorf("after a moment: %d kept, %d lost", len(d.kept()), l.Dropped()["store"])
		}
		d.set(true)
		l.Record(audit.Event{Action: audit.Login})
		time.Sleep(time.Minute)
		if lost := l.Dropped()["store"]; lost != 1 {
			t.Errorf("after a minute %d are lost", lost)
		}
		before := time.Now()
		for range 20_000 { // more than the queue holds
			l.Record(audit.Event{Action: audit.Login})
		}
		if time.Since(before) != 0 {
			t.Error("somebody waited for the store")
		}
		lost := l.Dropped()["store"]
		if lost < 10_000 {
			t.Errorf("only %d of 20000 are lost", lost)
		}
		d.set(false)
		time.Sleep(time.Minute)
		if kept := len(d.kept()); uint64(kept)+l.Dropped()["store"] != 20_002 || l.Dropped()["store"] != lost {
			t.Errorf("%d kept, %d lost", kept, l.Dropped()["store"])
		}
		families, err := registry.Gather()
		if err != nil || len(families) != 1 || families[0].GetName() != "drawbridge_audit_dropped_total" ||
			families[0].GetMetric()[0].GetCounter().GetValue() != float64(lost) {
			t.Errorf("metrics: %v, %v", families, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "\n"); n != 4 {
			t.Errorf("%d lines for two outages: %s", n, log)
		}
	})
}

func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &database{hangs: true}
		l := withStore(t, d, &bytes.Buffer{})
		for range 1000 {
			l.Record(audit.Event{Action: audit.Login})
		}
		before := time.Now()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(before); took > 5*time.Second || l.Dropped()["store"] != 1000 {
			t.Errorf("took %s, %d lost", took, l.Dropped()["store"])
		}
	})
}

func TestActIsWrittenWhenItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, log, out := &database{}, &bytes.Buffer{}, &bytes.Buffer{}
		l, err := audit.New(audit.Options{Stdout: out, Store: d, Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel() // the caller hung up, and the act is done all the same
		l.Act(ended, audit.Event{Action: audit.PolicySaved, Outcome: audit.Success})
		if len(d.kept()) != 1 || !strings.Contains(out.String(), `"event.id":"`+d.kept()[0].ID+`"`) || log.Len() != 0 {
			t.Errorf("store: %v, file: %s, log: %s", d.events, out, log)
		}
		d.set(true)
		l.Act(t.Context(), audit.Event{Action: audit.RobotDeleted, Personal: audit.Personal{Target: "robot:ci"}})
		for _, want := range []string{"it is done, but not in the audit log", "sink=store", "action=robot_deleted", "target=robot:ci"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%q is not in %s", want, log)
			}
		}
		if strings.Count(out.String(), "\n") != 2 {
			t.Errorf("file: %s", out)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// full takes some bytes and then no more, as a disk does.
type full struct {
	room int
	got  bytes.Buffer
}

func (f *full) Write(p []byte) (int, error) {
	n, err := min(f.room, len(p)), error(nil)
	if n < len(p) {
		err = errors.New("no space left on device")
	}
	f.room -= n
	f.got.Write(p[:n])
	return n, err
}

// A line that was torn by a full disk spoils no other.
func TestFullDisk(t *testing.T) {
	out := &full{room: 50}
	l, err := audit.New(audit.Options{Stdout: out, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	l.Act(t.Context(), audit.Event{Action: audit.Login})
	out.room = 1000
	l.Act(t.Context(), audit.Event{Action: audit.AdminSignOut})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.got.String(), "\n")
	if len(lines) != 3 || len(lines[0]) != 50 || !strings.HasSuffix(lines[1], `"event.action":"admin_sign_out","event.outcome":""}`) || l.Dropped()["file"] != 1 {
		t.Errorf("%d lost: %q", l.Dropped()["file"], lines)
	}
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &database{}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		start := time.Now()
		audit.Retention{Store: d, Keep: time.Hour, Most: 7, Clock: time.Now, Log: quiet()}.Run(ctx)
		first := start.Add(time.Minute - time.Hour).Unix()
		if diff := cmp.Diff([]int64{first, 7, first + 600, 7}, d.pruned); diff != "" {
			t.Error(diff)
		}
	})
}

// A login pays for one copy of the event, its ID and the names of its repositories.
func TestRecordAllocatesLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := withStore(t, &database{hangs: true}, &bytes.Buffer{})
		e := audit.Event{Action: audit.TokenIssued, Requested: []string{"repository:a/b:pull"}}
		l.Record(e)
		time.Sleep(time.Second) // from now on the writer hangs, and allocates nothing
		if n := testing.AllocsPerRun(1000, func() { l.Record(e) }); n > 3 {
			t.Errorf("%v allocations an event", n)
		}
		if lost := l.Dropped()["store"]; lost != 0 {
			t.Errorf("%d events are lost, which costs nothing and proves nothing", lost)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}
