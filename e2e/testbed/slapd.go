package testbed

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// The names of the directory that [StartSlapd] seeds.
const (
	SlapdBaseDN  = "dc=corp,dc=example"
	slapdAdminDN = "cn=admin," + SlapdBaseDN
	slapdAdminPW = "admin-secret"
	serviceDN    = "cn=drawbridge,ou=services," + SlapdBaseDN
	servicePW    = "service-secret"
	peopleOU     = "ou=people," + SlapdBaseDN
	groupsOU     = "ou=groups," + SlapdBaseDN
	policiesOU   = "ou=policies," + SlapdBaseDN
)

// Slapd is a running OpenLDAP server on loopback, with the overlays memberof and
// ppolicy, seeded by seedSlapd. It ends with the test.
type Slapd struct {
	// BaseDN is the suffix; people live in ou=people, groups in ou=groups.
	BaseDN string
	// BindDN and BindPassword are the service account's, which may read all but
	// passwords. Anonymous users may read nothing but the root DSE.
	BindDN, BindPassword string
	// CAFile is the PEM certificate of the authority behind LDAPSURL and StartTLS.
	CAFile string
	// ClientCertFile and ClientKeyFile are a certificate of that authority.
	ClientCertFile, ClientKeyFile string

	t             testing.TB
	dir           string
	host          string // what clients dial and the certificate names
	port, tlsPort int
	access        string // the rules of slapd.conf
	mutual        bool
	names         []string
	run           *process
	marks         int
	past          []string // what earlier runs logged
}

// SlapdOption changes how [StartSlapd] starts.
type SlapdOption func(*Slapd)

// SlapdAccess sets the access rules of slapd.conf.
func SlapdAccess(rules string) SlapdOption { return func(s *Slapd) { s.access = rules } }

// AnonymousRead lets anonymous users search.
func AnonymousRead() SlapdOption { return SlapdAccess(bindAlone + "access to * by * read\n") }

// bindAlone is the rule by which passwords are tried, and nobody reads them.
const bindAlone = "access to attrs=userPassword by anonymous auth by * none\n"

// DemandClientCertificate refuses encrypted connections without a certificate of
// the server's authority.
func DemandClientCertificate() SlapdOption { return func(s *Slapd) { s.mutual = true } }

// CertifiedFor puts further names into the server's certificate.
func CertifiedFor(names ...string) SlapdOption { return func(s *Slapd) { s.names = names } }

// StartSlapd starts slapd on free ports with an empty database, seeds it and
// stops it when the test ends. It fails the test where slapd is not installed.
func StartSlapd(t testing.TB, opts ...SlapdOption) *Slapd {
	t.Helper()
	s := &Slapd{
		BaseDN: SlapdBaseDN, BindDN: serviceDN, BindPassword: servicePW,
		t: t, dir: t.TempDir(), host: "127.0.0.1",
		access: bindAlone + "access to * by dn.exact=\"" + serviceDN + "\" read by * none\n",
	}
	for _, opt := range opts {
		opt(s)
	}
	s.CAFile = filepath.Join(s.dir, "ca.pem")
	s.ClientCertFile, s.ClientKeyFile = filepath.Join(s.dir, "client.pem"), filepath.Join(s.dir, "client.key")
	if err := writeTestCertificates(s.dir, s.names...); err != nil {
		t.Fatalf("make certificates for slapd: %v", err)
	}
	s.writeConfig()
	for attempt := 1; ; attempt++ {
		s.port, s.tlsPort = freePort(t), freePort(t)
		err := s.start()
		if err == nil {
			break
		}
		if attempt == 3 {
			t.Fatalf("start slapd: %v", err)
		}
	}
	s.seed()
	return s
}

// slapdProgram finds slapd, which is in no user's PATH on Debian.
func slapdProgram(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("slapd"); err == nil {
		return path
	}
	const sbin = "/usr/sbin/slapd"
	if _, err := os.Stat(sbin); err != nil {
		t.Fatal("slapd is not installed: run `apt-get install slapd ldap-utils` or `make tools`")
	}
	return sbin
}

// freePort returns a TCP port of loopback that was free a moment ago.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *Slapd) writeConfig() {
	verify := "never"
	if s.mutual {
		verify = "demand"
	}
	data := filepath.Join(s.dir, "db")
	config := fmt.Sprintf(`include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile %[1]s/slapd.pid
argsfile %[1]s/slapd.args
TLSCACertificateFile %[1]s/ca.pem
TLSCertificateFile %[1]s/server.pem
TLSCertificateKeyFile %[1]s/server.key
TLSVerifyClient %[8]s
database mdb
suffix "%[2]s"
rootdn "%[3]s"
rootpw %[4]s
directory %[5]s
dbnosync
index objectClass,uid,cn,member eq
overlay memberof
memberof-refint TRUE
overlay ppolicy
ppolicy_default "cn=default,%[6]s"
ppolicy_use_lockout
%[7]s`, s.dir, SlapdBaseDN, slapdAdminDN, slapdAdminPW, data, policiesOU, s.access, verify)
	if err := os.MkdirAll(data, 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "slapd.conf"), []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start runs slapd in the foreground and waits until it answers a bind.
func (s *Slapd) start() error {
	s.t.Helper()
	urls := fmt.Sprintf("ldap://%s:%d/ ldaps://%s:%d/", s.host, s.port, s.host, s.tlsPort)
	// 256 is the statistics level: one line for each operation.
	cmd := exec.CommandContext(context.Background(), slapdProgram(s.t), "-f", filepath.Join(s.dir, "slapd.conf"), "-h", urls, "-d", "256") // #nosec G204 -- our own file and ports
	s.run = startProcess(s.t, cmd)
	s.t.Cleanup(s.Stop) // runs before startProcess's, which knows no pause
	err := s.run.await("answer to a bind", func() bool {
		conn, err := s.admin()
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	if err != nil {
		s.Stop()
	}
	return err
}

// Start starts the server again, on the ports and the data it had.
func (s *Slapd) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatalf("start slapd again: %v", err)
	}
}

// Stop ends the server and waits for its end. It may be stopped already.
func (s *Slapd) Stop() {
	if s.run == nil {
		return
	}
	s.Resume()
	s.run.terminate()
	s.past = append(s.past, s.run.out.String())
	s.run = nil
}

// Kill ends the server at once, as kill -9 does, and waits for its end.
func (s *Slapd) Kill() {
	s.run.signal(s.t, syscall.SIGKILL)
	<-s.run.done
	s.Stop()
}

// Pause stops the process with SIGSTOP: the kernel goes on accepting connections
// and nobody answers them.
func (s *Slapd) Pause() { s.run.signal(s.t, syscall.SIGSTOP) }

// Resume ends a pause.
func (s *Slapd) Resume() { s.run.signal(s.t, syscall.SIGCONT) }

// URL is the ldap:// URL, for plain LDAP and StartTLS.
func (s *Slapd) URL() string { return fmt.Sprintf("ldap://%s:%d", s.host, s.port) }

// LDAPSURL is the ldaps:// URL. Its certificate is for 127.0.0.1 and localhost.
func (s *Slapd) LDAPSURL() string { return fmt.Sprintf("ldaps://%s:%d", s.host, s.tlsPort) }

// Ports are those of plain LDAP and of LDAPS, for records of a name server.
func (s *Slapd) Ports() (plain, tls uint16) { return uint16(s.port), uint16(s.tlsPort) } // #nosec G115 -- ports

// Binds counts the bind requests the server saw, without the test bed's own.
func (s *Slapd) Binds() int { return s.count(`BIND dn="[^"]*" method=`) }

// Searches counts the search requests likewise, those of the root DSE too.
func (s *Slapd) Searches() int { return s.count(`SRCH base="`) }

// count adds up the lines of an operation in all runs. A bind request is a line
// with method=; its success another one, with mech=.
func (s *Slapd) count(operation string) int {
	n := 0
	for _, log := range s.logs() {
		n += countOperations(log, operation)
	}
	return n
}

// countOperations counts in the log of one run, in which connection numbers are
// unique. Connections on which the administrator bound are the test bed's. The
// threads of slapd do not log in the order of what happens, hence two passes.
func countOperations(log, operation string) int {
	ours := map[string]bool{}
	for _, bind := range regexp.MustCompile(`(conn=\d+) op=\d+ BIND dn="([^"]*)" method=`).FindAllStringSubmatch(log, -1) {
		if bind[2] == slapdAdminDN {
			ours[bind[1]] = true
		}
	}
	n := 0
	for _, op := range regexp.MustCompile(`(conn=\d+) op=\d+ `+operation).FindAllStringSubmatch(log, -1) {
		if !ours[op[1]] {
			n++
		}
	}
	return n
}

// Connections counts the connections that are open now, as the server's log
// tells, without the test bed's own. It begins again with a restart.
func (s *Slapd) Connections() int {
	log := s.run.out.String()
	closed := regexp.MustCompile(`fd=\d+ closed`).FindAllString(log, -1)
	return strings.Count(log, " ACCEPT from ") - len(closed)
}

// logs is everything slapd has logged about what it has answered by now, by run.
// The log comes through a pipe, so that a line may still be on its way: a search
// of our own marks the end.
func (s *Slapd) logs() []string {
	s.t.Helper()
	if s.run == nil {
		return s.past
	}
	s.marks++
	mark := fmt.Sprintf("end-of-log-%d", s.marks)
	s.asAdmin(func(conn *ldap.Conn) error {
		_, err := conn.Search(&ldap.SearchRequest{Scope: ldap.ScopeBaseObject, Filter: "(cn=" + mark + ")"})
		return err
	})
	if err := s.run.await(mark, func() bool { return strings.Contains(s.run.out.String(), mark) }); err != nil {
		s.t.Fatal(err)
	}
	return append(slices.Clone(s.past), s.run.out.String())
}

// admin returns a connection bound as the administrator.
func (s *Slapd) admin() (*ldap.Conn, error) {
	conn, err := ldap.DialURL(s.URL(), ldap.DialWithDialer(&net.Dialer{Timeout: time.Second}))
	if err != nil {
		return nil, err
	}
	conn.SetTimeout(stopPatience)
	if err := conn.Bind(slapdAdminDN, slapdAdminPW); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}
