package ldap

import (
	"errors"
	"net"
	"testing"
	"time"

	"drawbridge/connectors"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// TestBreakerBacksOff: the time doubles with each trial that fails, is bounded,
// and one answer ends it.
func TestBreakerBacksOff(t *testing.T) {
	var b breaker
	now := time.Unix(1000, 0)
	want := firstBackoff
	for range 10 {
		b.failed(now)
		b.failed(now) // of a login that was under way: no further step
		if b.state(now) != BreakerOpen || b.preferred(now.Add(want-1)) {
			t.Fatalf("in use before %s", want)
		}
		now = now.Add(want)
		if b.state(now) != BreakerHalfOpen || !b.preferred(now) {
			t.Fatalf("not tried after %s", want)
		}
		if b.preferred(now) || b.preferred(now.Add(trialLease-1)) {
			t.Fatal("two callers try it")
		}
		now = now.Add(trialLease)
		want = min(2*want, maxBackoff)
	}
	b.answered()
	if b.state(now) != BreakerClosed || !b.preferred(now) || !b.preferred(now) {
		t.Error("an answer does not close it")
	}
}

// TestOpenBreakerLetsOneTry, whatever the backoff says.
func TestOpenBreakerLetsOneTry(t *testing.T) {
	var b breaker
	for range openAfter {
		if _, ok := b.enter(); !ok {
			t.Fatal("closed too early")
		}
		b.failed(time.Unix(1000, 0))
	}
	leave, ok := b.enter()
	if _, second := b.enter(); !ok || second {
		t.Fatalf("the first is let in: %v, the second: %v", ok, second)
	}
	leave()
	if leave, ok = b.enter(); !ok {
		t.Fatal("nobody is let in after the first left")
	}
	b.answered()
	if _, ok := b.enter(); !ok {
		t.Error("the host answers and a second caller is kept out")
	}
	leave()
}

// TestOutageIsAnsweredAtOnce: while one login waits for a host that hangs, others
// do not; and the host is used as soon as it answers.
func TestOutageIsAnsweredAtOnce(t *testing.T) {
	s := serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, "")))
	c := client(t, nil, s)
	for range openAfter {
		c.sources.known()[0].failed(time.Now())
	}
	leave, ok := c.sources.known()[0].enter() // a login that hangs
	if !ok {
		t.Fatal("the first is kept out")
	}
	out := authenticate(c)
	expect(t, out, connectors.KindUnavailable, "")
	if !errors.Is(out.Cause(), errHostOpen) || s.count(ldap3.ApplicationBindRequest) != 0 {
		t.Errorf("the cause is %v", out.Cause())
	}
	leave()
	expect(t, authenticate(c), connectors.KindGranted, "")
	if got := c.sources.known()[0].state(time.Now()); got != BreakerClosed {
		t.Errorf("the host is %s", got)
	}
}

// TestDeadFirstHost is dialled once for each backoff, and not by each login.
func TestDeadFirstHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	dials := make(chan struct{}, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
			dials <- struct{}{}
		}
	}()
	clock := &manual{now: time.Unix(1000, 0)}
	second := serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, "")))
	c := client(t, clock.Now, &script{addr: l.Addr().String()}, second)
	for range 5 {
		expect(t, authenticate(c), connectors.KindGranted, "")
	}
	<-dials
	if n := len(dials); n != 0 {
		t.Errorf("the dead host was dialled %d times more", n)
	}
	clock.advance(firstBackoff)
	expect(t, authenticate(c), connectors.KindGranted, "")
	<-dials
}
