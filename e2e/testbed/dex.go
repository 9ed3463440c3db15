package testbed

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	dexldap "github.com/dexidp/dex/connector/ldap"
	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
)

// The client that a [Dex] knows. The secret is one that has to be encoded.
const (
	DexClientID     = "drawbridge"
	DexClientSecret = "dex+client%secret" // #nosec G101 -- of a test
)

// dexConnector is the ID of Dex's one connector.
const dexConnector = "ldap"

// Dex is a real OpenID Connect provider in this process, with TLS on loopback.
// Its people are those of a slapd, through Dex's own LDAP connector, because
// Dex's password database knows no groups. preferred_username is the uid.
type Dex struct {
	// IssuerURL is the issuer, with a path.
	IssuerURL string
	// CAFile is the PEM certificate of the authority that signed Dex's.
	CAFile string

	t       testing.TB
	dir     string
	addr    string
	handler http.Handler
	server  *http.Server // nil while stopped
	tokens  atomic.Int64
}

// StartDex starts Dex for the people of a slapd and stops it when the test ends.
func StartDex(t testing.TB, people *Slapd) *Dex {
	t.Helper()
	dir := t.TempDir()
	if err := writeTestCertificates(dir); err != nil {
		t.Fatalf("make certificates for dex: %v", err)
	}
	d := &Dex{CAFile: filepath.Join(dir, "ca.pem"), t: t, dir: dir}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel) // ends Dex's garbage collection and key rotation
	listener := d.listen("127.0.0.1:0")
	d.addr = listener.Addr().String()
	d.IssuerURL = "https://" + d.addr + "/dex"
	handler, err := newDexServer(ctx, d.IssuerURL, people)
	if err != nil {
		t.Fatalf("start dex: %v", err)
	}
	d.handler = d.count(handler)
	d.serve(listener)
	t.Cleanup(d.Stop)
	return d
}

// Stop closes the port and every connection, as a provider that is down does.
// It may be stopped already.
func (d *Dex) Stop() {
	if d.server == nil {
		return
	}
	_ = d.server.Close() // closing cannot fail in a way that matters to a test
	d.server = nil
}

// Start listens again, on the port and with the keys Dex had.
func (d *Dex) Start() {
	d.t.Helper()
	d.serve(d.listen(d.addr))
}

// Tokens counts the requests to the token endpoint.
func (d *Dex) Tokens() int { return int(d.tokens.Load()) }

func (d *Dex) listen(addr string) net.Listener {
	d.t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		d.t.Fatalf("start dex: %v", err)
	}
	return listener
}

func (d *Dex) serve(listener net.Listener) {
	d.server = &http.Server{
		Handler:           d.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	go func(s *http.Server) {
		// It ends with ErrServerClosed.
		_ = s.ServeTLS(listener, filepath.Join(d.dir, "server.pem"), filepath.Join(d.dir, "server.key"))
	}(d.server)
}

func (d *Dex) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/dex/token" {
			d.tokens.Add(1)
		}
		next.ServeHTTP(w, r)
	})
}

// newDexServer configures Dex as its command would from a file.
func newDexServer(ctx context.Context, issuer string, people *Slapd) (http.Handler, error) {
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	connector, err := dexLDAPConnector(people)
	if err != nil {
		return nil, err
	}
	store := memory.New(logger)
	if err := store.CreateConnector(ctx, connector); err != nil {
		return nil, err
	}
	err = store.CreateClient(ctx, storage.Client{ID: DexClientID, Secret: DexClientSecret, Name: "Drawbridge"})
	if err != nil {
		return nil, err
	}
	return server.NewServer(ctx, server.Config{
		Issuer:             issuer,
		Storage:            store,
		PasswordConnector:  dexConnector,
		SkipApprovalScreen: true,
		IDTokensValidFor:   time.Minute,
		Logger:             logger,
	})
}

func dexLDAPConnector(people *Slapd) (storage.Connector, error) {
	u, err := url.Parse(people.LDAPSURL())
	if err != nil {
		return storage.Connector{}, err
	}
	ca, err := os.ReadFile(people.CAFile)
	if err != nil {
		return storage.Connector{}, err
	}
	config := dexldap.Config{Host: u.Host, RootCAData: ca, BindDN: people.BindDN, BindPW: people.BindPassword}
	config.UserSearch.BaseDN = "ou=people," + people.BaseDN
	config.UserSearch.Username = "uid"
	config.UserSearch.IDAttr = "uid"
	config.UserSearch.EmailAttr = "mail"
	config.UserSearch.NameAttr = "cn"
	config.UserSearch.PreferredUsernameAttrAttr = "uid"
	config.GroupSearch.BaseDN = "ou=groups," + people.BaseDN
	config.GroupSearch.NameAttr = "cn"
	config.GroupSearch.UserMatchers = []dexldap.UserMatcher{{UserAttr: "DN", GroupAttr: "member"}}
	encoded, err := json.Marshal(config) // #nosec G117 -- Dex wants it so
	return storage.Connector{ID: dexConnector, Type: "ldap", Name: "people", Config: encoded}, err
}
