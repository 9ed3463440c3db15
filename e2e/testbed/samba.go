package testbed

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// The names of the domain that [StartSamba] serves.
const (
	SambaBaseDN     = "DC=ad,DC=example"
	sambaUsers      = "CN=Users," + SambaBaseDN
	sambaAdminDN    = "CN=Administrator," + sambaUsers
	sambaAdminPW    = "Passw0rd-admin"
	sambaServiceDN  = "CN=svc-drawbridge," + sambaUsers
	sambaServiceUPN = "svc-drawbridge@ad.example"
)

// Samba is a running Active Directory domain controller: Samba's, on a loopback
// address of its own, because the ports of Active Directory are fixed. It ends
// with the test.
//
// Every controller starts from the same seeded domain, see [SambaPeople]. Two of
// them have the same people with the same object GUIDs, as the controllers of one
// domain have, but do not replicate what is changed afterwards.
type Samba struct {
	// Host is the address the controller listens on.
	Host string
	// BaseDN is the domain's root. People and groups live in CN=Users under it.
	BaseDN string
	// BindDN and BindPassword are the service account's, an ordinary member of
	// Domain Users. BindUPN is its other name.
	BindDN, BindUPN, BindPassword string
	// CAFile is the PEM certificate of the authority behind LDAPS and StartTLS.
	CAFile string

	t        testing.TB
	dir      string
	further  []string // lines of smb.conf
	names    []string // in the certificate, beside Host
	run      *process
	insecure bool
}

// SambaOption changes how [StartSamba] starts.
type SambaOption func(*Samba)

// SambaStrongAuth keeps Samba's default, by which a password is refused on a
// connection without TLS. Without the option plain LDAP works as well.
func SambaStrongAuth() SambaOption { return func(s *Samba) { s.insecure = false } }

// SambaCertifiedFor puts further names into the controller's certificate.
func SambaCertifiedFor(names ...string) SambaOption { return func(s *Samba) { s.names = names } }

// StartSamba starts a domain controller with a copy of the seeded domain and
// stops it when the test ends. It fails the test where Samba is not installed or
// the test does not run as root: the ports are below 1024.
func StartSamba(t testing.TB, opts ...SambaOption) *Samba {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("Samba's domain controller listens on the ports 389 and 636 and runs as root only: run the tests as root")
	}
	s := &Samba{
		BaseDN: SambaBaseDN, BindDN: sambaServiceDN, BindUPN: sambaServiceUPN,
		BindPassword: SeedPassword("svc-drawbridge"),
		t:            t, dir: t.TempDir(), insecure: true,
	}
	for _, opt := range opts {
		opt(s)
	}
	template, err := sambaTemplate(t)
	if err != nil {
		t.Fatalf("provision a domain: %v", err)
	}
	if err := os.CopyFS(s.dir, os.DirFS(template)); err != nil {
		t.Fatalf("copy the domain: %v", err)
	}
	s.Host = claimAddress(t)
	if err := s.certificates(); err != nil {
		t.Fatalf("make certificates for Samba: %v", err)
	}
	if err := s.writeConfig(); err != nil {
		t.Fatal(err)
	}
	s.Start()
	return s
}

// sambaProgram finds a program of Samba's. The daemon is in no user's PATH on
// Debian.
func sambaProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	sbin := filepath.Join("/usr/sbin", name)
	if _, err := os.Stat(sbin); err != nil {
		return "", fmt.Errorf("%s is not installed: run `make tools`", name)
	}
	return sbin, nil
}

// certificates makes the authority and the certificate of this controller. Those
// that Samba makes itself name the host in the common name only, and many have a
// negative serial number, which RFC 5280 forbids and Go refuses.
func (s *Samba) certificates() error {
	s.CAFile = filepath.Join(s.dir, "ca.pem")
	for _, file := range []string{"ca.pem", "server.pem", "server.key"} {
		s.further = append(s.further, map[string]string{
			"ca.pem": "tls cafile", "server.pem": "tls certfile", "server.key": "tls keyfile",
		}[file]+" = "+filepath.Join(s.dir, file))
	}
	return writeTestCertificates(s.dir, append(s.names, s.Host)...)
}

// writeConfig writes the controller's smb.conf. Every path in it is under our
// folder, so that nothing of the machine's own Samba is read or written.
func (s *Samba) writeConfig() error {
	strong := "yes"
	if s.insecure {
		strong = "no"
	}
	lines := append(sambaPaths(s.dir),
		"netbios name = DC1", "realm = AD.EXAMPLE", "workgroup = AD",
		"server role = active directory domain controller",
		"server services = ldap", // no SMB, RPC, DNS or Kerberos: LDAP is what is tested
		// Samba takes no address with a mask of 32 bits for an interface.
		"interfaces = "+s.Host+"/8", "bind interfaces only = yes",
		"ldap server require strong auth = "+strong,
		"max log size = 0",
	)
	text := "[global]\n" + strings.Join(append(lines, s.further...), "\n") + "\n"
	return os.WriteFile(s.config(), []byte(text), 0o600)
}

func (s *Samba) config() string { return filepath.Join(s.dir, "smb.conf") }

// Start starts a controller that was stopped or killed again, with the data it
// had, and waits until it answers a bind.
func (s *Samba) Start() {
	s.t.Helper()
	program, err := sambaProgram("samba")
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), program, // #nosec G204 -- our own file
		"-i", "-M", "single", "--debug-stdout", "--configfile="+s.config())
	run := startProcess(s.t, cmd)
	s.run = run
	// Runs before startProcess's cleaning up, which knows no pause.
	s.t.Cleanup(func() { _ = run.cmd.Process.Signal(syscall.SIGCONT) })
	var last error
	if err := s.run.await("answer to a bind", func() bool {
		var conn *ldap.Conn
		if conn, last = s.admin(); last != nil {
			return false
		}
		return conn.Close() == nil
	}); err != nil {
		s.t.Fatalf("%v\nthe last attempt: %v", err, last)
	}
}

// Stop ends the controller and waits for its end.
func (s *Samba) Stop() {
	s.Resume()
	s.run.terminate()
}

// Kill ends the controller at once, as kill -9 does, and waits for its end.
func (s *Samba) Kill() {
	s.run.signal(s.t, syscall.SIGKILL)
	<-s.run.done
}

// Pause stops the process with SIGSTOP: the kernel goes on accepting connections
// and nobody answers them.
func (s *Samba) Pause() { s.run.signal(s.t, syscall.SIGSTOP) }

// Resume ends a pause.
func (s *Samba) Resume() { s.run.signal(s.t, syscall.SIGCONT) }

// URL is the ldap:// URL, for plain LDAP and StartTLS.
func (s *Samba) URL() string { return "ldap://" + s.Host }

// LDAPSURL is the ldaps:// URL. Its certificate is for [Samba.Host].
func (s *Samba) LDAPSURL() string { return "ldaps://" + s.Host }

// GlobalCatalogURL is the ldap:// URL of the global catalog.
func (s *Samba) GlobalCatalogURL() string { return "ldap://" + s.Host + ":3268" }

// admin returns a connection bound as the domain's administrator. Where plain LDAP
// is refused it goes over TLS; the certificate proves nothing to a test bed that
// has started the server itself.
func (s *Samba) admin() (*ldap.Conn, error) {
	dialer := ldap.DialWithDialer(&net.Dialer{Timeout: time.Second})
	url, trust := s.URL(), ldap.DialWithTLSConfig(nil)
	if !s.insecure {
		url, trust = s.LDAPSURL(), ldap.DialWithTLSConfig(trustAnything())
	}
	conn, err := ldap.DialURL(url, dialer, trust)
	if err != nil {
		return nil, err
	}
	conn.SetTimeout(startPatience)
	if err := conn.Bind(sambaAdminDN, sambaAdminPW); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}
