package configs

import (
	"net/url"
	"strings"
	"time"

	"drawbridge/identity"
)

// Config is the whole configuration. [Load] makes one and [Default] is the one
// without a file. The mapstructure tags are the schema: the loader derives the
// keys, their types, the lines of faults and the environment variables from them.
//
// Paths are as the file has them: relative ones start at the working directory.
type Config struct {
	Server     Server      `mapstructure:"server"`
	DataDir    string      `mapstructure:"data_dir"`
	Registries []Registry  `mapstructure:"registries"`
	Tokens     Tokens      `mapstructure:"tokens"`
	Connectors []Connector `mapstructure:"connectors"`
	Robots     Robots      `mapstructure:"robots"`
	Policy     Policy      `mapstructure:"policy"`
	Cache      Cache       `mapstructure:"cache"`
	Store      Store       `mapstructure:"store"`
	Limits     Limits      `mapstructure:"limits"`
	Audit      Audit       `mapstructure:"audit"`
	Log        Log         `mapstructure:"log"`
	Tracing    Tracing     `mapstructure:"tracing"`

	// Embedded is true when no file was read. What the embedded default needs in
	// DataDir is then made at the first start, so that [Config.Validate] does not
	// ask for it.
	Embedded bool `mapstructure:"-"`
}

// APIAudience is the audience of the tokens that the REST API makes for itself.
func (c *Config) APIAudience() string {
	return strings.TrimSuffix(c.Server.ExternalURL, "/") + "/api/v1"
}

// PathPrefix is the path of external_url, below which everything is reached.
func (c *Config) PathPrefix() string {
	u, err := url.Parse(c.Server.ExternalURL)
	if err != nil { // the check refuses it
		return ""
	}
	return u.Path
}

// Server says where and how Drawbridge listens.
type Server struct {
	// Addr is host:port, without a host every address; unix:PATH or systemd:NAME, a
	// socket that systemd passes.
	Addr string `mapstructure:"addr"`
	// ExternalURL is how clients reach us: scheme, host and port, and the path below
	// which a proxy has us, if it is not the whole host. Its
	// host is in the self-signed certificate. Load fills it in from Addr and the
	// TLS mode when the file leaves it out.
	ExternalURL string `mapstructure:"external_url"`
	TLS         TLS    `mapstructure:"tls"`
	// TelemetryAddr is host:port of /metrics, /livez and /readyz; empty: none.
	TelemetryAddr string `mapstructure:"telemetry_addr"`
	// DrainDelay is how long a server that was told to end goes on accepting, while
	// /readyz fails.
	DrainDelay     time.Duration `mapstructure:"drain_delay"`
	TrustedProxies []string      `mapstructure:"trusted_proxies"` // CIDRs
	CORS           CORS          `mapstructure:"cors"`
}

// TLS says where the server certificate comes from.
type TLS struct {
	Mode     string `mapstructure:"mode"` // self-signed | files | acme | off
	CertFile string `mapstructure:"cert_file"`
	KeyFile  string `mapstructure:"key_file"`
	ACME     ACME   `mapstructure:"acme"`
	// AdminClientCAFile holds the authorities that issue the client certificates
	// without which nobody comes to the API and the console; empty: none needed.
	AdminClientCAFile string `mapstructure:"admin_client_ca_file"`
}

// ACME says how a certificate is fetched (RFC 8555), with mode acme.
type ACME struct {
	Email        string `mapstructure:"email"`
	DirectoryURL string `mapstructure:"directory_url"` // empty: Let's Encrypt
	CAFile       string `mapstructure:"ca_file"`       // whom to trust at that URL; empty: whom the machine trusts
	// HTTPAddr is host:port of the listener for requests to port 80; empty: none.
	HTTPAddr string `mapstructure:"http_addr"`
}

// The TLS modes.
const (
	TLSSelfSigned = "self-signed"
	TLSFiles      = "files"
	TLSACME       = "acme"
	TLSOff        = "off"
)

// CORS lists the browser origins that may call the API.
type CORS struct {
	AllowedOrigins []string `mapstructure:"allowed_origins"`
}

// Registry is one registry that may ask for tokens.
type Registry struct {
	Service       string `mapstructure:"service"`
	Issuer        string `mapstructure:"issuer"`
	For           string `mapstructure:"for"`            // a preset, see the For constants
	TokenForm     string `mapstructure:"token_form"`     // x5c | kid
	DenyResponse  string `mapstructure:"deny_response"`  // filter | explain
	RefreshTokens bool   `mapstructure:"refresh_tokens"` // true unless the file says false
	URL           string `mapstructure:"url"`
}

// The registry presets.
const (
	ForDistribution2     = "distribution-2"
	ForDistribution3     = "distribution-3"
	ForDistribution3JWKS = "distribution-3-jwks"
	ForZot               = "zot"
)

// How a token's header names its key.
const (
	FormX5C = "x5c"
	FormKID = "kid"
)

// What a caller who is granted nothing is answered.
const (
	DenyFilter  = "filter"
	DenyExplain = "explain"
)

// Tokens says how access and refresh tokens are made.
type Tokens struct {
	AccessTTL   time.Duration `mapstructure:"access_ttl"`
	RefreshTTL  time.Duration `mapstructure:"refresh_ttl"`
	Algorithm   string        `mapstructure:"algorithm"` // ES256 | RS256 | EdDSA
	CACertFile  string        `mapstructure:"ca_cert_file"`
	CAKeyFile   string        `mapstructure:"ca_key_file"`
	RotateEvery time.Duration `mapstructure:"rotate_every"`
}

// Connector is one entry of the connectors list. Only the keys of its own type
// may be set; the loader refuses the others with their line.
type Connector struct {
	Name  string `mapstructure:"name"`
	Type  string `mapstructure:"type"` // htpasswd | ldap | oidc | exec
	Match string `mapstructure:"match"`
	// OnUnavailable is "stop" (default) or "next".
	OnUnavailable string `mapstructure:"on_unavailable"`

	// The tag `only` names the types that a key, or every key of a struct,
	// belongs to.
	HTPasswd HTPasswd `mapstructure:",squash" only:"htpasswd"`
	LDAP     LDAP     `mapstructure:",squash" only:"ldap"`
	OIDC     OIDC     `mapstructure:",squash" only:"oidc"`
	Exec     Exec     `mapstructure:",squash" only:"exec"`

	// Timeout bounds one whole login against a network backend.
	Timeout time.Duration `mapstructure:"timeout" only:"ldap,oidc,exec"`
	// Grace is how long a verified credential outlives the backend's outage.
	Grace time.Duration `mapstructure:"grace" only:"ldap,oidc,exec"`
}

// The connector types.
const (
	TypeHTPasswd = "htpasswd"
	TypeLDAP     = "ldap"
	TypeOIDC     = "oidc"
	TypeExec     = "exec"
)

// What the chain does when a connector is unavailable.
const (
	OnUnavailableStop = "stop"
	OnUnavailableNext = "next"
)

// HTPasswd holds the keys of an htpasswd connector.
type HTPasswd struct {
	File       string `mapstructure:"file"`
	GroupsFile string `mapstructure:"groups_file"` // Apache group file; empty: no groups
}

// LDAP holds the keys of an LDAP connector.
type LDAP struct {
	URLs     []string `mapstructure:"urls"` // ldap:// or ldaps://, tried in order
	StartTLS bool     `mapstructure:"start_tls"`
	CAFile   string   `mapstructure:"ca_file"`
	// ClientCertFile and ClientKeyFile are shown to servers that ask for a
	// certificate (mutual TLS).
	ClientCertFile string `mapstructure:"client_cert_file"`
	ClientKeyFile  string `mapstructure:"client_key_file"`

	BindDN       string          `mapstructure:"bind_dn"`
	BindPassword identity.Secret `mapstructure:"bind_password"`
	// BindPasswordFile is read into BindPassword by the loader.
	BindPasswordFile string     `mapstructure:"bind_password_file"`
	User             LDAPUser   `mapstructure:"user"`
	Groups           LDAPGroups `mapstructure:"groups"`
	// Insecure permits passwords in the clear: an ldap:// URL of another host
	// without StartTLS. It never turns certificate verification off.
	Insecure bool `mapstructure:"insecure"`
}

// LDAPUser says how a username becomes an entry.
type LDAPUser struct {
	BaseDN   string `mapstructure:"base_dn"`
	Filter   string `mapstructure:"filter"` // {username} is the escaped username
	NameAttr string `mapstructure:"name_attr"`
	MailAttr string `mapstructure:"mail_attr"`
}

// LDAPGroups says how an entry's groups are found.
type LDAPGroups struct {
	Mode     string `mapstructure:"mode"` // none | member_of | search | ad_nested
	BaseDN   string `mapstructure:"base_dn"`
	Filter   string `mapstructure:"filter"` // {dn} and {username} are the escaped values
	NameAttr string `mapstructure:"name_attr"`
	Nested   bool   `mapstructure:"nested"`
}

// The LDAP group modes.
const (
	GroupsNone     = "none"
	GroupsMemberOf = "member_of"
	GroupsSearch   = "search"
	GroupsADNested = "ad_nested" // Active Directory's own rule for nested groups
)

// OIDC holds the keys of an OpenID Connect connector.
type OIDC struct {
	IssuerURL        string          `mapstructure:"issuer_url"`
	ClientID         string          `mapstructure:"client_id"`
	ClientSecret     identity.Secret `mapstructure:"client_secret"`
	ClientSecretFile string          `mapstructure:"client_secret_file"`
	Scopes           []string        `mapstructure:"scopes"`
	UsernameClaim    string          `mapstructure:"username_claim"`
	GroupsClaim      string          `mapstructure:"groups_claim"`
	// GroupsOverageURL is where the groups of a person are fetched who has too many
	// for a token of Entra ID; empty: such people are refused. See [OverageKind].
	GroupsOverageURL string `mapstructure:"groups_overage_url"`
	// IssuerCAFile is a PEM bundle for a provider behind a private CA.
	IssuerCAFile string `mapstructure:"issuer_ca_file"`
	// Insecure permits an http issuer, for tests and loopback only. It never
	// turns certificate verification off.
	Insecure bool `mapstructure:"insecure"`
}

// Exec holds the keys of a connector that asks a program.
type Exec struct {
	// Command is the program and its arguments, without any shell. A name without
	// a slash is searched in PATH.
	Command []string `mapstructure:"command"`
	Mode    string   `mapstructure:"mode"` // per_login | pooled
	// PoolSize is how many processes run at once, in either mode.
	PoolSize int `mapstructure:"pool_size"`
	// Env names the variables of our own environment that the program gets.
	Env []string `mapstructure:"env"`
	// Lookup says that the program can also find a person without a password.
	Lookup bool `mapstructure:"lookup"`
}

// How the processes of an exec connector live.
const (
	ExecPerLogin = "per_login" // one process for each login
	ExecPooled   = "pooled"    // long-running processes, one login at a time in each
)

// Robots bounds the machine accounts, which are kept in the store.
type Robots struct {
	// MaxTTL is the longest that a robot may live from when it is made or renewed.
	MaxTTL time.Duration `mapstructure:"max_ttl"`
}

// Policy says where the policy document is. Without a file the policy lives in
// the store.
type Policy struct {
	File string `mapstructure:"file"`
}

// Cache says where lookups are cached and for how long.
type Cache struct {
	RedisURL     identity.Secret `mapstructure:"redis_url"` // a secret, because it may hold a password
	RedisURLFile string          `mapstructure:"redis_url_file"`
	RedisCAFile  string          `mapstructure:"redis_ca_file"`
	LookupTTL    time.Duration   `mapstructure:"lookup_ttl"`     // 0: lookups are not cached
	CredTTL      time.Duration   `mapstructure:"credential_ttl"` // 0: verified credentials are not cached
}

// Store says where durable state lives.
type Store struct {
	URL     identity.Secret `mapstructure:"url"` // a secret, because it may hold a password
	URLFile string          `mapstructure:"url_file"`
}

// Limits bounds what one caller may ask.
type Limits struct {
	LoginFailuresPerMinute int     `mapstructure:"login_failures_per_minute"` // per user and address; 0: off
	RequestsPerSecond      float64 `mapstructure:"requests_per_second"`       // per address; 0: off

	// AccountRequestsPerSecond bounds the token requests of one account, from wherever
	// they come; 0: off.
	AccountRequestsPerSecond float64 `mapstructure:"account_requests_per_second"`

	// Connections bounds the connections of clients that are open at once; 0: off.
	Connections int `mapstructure:"connections"`
}

// Audit says where audit events go.
type Audit struct {
	File      string        `mapstructure:"file"`       // "-" is standard output
	Store     bool          `mapstructure:"store"`      // keep them in the store as well, for queries
	Retention time.Duration `mapstructure:"retention"`  // of those in the store
	MaxEvents int           `mapstructure:"max_events"` // in the store; 0: any number
}

// Log configures the operational log on standard error.
type Log struct {
	Level  string `mapstructure:"level"`  // debug | info | warn | error
	Format string `mapstructure:"format"` // json | text
}

// Tracing says where OpenTelemetry traces go.
type Tracing struct {
	// Endpoint is the URL that spans are posted to, as OTLP over HTTP; empty: none are made.
	Endpoint string `mapstructure:"endpoint"`
	// SampleRatio is which part of the traces that begin here is recorded, 0 to 1.
	SampleRatio float64         `mapstructure:"sample_ratio"`
	Headers     identity.Secret `mapstructure:"headers"` // name=value, with commas between
	HeadersFile string          `mapstructure:"headers_file"`
	CAFile      string          `mapstructure:"ca_file"`
}
