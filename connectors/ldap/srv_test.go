package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"

	ldap3 "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

// zone is a DNS resolver with the records a test gives it, and with an error for
// every question while err is set. What a real one answers is tested against one.
type zone struct {
	mu      sync.Mutex
	records map[string][]*net.SRV // by _ldap._tcp.corp.example.
	err     error
	asked   []string
}

func (z *zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	question := "_" + service + "._" + proto + "." + name
	z.asked = append(z.asked, question)
	if z.err != nil {
		return "", nil, z.err
	}
	var answer []*net.SRV
	for _, r := range z.records[question] {
		one := *r // what is returned is the caller's
		answer = append(answer, &one)
	}
	if answer == nil {
		return "", nil, &net.DNSError{Err: "no such host", Name: question, IsNotFound: true}
	}
	return question, answer, nil
}

func (z *zone) set(question string, records ...*net.SRV) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.records == nil {
		z.records = map[string][]*net.SRV{}
	}
	z.records[question] = records
}

func (z *zone) fail(err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.err = err
}

func (z *zone) questions() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.asked)
}

func srv(target string, port, priority, weight uint16) *net.SRV {
	return &net.SRV{Target: target, Port: port, Priority: priority, Weight: weight}
}

// srvClient is a connector with the urls whose domains the zone answers for. Every
// host name is this machine.
func srvClient(t *testing.T, clock func() time.Time, z *zone, log *slog.Logger, urls ...string) *Connector {
	t.Helper()
	cfg := valid()
	cfg.Timeout = 4 * time.Second
	cfg.LDAP.Groups.Mode, cfg.LDAP.URLs, cfg.LDAP.Insecure = configs.GroupsNone, urls, true
	c, err := New(cfg, Deps{Log: log, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, s := range c.sources {
		if d, ok := s.(*srvDomain); ok {
			d.resolver = z
			d.transport.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				_, port, err := net.SplitHostPort(addr)
				if err != nil {
					return nil, err
				}
				return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
			}
		}
	}
	return c
}

func addrs(hosts []*host) []string {
	var all []string
	for _, h := range hosts {
		all = append(all, h.addr)
	}
	return all
}

func portOf(t *testing.T, s *script) uint16 {
	t.Helper()
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(n)
}

// TestSRVQuestions: which records are asked for, and what is made of them.
func TestSRVQuestions(t *testing.T) {
	const ldap, ldaps = "_ldap._tcp.corp.example.", "_ldaps._tcp.corp.example."
	for _, tt := range []struct {
		name, url string
		records   map[string][]*net.SRV
		err       error
		asked     []string
		want      []string
		fault     string
	}{
		{name: "plain", url: "ldap+srv://corp.example", records: map[string][]*net.SRV{ldap: {srv("dc1.corp.example.", 389, 0, 0)}},
			asked: []string{ldap}, want: []string{"dc1.corp.example:389"}},
		{name: "ldaps", url: "ldaps+srv://corp.example", records: map[string][]*net.SRV{ldaps: {srv("dc1.corp.example.", 6360, 0, 0)}, ldap: {srv("dc2.corp.example.", 389, 0, 0)}},
			asked: []string{ldaps}, want: []string{"dc1.corp.example:6360"}},
		{name: "Active Directory has no _ldaps", url: "ldaps+srv://corp.example", records: map[string][]*net.SRV{ldap: {srv("DC1.Corp.Example.", 389, 0, 0)}},
			asked: []string{ldaps, ldap}, want: []string{"dc1.corp.example:636"}},
		{name: "a failure is not an absence", url: "ldaps+srv://corp.example", err: &net.DNSError{Err: "server misbehaving", IsTemporary: true},
			asked: []string{ldaps}, fault: "server misbehaving"},
		{name: "nothing", url: "ldaps+srv://corp.example", asked: []string{ldaps, ldap}, fault: "no such host"},
		{name: "not offered", url: "ldaps+srv://corp.example", records: map[string][]*net.SRV{ldaps: {srv(".", 0, 0, 0)}, ldap: {srv("dc1.corp.example.", 389, 0, 0)}},
			asked: []string{ldaps}, fault: "no such service"},
		{name: "a site", url: "ldap+srv://Berlin._sites.corp.example", records: map[string][]*net.SRV{"_ldap._tcp.Berlin._sites.corp.example.": {srv("dc1.corp.example.", 389, 0, 0)}},
			asked: []string{"_ldap._tcp.Berlin._sites.corp.example."}, want: []string{"dc1.corp.example:389"}},
		{name: "twice", url: "ldap+srv://corp.example.", records: map[string][]*net.SRV{ldap: {srv("dc1.corp.example.", 389, 0, 0), srv("DC1.corp.example", 389, 1, 0)}},
			asked: []string{ldap}, want: []string{"dc1.corp.example:389"}},
		{name: "elsewhere", url: "ldap+srv://corp.example", records: map[string][]*net.SRV{ldap: {
			srv("evil.example.", 389, 0, 0), srv("dc1.corp.example.evil.test.", 389, 0, 0), srv("evilcorp.example.", 389, 0, 0),
			srv("127.0.0.1.", 389, 0, 0), srv("example.", 389, 0, 0), srv(".", 389, 0, 0), srv("a.corp.example.", 389, 9, 0), srv("corp.example.", 390, 9, 0),
		}}, asked: []string{ldap}, want: []string{"a.corp.example:389", "corp.example:390"}},
		{name: "all elsewhere", url: "ldap+srv://corp.example", records: map[string][]*net.SRV{ldap: {srv("evil.example.", 389, 0, 0)}},
			asked: []string{ldap}, fault: "none is in corp.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			z := &zone{records: tt.records, err: tt.err}
			c := srvClient(t, nil, z, slog.New(slog.DiscardHandler), tt.url)
			hosts, err := c.sources.hosts(t.Context())
			if got := addrs(hosts); tt.fault == "" {
				slices.Sort(got)
				if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
					t.Errorf("error %v, hosts (-want +got):\n%s", err, diff)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.fault) || len(got) > 0 {
				t.Errorf("got %v and %v, want an error with %q", got, err, tt.fault)
			}
			for _, h := range hosts {
				if name, _, _ := net.SplitHostPort(h.addr); h.tls != nil && h.tls.ServerName != name {
					t.Errorf("the certificate of %s must be for %q", h.addr, h.tls.ServerName)
				}
			}
			if diff := cmp.Diff(tt.asked, z.questions()); diff != "" {
				t.Errorf("questions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSRVOrder draws by chance what a test says: priorities in their order, and in
// one priority by weight.
func TestSRVOrder(t *testing.T) {
	z := &zone{}
	z.set("_ldap._tcp.corp.example.", srv("last.corp.example.", 1, 20, 100), srv("a.corp.example.", 1, 10, 60),
		srv("zero.corp.example.", 1, 10, 0), srv("b.corp.example.", 1, 10, 40), srv("x.corp.example.", 1, 5, 0), srv("y.corp.example.", 1, 5, 0))
	c := srvClient(t, nil, z, slog.New(slog.DiscardHandler), "ldap+srv://corp.example")
	d := c.sources[0].(*srvDomain)
	for _, tt := range []struct {
		draws []int64 // the numbers drawn, and below how many
		want  string
	}{
		{[]int64{0, 2, 0, 1, 0, 101, 0, 101, 0, 41, 0, 101}, "x y zero a b last"},
		{[]int64{1, 2, 0, 1, 1, 101, 40, 41, 0, 1, 7, 101}, "y x a b zero last"},
		{[]int64{1, 2, 0, 1, 60, 101, 1, 41, 0, 1, 7, 101}, "y x a b zero last"},
		{[]int64{1, 2, 0, 1, 61, 101, 0, 61, 0, 61, 100, 101}, "y x b zero a last"},
		{[]int64{1, 2, 0, 1, 100, 101, 60, 61, 0, 1, 0, 101}, "y x b a zero last"},
	} {
		draws := tt.draws
		d.random = func(n int64) int64 {
			if draws[1] != n {
				t.Fatalf("%s: drawn below %d, want %d", tt.want, n, draws[1])
			}
			drawn := draws[0]
			draws = draws[2:]
			return drawn
		}
		hosts, err := d.hosts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(strings.Join(addrs(hosts), " "), ".corp.example:1", "")
		if got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// TestSRVSharesTheLoad with the real chance: the heavier host is mostly first, the
// lighter one sometimes, the one of a later priority never.
func TestSRVSharesTheLoad(t *testing.T) {
	z := &zone{}
	z.set("_ldap._tcp.corp.example.", srv("heavy.corp.example.", 1, 1, 90), srv("light.corp.example.", 1, 1, 10), srv("spare.corp.example.", 1, 2, 1000))
	c := srvClient(t, nil, z, slog.New(slog.DiscardHandler), "ldap+srv://corp.example")
	first := map[string]int{}
	for range 2000 {
		hosts, err := c.sources.hosts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		first[hosts[0].addr]++
	}
	// 200 are expected of the light one; 100 and 300 are over 7 standard deviations away.
	if n := first["light.corp.example:1"]; n < 100 || n > 300 || first["spare.corp.example:1"] > 0 {
		t.Errorf("%v came first", first)
	}
	if n := len(z.questions()); n != 1 {
		t.Errorf("DNS was asked %d times", n)
	}
}

// TestSRVAnswerIsKept: it is used for its time without a question, then asked for
// again behind the back of logins; while DNS fails, or answers nothing that can be
// used, it stays, with the breakers of its hosts.
func TestSRVAnswerIsKept(t *testing.T) {
	const question = "_ldap._tcp.corp.example."
	clock := &manual{now: time.Unix(1000, 0)}
	s := serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, "")))
	z := &zone{}
	z.set(question, srv("dc1.corp.example.", portOf(t, s), 0, 0))
	var log lines
	c := srvClient(t, clock.Now, z, slog.New(slog.NewTextHandler(&log, nil)), "ldap+srv://corp.example")
	asked := func(want int) {
		t.Helper()
		expect(t, authenticate(c), connectors.KindGranted, "")
		until(t, fmt.Sprintf("DNS is asked %d times", want), func() bool { return len(z.questions()) == want })
		c.sources[0].(*srvDomain).flight.Do("", func() (any, error) { return nil, nil }) //nolint:errcheck // waits for the one under way
	}
	asked(1)
	asked(1)
	clock.advance(srvFresh)
	asked(2)
	dc1 := c.sources.known()[0]
	dc1.failed(clock.Now())

	clock.advance(srvFresh)
	z.fail(errors.New("no DNS today"))
	asked(3)
	clock.advance(srvRetry - 1)
	asked(3)
	clock.advance(1)
	z.fail(nil)
	z.set(question, srv("dc1.evil.test.", portOf(t, s), 0, 0))
	asked(4)
	clock.advance(srvRetry)
	z.set(question)
	asked(5)
	clock.advance(srvRetry)
	z.set(question, srv("dc2.corp.example.", 1, 0, 0), srv("dc1.corp.example.", portOf(t, s), 5, 0))
	asked(6)
	known := c.sources.known()
	if diff := cmp.Diff([]string{"dc2.corp.example:1", dc1.addr}, addrs(known)); diff != "" || known[1] != dc1 {
		t.Errorf("the host with its breaker is lost: %s", diff)
	}
	if got := strings.Count(log.String(), "stay in use"); got != 1 {
		t.Errorf("%d warnings of one outage of DNS:\n%s", got, log.String())
	}
	if !strings.Contains(log.String(), "servers=dc1.evil.test") {
		t.Errorf("the server outside the domain is not reported:\n%s", log.String())
	}
}

// TestSRVWithoutDNS: before the first answer a login is Unavailable, and a flood of
// them is no flood of questions; hosts that are listed beside it are used.
func TestSRVWithoutDNS(t *testing.T) {
	clock := &manual{now: time.Unix(1000, 0)}
	z := &zone{err: errors.New("no DNS today")}
	s := serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, "")))
	alone := srvClient(t, clock.Now, z, slog.New(slog.DiscardHandler), "ldap+srv://corp.example")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { expect(t, authenticate(alone), connectors.KindUnavailable, "") })
	}
	wg.Wait()
	if n := len(z.questions()); n != 1 {
		t.Errorf("20 logins asked %d questions", n)
	}
	clock.advance(srvRetry)
	z.fail(nil)
	z.set("_ldap._tcp.corp.example.", srv("dc1.corp.example.", portOf(t, s), 0, 0))
	expect(t, authenticate(alone), connectors.KindGranted, "")

	beside := srvClient(t, clock.Now, &zone{err: errors.New("no DNS today")}, slog.New(slog.DiscardHandler), "ldap+srv://corp.example", "ldap://"+s.addr)
	expect(t, authenticate(beside), connectors.KindGranted, "")
}

// TestSRVOpenBreaker: a dead host of the best priority is left alone, and used
// again when it is back.
func TestSRVOpenBreaker(t *testing.T) {
	clock := &manual{now: time.Unix(1000, 0)}
	first, second := serve(t, polite()), serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, "")))
	z := &zone{}
	z.set("_ldap._tcp.corp.example.", srv("dc1.corp.example.", portOf(t, first), 0, 0), srv("dc2.corp.example.", portOf(t, second), 1, 0))
	c := srvClient(t, clock.Now, z, slog.New(slog.DiscardHandler), "ldap+srv://corp.example")
	if _, err := c.sources.hosts(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.sources.known()[0].failed(clock.Now())
	expect(t, authenticate(c), connectors.KindGranted, "")
	if n := first.count(ldap3.ApplicationBindRequest); n != 0 {
		t.Errorf("the host that failed saw %d binds", n)
	}
	first.mu.Lock()
	first.answer = polite(found("uid=alice,dc=x", "alice"), searchDone(0, ""))
	first.mu.Unlock()
	clock.advance(maxIdle) // the breaker's time is over, and no pooled connection to the second is left
	expect(t, authenticate(c), connectors.KindGranted, "")
	if n := first.count(ldap3.ApplicationBindRequest); n == 0 {
		t.Error("the host that is back is not used")
	}
}

// TestSRVTargetsAreBounded: DNS cannot make us know hosts without end.
func TestSRVTargetsAreBounded(t *testing.T) {
	z := &zone{}
	var many []*net.SRV
	for i := range 2 * maxTargets {
		many = append(many, srv(fmt.Sprintf("dc%d.corp.example.", i), 389, 0, 0))
	}
	z.set("_ldap._tcp.corp.example.", many...)
	c := srvClient(t, nil, z, slog.New(slog.DiscardHandler), "ldap+srv://corp.example")
	if hosts, err := c.sources.hosts(t.Context()); err != nil || len(hosts) != maxTargets {
		t.Errorf("%d hosts, %v", len(hosts), err)
	}
}

// lines is a log that several goroutines write.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// until waits for the condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
