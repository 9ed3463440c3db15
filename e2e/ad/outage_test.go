package ad_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"
)

// TestUntrustedControllerIsUnavailable: a certificate that does not prove who the
// controller is ends the login before any password is sent, and is no 401.
func TestUntrustedControllerIsUnavailable(t *testing.T) {
	s, other := testbed.StartSamba(t), testbed.StartSamba(t)
	for name, set := range map[string]func(*configs.LDAP){
		"wrong CA":           func(l *configs.LDAP) { l.CAFile = other.CAFile },
		"wrong CA, StartTLS": func(l *configs.LDAP) { l.URLs, l.StartTLS, l.CAFile = []string{s.URL()}, true, other.CAFile },
		"the system's CAs":   func(l *configs.LDAP) { l.CAFile = "" },
		"another controller": func(l *configs.LDAP) { l.URLs = []string{other.LDAPSURL()} },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings(s)
			cfg.Timeout = 4 * time.Second
			set(&cfg.LDAP)
			out := login(connect(t, cfg, ldap.Deps{}), "alice", testbed.SeedPassword("alice"))
			mustBe(t, out, connectors.KindUnavailable)
			if cause := out.Cause(); cause == nil || !strings.Contains(cause.Error(), "x509") {
				t.Errorf("the cause does not say what is wrong: %v", cause)
			}
		})
	}
	if logons := s.Account("svc-drawbridge", "lastLogon").GetAttributeValue("lastLogon"); logons != "" && logons != "0" {
		t.Errorf("the service account has logged on at %s", logons)
	}
	mustGrant(t, connect(t, settings(s), ldap.Deps{}), "alice", "alice")
}

// TestPasswordsWithoutTLSAreRefused: a controller's default is to refuse a bind
// in the clear, which is the settings' fault and not the caller's.
func TestPasswordsWithoutTLSAreRefused(t *testing.T) {
	s := testbed.StartSamba(t, testbed.SambaStrongAuth())
	cfg := settings(s)
	cfg.LDAP.URLs, cfg.LDAP.CAFile = []string{s.URL()}, ""
	mustBe(t, login(connect(t, cfg, ldap.Deps{}), "alice", testbed.SeedPassword("alice")), connectors.KindMisconfigured)
	cfg.LDAP.StartTLS, cfg.LDAP.CAFile = true, s.CAFile
	mustGrant(t, connect(t, cfg, ldap.Deps{}), "alice", "alice")
	mustGrant(t, connect(t, settings(s), ldap.Deps{}), "alice", "alice")
}

// TestServiceAccountRefused: whatever is wrong with our own account, it is never
// the caller's password. Anonymous searches are refused by Active Directory.
func TestServiceAccountRefused(t *testing.T) {
	s := testbed.StartSamba(t)
	for name, set := range map[string]func(*configs.LDAP){
		"wrong password": func(l *configs.LDAP) { l.BindPassword = identity.NewSecret("wrong") },
		"unknown":        func(l *configs.LDAP) { l.BindDN = "CN=nobody," + s.BaseDN },
		"disabled": func(l *configs.LDAP) {
			l.BindDN, l.BindPassword = s.DN("disabled"), identity.NewSecret(testbed.SeedPassword("disabled"))
		},
		"must change": func(l *configs.LDAP) {
			l.BindDN, l.BindPassword = s.DN("must-change"), identity.NewSecret(testbed.SeedPassword("must-change"))
		},
		"anonymous": func(l *configs.LDAP) { l.BindDN, l.BindPassword = "", identity.Secret{} },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings(s)
			set(&cfg.LDAP)
			c := connect(t, cfg, ldap.Deps{})
			for _, username := range []string{"alice", "nobody"} {
				out := login(c, username, testbed.SeedPassword("alice"))
				if name != "anonymous" {
					mustBe(t, out, connectors.KindMisconfigured)
				} else if kind := out.Kind(); kind != connectors.KindMisconfigured && kind != connectors.KindUnavailable {
					t.Errorf("got %v", out)
				}
			}
		})
	}
}

// pair starts two controllers of the domain and returns settings that name both.
func pair(t *testing.T) (first, second *testbed.Samba, cfg configs.Connector) {
	t.Helper()
	first = testbed.StartSamba(t, testbed.SambaCertifiedFor("dc1.ad.example"))
	second = testbed.StartSamba(t, testbed.SambaCertifiedFor("dc2.ad.example"))
	cfg = settings(first)
	cfg.LDAP.URLs = []string{first.LDAPSURL(), second.LDAPSURL()}
	cfg.LDAP.CAFile = filepath.Join(t.TempDir(), "both.pem")
	var both []byte
	for _, s := range []*testbed.Samba{first, second} {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, pem...)
	}
	if err := os.WriteFile(cfg.LDAP.CAFile, both, 0o600); err != nil {
		t.Fatal(err)
	}
	return first, second, cfg
}

// TestControllerKilledWhileASecondAnswers: killed, and paused, the first
// controller costs no login; with both gone nobody is told "wrong password".
func TestControllerKilledWhileASecondAnswers(t *testing.T) {
	first, second, cfg := pair(t)
	setLockout(second)
	warm, cold := connect(t, cfg, ldap.Deps{}), connect(t, cfg, ldap.Deps{})
	id := mustGrant(t, warm, "alice", "alice")
	for name, fail := range map[string]func(){"killed": first.Kill, "paused": first.Pause} {
		fail()
		for _, c := range []*ldap.Connector{warm, cold} {
			start := time.Now()
			if got := mustGrant(t, c, "alice@ad.example", "alice"); got.StableID != id.StableID || got.Groups[0] != "payments-dev" {
				t.Errorf("%s: the second controller has another alice: %+v", name, got)
			}
			if took := time.Since(start); took > cfg.Timeout {
				t.Errorf("%s: the login took %s", name, took)
			}
			mustDeny(t, login(c, "alice", "wrong"), connectors.WrongPassword)
			mustDeny(t, login(c, "disabled", testbed.SeedPassword("disabled")), connectors.AccountDisabled)
			mustBe(t, login(c, "nobody", "wrong"), connectors.KindNotMine)
			mustGrant(t, c, "alice", "alice") // and sets the count of bad passwords back
		}
		if name == "killed" {
			first.Start()
		} else {
			first.Resume()
		}
	}
	first.Kill()
	second.Kill()
	for _, password := range []string{testbed.SeedPassword("alice"), "wrong"} {
		mustBe(t, login(warm, "alice", password), connectors.KindUnavailable)
		mustBe(t, login(cold, "alice", password), connectors.KindUnavailable)
	}
	first.Start()
	mustGrant(t, warm, "alice", "alice")
}

// TestControllersKilledUnderLoad: while one of two controllers is always away,
// every login is answered rightly or with Unavailable, and in its own name.
func TestControllersKilledUnderLoad(t *testing.T) {
	first, second, cfg := pair(t)
	c := connect(t, cfg, ldap.Deps{})
	people := testbed.SambaPeople()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				account := people[i%len(people)]
				out := login(c, account, testbed.SeedPassword(account))
				if out.Kind() != connectors.KindUnavailable && (out.Kind() != connectors.KindGranted || out.Identity().Name != account) {
					t.Errorf("%q is answered %v", account, out)
					return
				}
			}
		})
	}
	for range 2 {
		for _, s := range []*testbed.Samba{first, second} {
			s.Kill()
			s.Start()
		}
	}
	close(stop)
	wg.Wait()
	mustGrant(t, c, "alice", "alice")
}
