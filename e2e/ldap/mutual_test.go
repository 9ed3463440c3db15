package ldap_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
)

// TestMutualTLS: a server that demands a certificate gets ours and no other one's,
// over LDAPS and StartTLS; without it nobody is told that a password is wrong.
func TestMutualTLS(t *testing.T) {
	s, other := testbed.StartSlapd(t, testbed.DemandClientCertificate()), testbed.StartSlapd(t)
	for name, transport := range map[string]func(*configs.LDAP){
		"LDAPS":    func(l *configs.LDAP) { l.URLs = []string{s.LDAPSURL()} },
		"StartTLS": func(l *configs.LDAP) { l.StartTLS = true },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings(s)
			cfg.Timeout = 4 * time.Second
			cfg.LDAP.CAFile = s.CAFile
			transport(&cfg.LDAP)
			binds := s.Binds()
			mustBe(t, login(connect(t, cfg, ldap.Deps{}), "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
			cfg.LDAP.ClientCertFile, cfg.LDAP.ClientKeyFile = other.ClientCertFile, other.ClientKeyFile
			mustBe(t, login(connect(t, cfg, ldap.Deps{}), "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
			if n := s.Binds() - binds; n != 0 {
				t.Errorf("%d binds without the certificate", n)
			}
			cfg.LDAP.ClientCertFile, cfg.LDAP.ClientKeyFile = s.ClientCertFile, s.ClientKeyFile
			c := connect(t, cfg, ldap.Deps{})
			mustGrant(t, c, "alice")
			mustDeny(t, login(c, "alice", "wrong"), connectors.WrongPassword)
		})
	}
}

// TestClientCertificateIsRenewed: files that change are shown by the next
// connection, and files that do not fit are not.
func TestClientCertificateIsRenewed(t *testing.T) {
	s, other := testbed.StartSlapd(t, testbed.DemandClientCertificate()), testbed.StartSlapd(t)
	dir := t.TempDir()
	cfg := settings(s)
	cfg.Timeout = 4 * time.Second
	cfg.LDAP.URLs, cfg.LDAP.CAFile = []string{s.LDAPSURL()}, s.CAFile
	cfg.LDAP.ClientCertFile, cfg.LDAP.ClientKeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	age := time.Hour
	put := func(file, from string) {
		t.Helper()
		pem, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, pem, 0o600); err != nil {
			t.Fatal(err)
		}
		age -= time.Minute // the clock of a file system may be coarse
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	put(cfg.LDAP.ClientCertFile, other.ClientCertFile)
	put(cfg.LDAP.ClientKeyFile, other.ClientKeyFile)
	c := connect(t, cfg, ldap.Deps{})
	mustBe(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
	put(cfg.LDAP.ClientCertFile, s.ClientCertFile)
	put(cfg.LDAP.ClientKeyFile, s.ClientKeyFile)
	mustGrant(t, c, "alice")
	put(cfg.LDAP.ClientCertFile, s.CAFile) // no pair
	mustGrant(t, c, "alice")

	if _, err := ldap.New(cfg, ldap.Deps{Log: discard()}); err == nil {
		t.Error("files that do not fit are accepted at the start")
	}
	cfg.LDAP.ClientKeyFile = ""
	if _, err := ldap.New(cfg, ldap.Deps{Log: discard()}); err == nil {
		t.Error("a certificate without a key is accepted")
	}
}
