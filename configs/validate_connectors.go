package configs

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"drawbridge/identity"
)

// maxLogin is the longest that one connector may take: docker's login gives up
// after 15 seconds, and the answer must reach it before.
const maxLogin = 8 * time.Second

// namePattern is what a connector may be called. There are no two dashes in a
// row because -- separates the connector from the name in a ${user} slug.
const namePattern = `^[a-z][a-z0-9]*(-[a-z0-9]+)*$`

// reservedNames mean something else in a policy's subjects.
func reservedNames() []string { return []string{"robot", "anonymous", "authenticated", "breakglass"} }

func connectorTypes() []string { return []string{TypeHTPasswd, TypeLDAP, TypeOIDC, TypeExec} }

func (c *check) connectors(cfg *Config) {
	if len(cfg.Connectors) == 0 {
		c.fault("connectors", "at least one connector is required")
	}
	names := map[string]int{}
	for i, conn := range cfg.Connectors {
		at := index("connectors", i)
		c.connectorName(at, conn.Name)
		if first, twice := names[conn.Name]; twice && conn.Name != "" {
			c.fault(join(at, "name"), "%q is already connectors.%d; names are unique", conn.Name, first)
		} else {
			names[conn.Name] = i
		}
		c.oneOf(join(at, "on_unavailable"), conn.OnUnavailable, OnUnavailableStop, OnUnavailableNext)
		if _, err := identity.ParseUsernamePattern(conn.Match); err != nil {
			c.fault(join(at, "match"), "%v", err)
		} else if strings.HasPrefix(strings.ToLower(conn.Match), identity.RobotPrefix) {
			c.fault(join(at, "match"), "no username fits: those that begin with %s are robots', whom no connector is asked about", identity.RobotPrefix)
		}
		c.connectorType(cfg, at, conn)
	}
	c.chain(cfg.Connectors)
}

func (c *check) connectorName(at, name string) {
	key := join(at, "name")
	if !c.required(key, name) {
		return
	}
	if ok, err := regexp.MatchString(namePattern, name); err != nil || !ok {
		c.fault(key, "%q must be lower-case letters and digits, begin with a letter, with single dashes between", name)
	}
	if slices.Contains(reservedNames(), name) {
		c.fault(key, "%q is reserved; it means something else in a policy", name)
	}
}

func (c *check) connectorType(cfg *Config, at string, conn Connector) {
	switch conn.Type {
	case TypeHTPasswd:
		c.htpasswd(cfg.Embedded, at, conn.HTPasswd)
		return
	case TypeLDAP:
		c.ldap(at, conn.LDAP)
	case TypeOIDC:
		c.oidc(at, conn.OIDC)
	case TypeExec:
		c.exec(at, conn.Exec)
	case "":
		c.fault(join(at, "type"), "is required: %s", strings.Join(connectorTypes(), ", "))
		return
	default:
		c.oneOf(join(at, "type"), conn.Type, connectorTypes()...)
		return
	}
	c.between(join(at, "timeout"), conn.Timeout, 100*time.Millisecond, maxLogin)
	c.between(join(at, "grace"), conn.Grace, 0, 24*time.Hour)
}

// htpasswd checks the files. The first start makes the embedded default's one.
func (c *check) htpasswd(embedded bool, at string, h HTPasswd) {
	if c.required(join(at, "file"), h.File) && !embedded {
		c.file(join(at, "file"), h.File)
	}
	if h.GroupsFile != "" {
		c.file(join(at, "groups_file"), h.GroupsFile)
	}
}

func (c *check) oidc(at string, o OIDC) {
	key := join(at, "issuer_url")
	if c.required(key, o.IssuerURL) {
		c.issuerURL(at, key, o)
	}
	c.required(join(at, "client_id"), o.ClientID)
	c.required(join(at, "username_claim"), o.UsernameClaim)
	if !slices.Contains(o.Scopes, "openid") {
		c.fault(join(at, "scopes"), "must have openid among them, or the provider issues no ID token")
	}
	for _, scope := range o.Scopes {
		if scope == "" || strings.ContainsAny(scope, " \"\\\t\r\n") {
			c.fault(join(at, "scopes"), "%q is no scope; one list entry for each", scope)
		}
	}
	c.overageURL(join(at, "groups_overage_url"), o)
	c.certificates(join(at, "issuer_ca_file"), o.IssuerCAFile)
}

// Overage is how an address lists the groups of who asks.
type Overage uint8

// The kinds of addresses of Microsoft Graph that a groups_overage_url may be.
const (
	OverageUnknown Overage = iota
	OverageAction          // a POST that answers IDs: getMemberGroups, getMemberObjects
	OverageList            // a GET that answers pages of groups: transitiveMemberOf/microsoft.graph.group
)

// OverageKind tells the kind by the end of the address's path.
func OverageKind(path string) Overage {
	switch {
	case strings.HasSuffix(path, "/me/getMemberGroups"), strings.HasSuffix(path, "/me/getMemberObjects"):
		return OverageAction
	case strings.HasSuffix(path, "/me/transitiveMemberOf/microsoft.graph.group"):
		return OverageList
	}
	return OverageUnknown
}

func (c *check) overageURL(key string, o OIDC) {
	if o.GroupsOverageURL == "" {
		return
	}
	u := c.origin(key, o.GroupsOverageURL, "https", "http")
	switch {
	case u == nil:
		return
	case u.Scheme == "http" && !o.Insecure:
		c.fault(key, "must begin with https://: people's access tokens are sent there")
	case OverageKind(u.Path) == OverageUnknown || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		c.fault(key, "must end with /me/getMemberGroups, /me/getMemberObjects or /me/transitiveMemberOf/microsoft.graph.group, "+
			"as in https://graph.microsoft.com/v1.0/me/getMemberGroups")
	}
	if o.GroupsClaim != "groups" {
		c.fault(key, "has a use only with groups_claim: groups, whose place the fetched groups take")
	}
}

// issuerURL is compared with the iss claim letter by letter, so it is checked and
// never rewritten.
func (c *check) issuerURL(at, key string, o OIDC) {
	u := c.origin(key, o.IssuerURL, "https", "http")
	switch {
	case u == nil:
		return
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		c.fault(key, "an issuer has no query and no fragment")
	case u.Scheme == "http" && !o.Insecure:
		c.fault(key, "must begin with https://: passwords would be sent in the clear; for a test, insecure: true permits it")
	case u.Scheme == "https" && o.Insecure:
		c.fault(join(at, "insecure"), "has no use with an https issuer; for a private CA set issuer_ca_file")
	}
}
