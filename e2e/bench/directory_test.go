package bench_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"drawbridge/bench"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"
	"drawbridge/trust"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// TestDirectoryFigures compares a login that nothing remembers with a bare go-ldap
// client that does the same three operations: it finds the person and the groups on
// a connection that is there, and binds on a new one.
func TestDirectoryFigures(t *testing.T) {
	d, rounds := *duration, *rounds
	if *write == "" {
		d, rounds = 100*time.Millisecond, 1
	}
	average := loadAverage(t)
	slapd := testbed.StartSlapd(t)
	var rows [][]string
	for _, address := range []string{slapd.URL(), slapd.LDAPSURL()} {
		connector := directoryConnector(t, slapd, address)
		asked := operations(t, slapd, connector)
		for _, n := range []int{1, 16} {
			bare := newBareClients(t, slapd, address, n)
			best := fastest(t, n, d, rounds,
				func(worker int) error { return bare[worker].login() },
				func(int) error { return connectorLogin(connector) })
			rows = append(rows, []string{
				fmt.Sprintf("%s, %d at once", scheme(t, address), n),
				fmt.Sprintf("%.0f", best[0].PerSecond()), fmt.Sprintf("%.0f", best[1].PerSecond()),
				fmt.Sprintf("%.2f", best[0].PerSecond()/best[1].PerSecond()), bench.Short(best[0].P50), bench.Short(best[1].P50), asked,
			})
		}
	}
	writeSection(t, "directory", fmt.Sprintf(`## A login that nothing remembers

The LDAP connector beside a bare go-ldap client that does the same operations: the person and the groups on a connection that is
there already, the bind on a new one, which is closed after it. %s, with slapd, which logs every operation, on the same machine;
the load average before the run was %s; loops of %v, the fastest of %d.

%s`, bench.Machine(), average, d, rounds, bench.Table([]string{
		"", "bare client, logins/s", "connector, logins/s", "bare : connector", "bare p50", "connector p50", "asked of the directory",
	}, rows)))
}

// operations says what one login asks of the directory, when the connector's own
// connection is there.
func operations(t *testing.T, s *testbed.Slapd, c *ldap.Connector) string {
	t.Helper()
	var searches, binds int
	for range 2 { // the first one opens the connection
		searches, binds = s.Searches(), s.Binds()
		if err := connectorLogin(c); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("%d searches, %d bind", s.Searches()-searches, s.Binds()-binds)
}

// fastest runs loops of the calls in turn and returns the fastest one of each.
func fastest(t *testing.T, workers int, d time.Duration, rounds int, calls ...func(worker int) error) []bench.Result {
	t.Helper()
	best := make([]bench.Result, len(calls))
	for range rounds {
		for i, call := range calls {
			result, err := bench.Loop(t.Context(), workers, d, bench.DefaultMaxRequests, func(_ context.Context, worker int) (time.Duration, error) {
				start := time.Now()
				err := call(worker)
				return time.Since(start), err
			})
			if err != nil {
				t.Fatal(err)
			}
			if result.PerSecond() > best[i].PerSecond() {
				best[i] = result
			}
		}
	}
	return best
}

func scheme(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Scheme
}

func directoryConnector(t *testing.T, s *testbed.Slapd, address string) *ldap.Connector {
	t.Helper()
	c, err := ldap.New(configs.Connector{
		Name: "corp", Type: configs.TypeLDAP, Timeout: 8 * time.Second,
		LDAP: configs.LDAP{
			URLs: []string{address}, CAFile: s.CAFile, BindDN: s.BindDN, BindPassword: identity.NewSecret(s.BindPassword),
			User: configs.LDAPUser{BaseDN: s.BaseDN, Filter: "(&(objectClass=inetOrgPerson)(uid={username}))", NameAttr: "uid", MailAttr: "mail"},
			Groups: configs.LDAPGroups{
				Mode: configs.GroupsSearch, BaseDN: "ou=groups," + s.BaseDN, Filter: "(member={dn})", NameAttr: "cn",
			},
		},
	}, ldap.Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func connectorLogin(c *ldap.Connector) error {
	out := c.Authenticate(context.Background(), identity.Credential{Username: ldapUser, Password: identity.NewSecret(testbed.SeedPassword(ldapUser))})
	if out.Kind() != connectors.KindGranted || len(out.Identity().Groups) == 0 {
		return fmt.Errorf("the connector says %v", out)
	}
	return nil
}

// bareClient does the three operations with go-ldap and nothing else.
type bareClient struct {
	slapd   *testbed.Slapd
	dial    func() (*ldap3.Conn, error)
	service *ldap3.Conn
}

func newBareClients(t *testing.T, s *testbed.Slapd, address string, n int) []*bareClient {
	t.Helper()
	roots, err := trust.Load(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	clients := make([]*bareClient, n)
	for i := range clients {
		c := &bareClient{slapd: s, dial: func() (*ldap3.Conn, error) { return ldap3.DialURL(address, ldap3.DialWithTLSConfig(config)) }}
		if c.service, err = c.dial(); err != nil {
			t.Fatal(err)
		}
		if err := c.service.Bind(s.BindDN, s.BindPassword); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.service.Close() })
		clients[i] = c
	}
	return clients
}

func (c *bareClient) login() error {
	find := func(base, filter string, attributes ...string) (*ldap3.SearchResult, error) {
		return c.service.Search(ldap3.NewSearchRequest(base, ldap3.ScopeWholeSubtree, ldap3.NeverDerefAliases, 0, 0, false, filter, attributes, nil))
	}
	person, err := find(c.slapd.BaseDN, "(&(objectClass=inetOrgPerson)(uid="+ldap3.EscapeFilter(ldapUser)+"))", "uid", "mail", "entryUUID")
	if err != nil {
		return err
	}
	dn := person.Entries[0].DN
	groups, err := find("ou=groups,"+c.slapd.BaseDN, "(member="+ldap3.EscapeFilter(dn)+")", "cn")
	if err != nil || len(groups.Entries) == 0 {
		return fmt.Errorf("groups: %v, %w", groups, err)
	}
	conn, err := c.dial()
	if err != nil {
		return err
	}
	if err := conn.Bind(dn, testbed.SeedPassword(ldapUser)); err != nil {
		return err
	}
	return conn.Close()
}
