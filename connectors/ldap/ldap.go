package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"drawbridge/cache"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/trust"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// Deps is what a connector needs beside its settings.
type Deps struct {
	// Log takes what an operator should know. It is required.
	Log *slog.Logger
	// Clock ages pooled connections; nil is time.Now. Deadlines on sockets are
	// always real time.
	Clock func() time.Time
	// Lookups caches people that were found; nil is no caching.
	Lookups cache.Cache
	// LookupTTL is how long a person stays in Lookups.
	LookupTTL time.Duration
	// Forgets knows whose lookups are not to be used any more; nil: nobody's.
	Forgets *connectors.Forgets
	// Metrics takes what is measured; nil is nowhere.
	Metrics Metrics
	// Resolver asks DNS for the servers of a domain and for the addresses of hosts;
	// nil is the system's.
	Resolver *net.Resolver
}

// Connector is one LDAP directory. It is safe for concurrent use.
type Connector struct {
	name         string
	sources      sources
	bindDN       string
	bindPassword identity.Secret
	user         configs.LDAPUser
	userFilter   template
	groups       groupSettings
	limits       limits
	generation   string

	log       *slog.Logger
	clock     func() time.Time
	lookups   cache.Cache
	lookupTTL time.Duration
	forgets   *connectors.Forgets

	pool      *pool
	primaries primaryGroups
	binds     chan struct{}
	life      context.Context // ends with Close
	end       context.CancelFunc
}

var (
	_ connectors.Connector = (*Connector)(nil)
	_ connectors.Looker    = (*Connector)(nil)
	_ connectors.Rechecker = (*Connector)(nil)
)

// defaultTimeout bounds one login: docker login gives up after 15 s, and the
// answer has to be ours.
const defaultTimeout = 8 * time.Second

// limits are the time limits that follow from the login's timeout, cut so that
// a host that hangs leaves time for the next one.
type limits struct {
	login time.Duration // the whole login
	dial  time.Duration // one dial with its TLS handshake, one wait for a connection
	op    time.Duration // one bind or search
}

func limitsOf(timeout time.Duration) limits {
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	return limits{login: timeout, dial: min(2*time.Second, timeout/4), op: timeout / 2}
}

// New checks the settings and returns the connector. It does not dial: a
// directory that is down never stops the start. An error names the setting.
func New(cfg configs.Connector, deps Deps) (*Connector, error) {
	c := &Connector{
		name: cfg.Name, bindDN: cfg.LDAP.BindDN, bindPassword: cfg.LDAP.BindPassword,
		user: cfg.LDAP.User, limits: limitsOf(cfg.Timeout), generation: Generation(cfg),
		log: deps.Log.With("connector", cfg.Name), clock: deps.Clock,
		lookups: deps.Lookups, lookupTTL: deps.LookupTTL, forgets: deps.Forgets,
		binds: make(chan struct{}, maxBinds),
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	if c.user.NameAttr == "" {
		c.user.NameAttr = "uid"
	}
	c.pool = newPool(c.clock)
	c.life, c.end = context.WithCancel(context.Background())
	if err := c.parse(cfg.LDAP, deps); err != nil {
		c.end()
		return nil, fmt.Errorf("connector %s: %w", cfg.Name, err)
	}
	if deps.Metrics != nil {
		deps.Metrics.Watch(c.Stats)
	}
	return c, nil
}

func (c *Connector) parse(cfg configs.LDAP, deps Deps) error {
	t, err := c.newTransport(cfg, deps)
	if err != nil {
		return err
	}
	if c.sources, err = c.parseSources(cfg.URLs, t, deps.Resolver); err != nil {
		return err
	}
	if err := c.checkPlainLDAP(cfg.Insecure); err != nil {
		return err
	}
	if err := checkServiceAccount(cfg); err != nil {
		return err
	}
	if _, err := ldap3.ParseDN(cfg.User.BaseDN); err != nil {
		return fmt.Errorf("user.base_dn: %q is not a DN: %w", cfg.User.BaseDN, err)
	}
	if c.userFilter, err = parseUserFilter(cfg.User.Filter); err != nil {
		return fmt.Errorf("user.filter: %w", err)
	}
	c.groups, err = parseGroups(cfg.Groups)
	return err
}

// newTransport reads the certificates. Every encrypted connection shows the client
// certificate, where the server asks for one.
func (c *Connector) newTransport(cfg configs.LDAP, deps Deps) (*transport, error) {
	roots, err := trust.Load(cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	cert, err := loadClientCert(cfg.ClientCertFile, cfg.ClientKeyFile, c.log)
	if err != nil {
		return nil, err
	}
	t := &transport{
		tls: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, startTLS: cfg.StartTLS,
		dial: (&net.Dialer{Resolver: deps.Resolver}).DialContext, metrics: deps.Metrics,
	}
	if cert != nil {
		t.tls.GetClientCertificate = cert.get
	}
	return t, nil
}

// checkServiceAccount refuses a DN without a password, with which a directory
// lets anybody in anonymously (RFC 4513 section 5.1.2), and the reverse. Without
// both, searches are anonymous.
func checkServiceAccount(cfg configs.LDAP) error {
	switch {
	case cfg.BindDN == "" && !cfg.BindPassword.Empty():
		return errors.New("bind_password: there is no bind_dn it belongs to")
	case cfg.BindDN != "" && cfg.BindPassword.Empty():
		return errors.New("bind_password: empty; a bind_dn without a password is an anonymous bind in disguise")
	case cfg.BindDN != "" && strings.ContainsRune(cfg.BindPassword.Reveal(), 0):
		return errors.New("bind_password: holds a NUL")
	}
	return nil
}

// checkPlainLDAP refuses to send passwords over a network in the clear, and says
// so in the log where the settings insist. Loopback is no network.
func (c *Connector) checkPlainLDAP(insecure bool) error {
	for _, s := range c.sources {
		to := s.inClear()
		if to == "" {
			continue
		}
		if !insecure {
			return fmt.Errorf("urls: %s would get passwords in the clear; use ldaps:// or start_tls: true, or spell insecure: true out", to)
		}
		c.log.Warn("passwords are sent to this directory unencrypted; use ldaps:// or start_tls", "host", to)
	}
	return nil
}

var errClosed = errors.New("the connector is closed")

// Name returns the configured name.
func (c *Connector) Name() string { return c.name }

// Close closes the idle connections. Logins that run finish; later ones are
// Unavailable.
func (c *Connector) Close() {
	c.end()
	c.pool.close()
}

// Authenticate verifies one credential within the configured timeout.
func (c *Connector) Authenticate(ctx context.Context, cred identity.Credential) connectors.Outcome {
	if out, refused := checkCredential(cred); refused {
		return out
	}
	if c.pool.isClosed() {
		return connectors.Unavailable(errClosed)
	}
	ctx, cancel := context.WithTimeout(ctx, c.limits.login)
	defer cancel()
	triedDN, refusal := "", error(nil)
	if p := c.cached(ctx, cred.Username); p != nil && !cred.Fresh {
		err := c.bindUser(ctx, p.DN, cred.Password)
		switch {
		case err == nil:
			return connectors.Granted(p.identity(c.name, identity.MethodPassword))
		case !mayBeStale(err):
			return c.answer(ctx, err)
		}
		triedDN, refusal = p.DN, err
	}
	p, err := c.bindFresh(ctx, cred, triedDN, refusal)
	if err != nil {
		return c.answer(ctx, err)
	}
	return p.granted(c.name, identity.MethodPassword)
}

// bindFresh looks the person up and binds, unless a bind as the very same DN was
// refused a moment ago: then that refusal stands and is not counted twice.
func (c *Connector) bindFresh(ctx context.Context, cred identity.Credential, triedDN string, refusal error) (*person, error) {
	p, err := c.lookup(ctx, cred.Username)
	if err != nil {
		return nil, err
	}
	if refusal != nil && sameDN(p.DN, triedDN) {
		return nil, withState(refusal, p.state)
	}
	return p, withState(c.bindUser(ctx, p.DN, cred.Password), p.state)
}

// Lookup finds the person and the groups, without a password and never from the
// cache, which it fills. An account that may not log in is Denied with the reason,
// as far as the directory tells it without the password.
func (c *Connector) Lookup(ctx context.Context, username string) connectors.Outcome {
	_, out := c.lookUp(ctx, username)
	return out
}

// lookUp is Lookup and the person it found, nil if it found none or several.
func (c *Connector) lookUp(ctx context.Context, username string) (*person, connectors.Outcome) {
	if !usernameOK(username) {
		return nil, connectors.Denied(connectors.BadUsername)
	}
	if c.pool.isClosed() {
		return nil, connectors.Unavailable(errClosed)
	}
	ctx, cancel := context.WithTimeout(ctx, c.limits.login)
	defer cancel()
	p, err := c.lookup(ctx, username)
	if err != nil {
		return nil, c.answer(ctx, err)
	}
	if p.state != "" {
		return p, connectors.Denied(p.state)
	}
	return p, p.granted(c.name, identity.MethodNone)
}

// answer turns an error into the outcome, and raises the alarm for one that no
// caller can see: two people behind one username.
func (c *Connector) answer(ctx context.Context, err error) connectors.Outcome {
	out := outcomeOf(err)
	if out.Kind() == connectors.KindDenied && out.Reason() == connectors.Ambiguous {
		c.log.ErrorContext(ctx, "a login is refused because its username is ambiguous", "error", err)
	}
	return out
}

// mayBeStale reports whether a refused bind can be the fault of a cached DN: the
// person may have been moved.
func mayBeStale(err error) bool {
	if outcomeOf(err).Kind() == connectors.KindDenied {
		return true
	}
	op, ok := errors.AsType[*opError](err)
	if !ok || op.phase != phaseUserBind {
		return false
	}
	code, fromServer := resultCode(op.err)
	return fromServer && (code == ldap3.LDAPResultNoSuchObject || code == ldap3.LDAPResultInvalidDNSyntax)
}

// final reports whether a lookup's error is the directory's answer about the
// person, and not a failure to answer.
func final(err error) bool {
	kind := outcomeOf(err).Kind()
	return kind == connectors.KindNotMine || kind == connectors.KindDenied
}

func usernameOK(name string) bool {
	return name != "" && len(name) <= connectors.MaxUsername && utf8.ValidString(name) && !strings.ContainsRune(name, 0)
}

func passwordOK(password string) bool {
	return password != "" && len(password) <= connectors.MaxPassword && !strings.ContainsRune(password, 0)
}
