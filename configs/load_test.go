package configs

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"drawbridge/identity"
	"drawbridge/server"

	"github.com/google/go-cmp/cmp"
)

// write puts a file into a fresh directory, makes that the working directory and
// returns the file's name in it.
func write(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// equalSecrets lets go-cmp look into secrets.
func equalSecrets() cmp.Option {
	return cmp.Comparer(func(a, b identity.Secret) bool { return a == b })
}

const minimal = `
registries:
  - {service: reg, issuer: us}
connectors:
  - {name: local, type: htpasswd, file: users}
`

func TestEmbeddedDefault(t *testing.T) {
	t.Chdir(t.TempDir())
	got, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got, equalSecrets()); diff != "" {
		t.Errorf("Load without a file is not Default (-want +got):\n%s", diff)
	}
	if got.Connectors[0].HTPasswd.File != "data/htpasswd" || got.Server.ExternalURL != "https://localhost:5001" {
		t.Errorf("got %q and %q", got.Connectors[0].HTPasswd.File, got.Server.ExternalURL)
	}
	got, err = Load("", []string{"DRAWBRIDGE_DATA_DIR=/var/lib/drawbridge", "DRAWBRIDGE_SERVER_ADDR=:6001", "PATH=/bin"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Connectors[0].HTPasswd.File != "/var/lib/drawbridge/htpasswd" || got.Server.ExternalURL != "https://localhost:6001" {
		t.Errorf("does not follow data_dir and addr: %q and %q", got.Connectors[0].HTPasswd.File, got.Server.ExternalURL)
	}
}

func TestDefaultsOfAFile(t *testing.T) {
	write(t, map[string]string{"c.yaml": minimal, "users": "x"})
	got, err := Load("c.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Embedded = false
	want.Registries[0].Service, want.Registries[0].Issuer = "reg", "us"
	want.Connectors[0].HTPasswd.File = "users"
	if diff := cmp.Diff(want, got, equalSecrets()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	write(t, map[string]string{
		"users": "x", "groups": "x", "policy.yaml": "x", "pw": "from-file\n", "ids": "",
		"c.yaml": `
server:
  addr: "127.0.0.1:6001"
  external_url: "https://auth.example.com"
  tls: {mode: acme, admin_client_ca_file: tls/server.crt, acme: {email: a@example.com, directory_url: "https://ca.example/dir", ca_file: tls/server.crt, http_addr: ":80"}}
  telemetry_addr: ""
  drain_delay: 5s
  trusted_proxies: [10.0.0.0/8, "fd00::/8"]
  cors: {allowed_origins: ["https://ui.example.com"]}
data_dir: state
registries:
  - {service: a, issuer: i, for: zot, refresh_tokens: false, url: "http://zot:5000"}
  - {service: b, issuer: i, for: distribution-3, token_form: kid, deny_response: explain}
tokens: {access_ttl: 90s, refresh_ttl: 24h, algorithm: RS256, rotate_every: 48h}
connectors:
  - {name: local, type: htpasswd, file: users, groups_file: groups, match: "adm-*"}
  - name: sso
    type: oidc
    match: "*@example.com"
    issuer_url: "https://idp.example.com/realms/a"
    client_id: db
    client_secret: s3cr3t
    scopes: [openid]
    username_claim: email
    groups_claim: realm_access.roles
    timeout: 3s
    grace: 0
  - name: corp
    type: ldap
    urls: ["ldap://dc1.example", "ldap://dc2.example:389"]
    start_tls: true
    bind_dn: "cn=x,dc=example"
    bind_password_file: pw
    user: {base_dn: "ou=p,dc=example", filter: "(sAMAccountName={username})", name_attr: sAMAccountName, mail_attr: ""}
    groups: {mode: search, base_dn: "dc=example", nested: true}
    timeout: 4s
robots: {max_ttl: 720h}
policy: {file: policy.yaml}
cache: {redis_url: "rediss://:pw@r1:6379,r2:6379/0?cluster=true", lookup_ttl: 1m, credential_ttl: 0}
store: {url: "postgres://u:p@db/x"}
limits: {login_failures_per_minute: 0, requests_per_second: 2.5, account_requests_per_second: 9, connections: 64}
audit: {file: audit.log, store: false, retention: 24h, max_events: 1000}
log: {level: debug, format: text}
tracing: {endpoint: "https://otel.example/traces", sample_ratio: 0.25, headers: "a=b", ca_file: tls/server.crt}
`})
	if _, _, err := server.SelfSigned("tls", []string{"localhost"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	got, err := Load("c.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Server: Server{
			Addr: "127.0.0.1:6001", ExternalURL: "https://auth.example.com", TLS: TLS{
				Mode: TLSACME, AdminClientCAFile: "tls/server.crt",
				ACME: ACME{Email: "a@example.com", DirectoryURL: "https://ca.example/dir", CAFile: "tls/server.crt", HTTPAddr: ":80"},
			},
			DrainDelay:     5 * time.Second,
			TrustedProxies: []string{"10.0.0.0/8", "fd00::/8"}, CORS: CORS{[]string{"https://ui.example.com"}},
		},
		DataDir: "state",
		Registries: []Registry{
			{Service: "a", Issuer: "i", For: ForZot, TokenForm: FormKID, DenyResponse: DenyFilter, URL: "http://zot:5000"},
			{Service: "b", Issuer: "i", For: ForDistribution3, TokenForm: FormKID, DenyResponse: DenyExplain, RefreshTokens: true},
		},
		Tokens: Tokens{AccessTTL: 90 * time.Second, RefreshTTL: 24 * time.Hour, Algorithm: "RS256", RotateEvery: 48 * time.Hour},
		Connectors: []Connector{
			{
				Name: "local", Type: TypeHTPasswd, Match: "adm-*", OnUnavailable: OnUnavailableStop,
				HTPasswd: HTPasswd{File: "users", GroupsFile: "groups"},
			},
			{
				Name: "sso", Type: TypeOIDC, Match: "*@example.com", OnUnavailable: OnUnavailableStop, Timeout: 3 * time.Second,
				OIDC: OIDC{
					IssuerURL: "https://idp.example.com/realms/a", ClientID: "db", ClientSecret: identity.NewSecret("s3cr3t"),
					Scopes: []string{"openid"}, UsernameClaim: "email", GroupsClaim: "realm_access.roles",
				},
			},
			{
				Name: "corp", Type: TypeLDAP, OnUnavailable: OnUnavailableStop, Timeout: 4 * time.Second, Grace: 15 * time.Minute,
				LDAP: LDAP{
					URLs: []string{"ldap://dc1.example", "ldap://dc2.example:389"}, StartTLS: true,
					BindDN: "cn=x,dc=example", BindPassword: identity.NewSecret("from-file"), BindPasswordFile: "pw",
					User:   LDAPUser{BaseDN: "ou=p,dc=example", Filter: "(sAMAccountName={username})", NameAttr: "sAMAccountName"},
					Groups: LDAPGroups{Mode: GroupsSearch, BaseDN: "dc=example", Filter: "(member={dn})", NameAttr: "cn", Nested: true},
				},
			},
		},
		Robots: Robots{MaxTTL: 720 * time.Hour},
		Policy: Policy{File: "policy.yaml"},
		Cache:  Cache{RedisURL: identity.NewSecret("rediss://:pw@r1:6379,r2:6379/0?cluster=true"), LookupTTL: time.Minute},
		Store:  Store{URL: identity.NewSecret("postgres://u:p@db/x")},
		Limits: Limits{RequestsPerSecond: 2.5, AccountRequestsPerSecond: 9, Connections: 64},
		Audit:  Audit{File: "audit.log", Store: false, Retention: 24 * time.Hour, MaxEvents: 1000},
		Log:    Log{Level: "debug", Format: "text"},
		Tracing: Tracing{
			Endpoint: "https://otel.example/traces", SampleRatio: 0.25, Headers: identity.NewSecret("a=b"), CAFile: "tls/server.crt",
		},
	}
	if diff := cmp.Diff(want, got, equalSecrets()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
