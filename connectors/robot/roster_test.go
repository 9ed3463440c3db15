package robot

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/connectors"

	"github.com/prometheus/client_golang/prometheus"
)

// changing is a source whose answer changes while others ask.
type changing struct {
	mu     sync.Mutex
	robots []Robot
	err    error
}

func (c *changing) set(err error, robots ...Robot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.robots, c.err = robots, err
}

func (c *changing) Robots(context.Context) ([]Robot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.robots, c.err
}

func TestRosterFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &changing{err: errors.New("down")}
		roster := NewRoster(source, time.Now, quiet())
		c := New(roster, nil, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { roster.Run(ctx); close(done) }()
		lookup := func(want connectors.Kind, when string) {
			t.Helper()
			synctest.Wait()
			if got := c.Lookup(t.Context(), "robot.ci"); got.Kind() != want {
				t.Errorf("%s: %s, want %s", when, got, want)
			}
		}
		lookup(connectors.KindUnavailable, "while the store is down")
		source.set(nil, Robot{Name: "ci", ExpiresAt: time.Now().Add(time.Hour)})
		time.Sleep(retryEvery)
		lookup(connectors.KindGranted, "a second after it is back")

		source.set(nil)
		lookup(connectors.KindGranted, "before anybody says so")
		roster.Changed("ci")
		lookup(connectors.KindDenied, "as soon as somebody says so")

		source.set(nil, Robot{Name: "ci", ExpiresAt: time.Now().Add(time.Hour)})
		time.Sleep(resync)
		lookup(connectors.KindGranted, "a minute later in any case")

		source.set(errors.New("down"))
		roster.Changed("other")
		lookup(connectors.KindGranted, "while the store is down again")
		roster.Changed("ci")
		lookup(connectors.KindUnavailable, "an edit that the store cannot tell of")
		time.Sleep(10 * retryEvery)
		lookup(connectors.KindUnavailable, "and still cannot")
		source.set(nil)
		time.Sleep(retryEvery)
		lookup(connectors.KindDenied, "an edit from the outage")

		cancel()
		<-done
	})
}

// A read that began before an edit must not be the last word: what is announced
// while the robots are read has them read again, once however many they were.
func TestRosterReadsAgainWhatChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &blocking{entered: make(chan struct{}), release: make(chan struct{})}
		roster := NewRoster(source, time.Now, quiet())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { roster.Run(ctx); close(done) }()
		<-source.entered
		for range 100 {
			roster.Changed("ci")
		}
		source.release <- struct{}{}
		<-source.entered // again
		source.release <- struct{}{}
		synctest.Wait()
		select {
		case <-source.entered:
			t.Error("100 changes during one read are more than one further read")
			source.release <- struct{}{}
		default:
		}
		cancel()
		<-done
	})
}

// blocking answers when it is told to.
type blocking struct{ entered, release chan struct{} }

func (b *blocking) Robots(context.Context) ([]Robot, error) {
	b.entered <- struct{}{}
	<-b.release
	return nil, nil
}

func TestMetrics(t *testing.T) {
	now := start
	source := &listed{}
	roster := NewRoster(source, func() time.Time { return now }, quiet())
	reg := prometheus.NewRegistry()
	reg.MustRegister(NewMetrics(roster, func() time.Time { return now }))
	gather := func() map[string]float64 {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				name := f.GetName()
				for _, l := range m.GetLabel() {
					name += " " + l.GetValue()
				}
				got[name] = m.GetGauge().GetValue()
			}
		}
		return got
	}
	if got := gather(); len(got) != 0 {
		t.Errorf("before the robots were read: %v", got)
	}
	source.robots = []Robot{
		{Name: "a", ExpiresAt: now.Add(ExpiringWithin + time.Second)}, {Name: "b", ExpiresAt: now.Add(ExpiringWithin)},
		{Name: "c", ExpiresAt: now}, {Name: "d", ExpiresAt: now.AddDate(1, 0, 0), Disabled: true}, {Name: "e", ExpiresAt: now, Disabled: true},
	}
	if err := roster.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func(want map[string]float64) {
		t.Helper()
		got := gather()
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s is %v, want %v", name, got[name], value)
			}
		}
	}
	check(map[string]float64{
		"drawbridge_robots active": 1, "drawbridge_robots expiring": 1, "drawbridge_robots expired": 2, "drawbridge_robots disabled": 1,
		"drawbridge_robots_read_timestamp_seconds": float64(start.Unix()),
	})
	now = now.Add(time.Second) // and nothing is read
	check(map[string]float64{"drawbridge_robots active": 0, "drawbridge_robots expiring": 2, "drawbridge_robots expired": 2})
}
