package ldap_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
)

// TestUntrustedCertificateIsUnavailable: a certificate of another authority, or
// none, ends the login before the service password is sent, and is no 401.
func TestUntrustedCertificateIsUnavailable(t *testing.T) {
	s, other := testbed.StartSlapd(t), testbed.StartSlapd(t)
	noCA := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(noCA, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func(*configs.LDAP){
		"LDAPS, wrong CA":     func(l *configs.LDAP) { l.URLs, l.CAFile = []string{s.LDAPSURL()}, other.CAFile },
		"StartTLS, wrong CA":  func(l *configs.LDAP) { l.StartTLS, l.CAFile = true, other.CAFile },
		"LDAPS, system's CAs": func(l *configs.LDAP) { l.URLs = []string{s.LDAPSURL()} },
		"LDAPS, wrong name": func(l *configs.LDAP) {
			l.URLs = []string{strings.Replace(s.LDAPSURL(), "127.0.0.1", "127.0.0.2", 1)}
			l.CAFile = s.CAFile
		},
		"LDAPS to the plain port": func(l *configs.LDAP) {
			l.URLs, l.CAFile = []string{strings.Replace(s.URL(), "ldap:", "ldaps:", 1)}, s.CAFile
		},
		"plain to the LDAPS port": func(l *configs.LDAP) {
			l.URLs = []string{strings.Replace(s.LDAPSURL(), "ldaps:", "ldap:", 1)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings(s)
			cfg.Timeout = 2 * time.Second
			set(&cfg.LDAP)
			mustBe(t, login(connect(t, cfg, ldap.Deps{}), "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
		})
	}
	if n := s.Binds(); n != 0 {
		t.Errorf("the service account's password was sent %d times", n)
	}
	cfg := settings(s)
	cfg.LDAP.CAFile = noCA
	if _, err := ldap.New(cfg, ldap.Deps{Log: discard()}); err == nil {
		t.Error("a ca_file without certificates is accepted")
	}
}

func TestServerDownAndBack(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{})
	mustGrant(t, c, "alice")
	s.Stop()
	for _, password := range []string{testbed.SeedPassword("alice"), "wrong"} {
		mustBe(t, login(c, "alice", password), connectors.KindUnavailable)
	}
	mustBe(t, c.Lookup(t.Context(), "alice"), connectors.KindUnavailable)
	s.Start()
	mustGrant(t, c, "alice") // at once: nothing waits for a cool-down
	s.Stop()
	s.Start()
	mustGrant(t, c, "alice") // the pooled connection died unused
}

func TestSecondHostIsUsed(t *testing.T) {
	s, second := testbed.StartSlapd(t), testbed.StartSlapd(t)
	cfg := settings(s)
	cfg.LDAP.URLs = []string{s.URL(), second.URL()}
	c := connect(t, cfg, ldap.Deps{})
	mustGrant(t, c, "alice")
	if second.Binds() != 0 {
		t.Error("the second host is asked while the first answers")
	}
	s.Stop()
	mustGrant(t, c, "alice")
	mustDeny(t, login(c, "bob", "wrong"), connectors.WrongPassword)
	mustBe(t, login(c, "nobody", "wrong"), connectors.KindNotMine)
	second.Stop()
	mustBe(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
}

// TestHungFirstHost: a host that accepts connections and answers nothing leaves
// time for the next one, from the first login on and in the middle of service.
func TestHungFirstHost(t *testing.T) {
	s, second := testbed.StartSlapd(t), testbed.StartSlapd(t)
	for _, scheme := range []string{"ldap", "ldaps"} {
		cfg := settings(s)
		cfg.Timeout = 4 * time.Second
		cfg.LDAP.URLs = []string{s.URL(), second.URL()}
		if scheme == "ldaps" {
			cfg.LDAP.URLs = []string{s.LDAPSURL(), second.LDAPSURL()}
			pem := filepath.Join(t.TempDir(), "both.pem")
			writeBoth(t, pem, s.CAFile, second.CAFile)
			cfg.LDAP.CAFile = pem
		}
		warm, cold := connect(t, cfg, ldap.Deps{}), connect(t, cfg, ldap.Deps{})
		mustGrant(t, warm, "alice")
		s.Pause()
		mustGrant(t, warm, "alice")
		mustGrant(t, cold, "alice")
		mustDeny(t, login(cold, "alice", "wrong"), connectors.WrongPassword)
		s.Resume()
	}
}

func writeBoth(t *testing.T, file string, parts ...string) {
	t.Helper()
	var all []byte
	for _, part := range parts {
		pem, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pem...)
	}
	if err := os.WriteFile(file, all, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPausedServerIsUnavailableInTime: with the only host paused, the answer
// comes within the configured timeout, and the server is used again afterwards.
func TestPausedServerIsUnavailableInTime(t *testing.T) {
	s := testbed.StartSlapd(t)
	for name, set := range map[string]func(*configs.LDAP){
		"plain":    func(*configs.LDAP) {},
		"StartTLS": func(l *configs.LDAP) { l.StartTLS, l.CAFile = true, s.CAFile },
		"LDAPS":    func(l *configs.LDAP) { l.URLs, l.CAFile = []string{s.LDAPSURL()}, s.CAFile },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings(s)
			cfg.Timeout = time.Second
			set(&cfg.LDAP)
			warm, cold := connect(t, cfg, ldap.Deps{}), connect(t, cfg, ldap.Deps{})
			mustGrant(t, warm, "alice")
			s.Pause()
			for _, c := range []*ldap.Connector{warm, cold} {
				start := time.Now()
				mustBe(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
				if took := time.Since(start); took > cfg.Timeout+2*time.Second { // generous: the machine may be slow
					t.Errorf("the answer took %s", took)
				}
			}
			s.Resume()
			mustGrant(t, warm, "alice")
		})
	}
}

// TestCallerWhoLeavesEndsTheLogin: a cancelled context closes the socket under
// an operation that hangs.
func TestCallerWhoLeavesEndsTheLogin(t *testing.T) {
	s := testbed.StartSlapd(t)
	cfg := settings(s)
	cfg.Timeout = time.Hour
	c := connect(t, cfg, ldap.Deps{})
	mustGrant(t, c, "alice")
	s.Pause()
	defer s.Resume()
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan connectors.Outcome)
	go func() { answer <- c.Lookup(ctx, "alice") }()
	cancel()
	mustBe(t, <-answer, connectors.KindUnavailable)
}

// TestServerThatTalksNonsense: what is no LDAP is Unavailable.
func TestServerThatTalksNonsense(t *testing.T) {
	for name, reply := range map[string]string{
		"HTTP": "HTTP/1.1 400 Bad Request\r\n\r\n", "nothing": "", "truncated": "\x30\x84\x7f\xff\xff\xff\x02",
		"unsolicited": "\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Write([]byte(reply))
					_ = conn.Close()
				}
			}()
			cfg := configs.Connector{Name: "corp", Timeout: 2 * time.Second, LDAP: configs.LDAP{
				URLs: []string{"ldap://" + l.Addr().String()},
				User: configs.LDAPUser{BaseDN: "dc=x", Filter: "(uid={username})"},
			}}
			mustBe(t, login(connect(t, cfg, ldap.Deps{}), "alice", "pw"), connectors.KindUnavailable)
		})
	}
}

// TestConcurrentLoginsNeverMixPeople: right and wrong passwords at once, while
// the cache fills; everybody gets their own identity or their own refusal.
func TestConcurrentLoginsNeverMixPeople(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{Lookups: newMapCache(), LookupTTL: time.Minute})
	people := testbed.SeedPeople()
	var wg sync.WaitGroup
	for worker := range 32 {
		wg.Go(func() {
			for i := range 8 {
				username := people[(worker+i)%len(people)]
				if (worker+i)%3 == 0 {
					other := people[(worker+i+1)%len(people)]
					mustDeny(t, login(c, username, testbed.SeedPassword(other)), connectors.WrongPassword)
					continue
				}
				out := login(c, username, testbed.SeedPassword(username))
				if out.Kind() != connectors.KindGranted || out.Identity().Name != username {
					t.Errorf("%q is answered %v", username, out)
				}
			}
		})
	}
	wg.Wait()
}

// TestRestartsUnderLoad: while the server goes away and comes back, a login is
// right or Unavailable, and never a refusal.
func TestRestartsUnderLoad(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{})
	people := testbed.SeedPeople()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := worker; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				username := people[i%len(people)]
				out := login(c, username, testbed.SeedPassword(username))
				switch {
				case out.Kind() == connectors.KindUnavailable:
				case out.Kind() != connectors.KindGranted || out.Identity().Name != username:
					t.Errorf("%q is answered %v", username, out)
					return
				}
			}
		})
	}
	for range 5 {
		s.Stop()
		s.Start()
	}
	close(stop)
	wg.Wait()
	mustGrant(t, c, "alice")
}

// TestNothingLeaks: after hundreds of logins of every outcome, neither a
// goroutine nor a connection is left.
func TestNothingLeaks(t *testing.T) {
	s := testbed.StartSlapd(t)
	cfg := settings(s)
	cfg.LDAP.URLs = []string{"ldap://127.0.0.1:1", s.URL()}
	before := runtime.NumGoroutine()
	c, err := ldap.New(cfg, ldap.Deps{Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		switch i % 3 {
		case 0:
			mustGrant(t, c, "alice")
		case 1:
			mustDeny(t, login(c, "bob", "wrong"), connectors.WrongPassword)
		case 2:
			mustBe(t, login(c, fmt.Sprint("nobody", i), "wrong"), connectors.KindNotMine)
		}
	}
	eventually(t, "one pooled connection", func() bool { return s.Connections() == 1 })
	c.Close()
	eventually(t, "no connection", func() bool { return s.Connections() == 0 })
	eventually(t, "no goroutine", func() bool { return runtime.NumGoroutine() <= before })
	mustBe(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
}

// eventually waits for the condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("never %s:\n%s", what, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
