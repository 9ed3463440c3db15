package migrate

import (
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Options are what the original does not say.
type Options struct {
	// Service is what the registries are called in their own configuration.
	Service string
	// Dir is where the files will lie, as the configuration is to name it.
	Dir string
}

// Result is what was made, and what was not.
type Result struct {
	// Files by name: drawbridge.yaml, policy.yaml, htpasswd.
	Files  map[string]string `json:"files"`
	Losses []Loss            `json:"losses"`
	// Notes are differences that take nothing away and give nothing.
	Notes []string `json:"notes"`
}

// The connectors that are made.
const (
	localConnector = "local"
	ldapConnector  = "ldap"
)

// DockerAuth turns a configuration of docker_auth into ours.
func DockerAuth(text []byte, opts Options) (*Result, error) {
	c, err := parseDockerAuth(text)
	if err != nil {
		return nil, err
	}
	r := &Result{Files: map[string]string{}}
	htpasswd, anonymous := c.htpasswd(r)
	r.Files["htpasswd"] = htpasswd
	r.Files["drawbridge.yaml"] = c.settings(opts, r)
	m := c.policyMaker(opts.Service, anonymous)
	m.make()
	r.Files["policy.yaml"] = m.text()
	r.Losses = append(r.Losses, m.losses()...)
	c.sections(r)
	slices.SortStableFunc(r.Losses, func(a, b Loss) int { return a.Line - b.Line })
	if strings.Contains(r.Files["policy.yaml"], "${user}") {
		r.Notes = append(r.Notes, "${account} has become ${user}: for somebody whose name is no part of a repository's, such as one with upper-case letters or @, that is an escaped name.")
	}
	r.Notes = append(r.Notes, "`authenticated` in policy.yaml also means robots that you make here; docker_auth had none.")
	return r, nil
}

// htpasswd carries the accounts over, and says whether anonymous callers were let in.
func (c *dockerAuth) htpasswd(r *Result) (file string, anonymous bool) {
	for _, name := range slices.Sorted(maps.Keys(c.Users)) {
		user, line := c.Users[name], c.userLines[name]
		lose := func(why string) { r.Losses = append(r.Losses, Loss{line, "users: " + name + ": " + why}) }
		switch {
		case user == nil:
			lose("it has no value, and docker_auth lets nobody in by it")
		case name == "" && user.Password == nil:
			anonymous = true
		case user.Password == nil:
			lose("it has no password, and docker_auth lets anybody in by that name")
		case name == "" || strings.ContainsAny(name, ":\n\r") || strings.HasPrefix(name, "robot.") || name == "breakglass":
			lose("no account here can have this name")
		default:
			if _, err := bcrypt.Cost([]byte(*user.Password)); err != nil {
				lose("its password is no bcrypt hash")
				continue
			}
			file += name + ":" + *user.Password + "\n"
		}
	}
	return file, anonymous
}

// policyMaker knows every caller that the ACL or the users name, and the others.
func (c *dockerAuth) policyMaker(service string, anonymous bool) *policyMaker {
	m := &policyMaker{
		proof: proof{entries: c.ACL, service: service}, anonymous: anonymous, home: localConnector, connectors: map[string]string{},
	}
	if c.LDAP != nil {
		m.home = ldapConnector
	}
	for _, section := range []string{"ldap_auth", "google_auth", "github_auth", "gitlab_auth", "oidc_auth", "mongo_auth", "xorm_auth", "ext_auth", "plugin_authn"} {
		_, there := c.lines[section]
		m.directory = m.directory || there
	}
	accounts := map[string]*caller{}
	for name, user := range c.Users {
		if name != "" && user != nil {
			accounts[name] = &caller{name: name, labels: user.Labels, labelsKnown: true}
			m.connectors[name] = localConnector
		}
	}
	for i := range c.ACL {
		if p := c.ACL[i].Match.Account; p != nil && !strings.Contains(*p, "${") {
			for _, name := range finite(*p) {
				if accounts[name] == nil && name != "" {
					accounts[name] = &caller{name: name}
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		m.callers = append(m.callers, accounts[name])
	}
	m.callers = append(m.callers, &caller{other: true})
	if anonymous {
		m.callers = append(m.callers, &caller{anonymous: true, labels: c.Users[""].Labels, labelsKnown: true})
	}
	return m
}

// sections notes what has no counterpart.
func (c *dockerAuth) sections(r *Result) {
	for key, why := range map[string]string{
		"google_auth":  "set up a connector of type oidc by hand: docs/oidc.md",
		"github_auth":  "GitHub has no counterpart; an exec connector could ask it: docs/write-a-connector.md",
		"gitlab_auth":  "set up a connector of type oidc by hand: docs/oidc.md",
		"oidc_auth":    "people type a throw-away password of docker_auth's web page there; set up a connector of type oidc by hand: docs/oidc.md",
		"mongo_auth":   "accounts in MongoDB stay there; an exec connector could ask it: docs/write-a-connector.md",
		"xorm_auth":    "accounts in a database stay there; an exec connector could ask it: docs/write-a-connector.md",
		"ext_auth":     "the program is given the login in another form by an exec connector: docs/write-a-connector.md",
		"plugin_authn": "Go plugins are not loaded; an exec connector is the way: docs/write-a-connector.md",
		"acl_mongo":    "its entries are not in this file: export them as acl",
		"acl_xorm":     "its entries are not in this file: export them as acl",
		"casbin_authz": "its rules are not read: write them as bindings",
		"ext_authz":    "a program that decides has no counterpart: write what it allows as bindings",
		"plugin_authz": "a plugin that decides has no counterpart: write what it allows as bindings",
	} {
		if line, there := c.lines[key]; there {
			r.Losses = append(r.Losses, Loss{line, key + ": " + why})
		}
	}
}
