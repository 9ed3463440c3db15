package migrate

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// dockerAuth is what is read of docker_auth's configuration. Sections that have no
// counterpart are only noted.
type dockerAuth struct {
	Server struct {
		Addr         string `yaml:"addr"`
		Net          string `yaml:"net"`
		PathPrefix   string `yaml:"path_prefix"`
		RealIPHeader string `yaml:"real_ip_header"`
		Certificate  string `yaml:"certificate"`
		Key          string `yaml:"key"`
		LetsEncrypt  struct {
			Email string `yaml:"email"`
			Host  string `yaml:"host"`
		} `yaml:"letsencrypt"`
	} `yaml:"server"`
	Token struct {
		Issuer      string `yaml:"issuer"`
		Expiration  int64  `yaml:"expiration"`
		Certificate string `yaml:"certificate"`
		Key         string `yaml:"key"`
	} `yaml:"token"`
	Users map[string]*dockerUser `yaml:"users"`
	LDAP  *dockerLDAP            `yaml:"ldap_auth"`
	ACL   []dockerEntry          `yaml:"acl"`

	// lines are those of the top-level sections, and userLines those of the users.
	lines     map[string]int
	userLines map[string]int
}

type dockerUser struct {
	Password *string             `yaml:"password"`
	Labels   map[string][]string `yaml:"labels"`
}

type dockerLDAP struct {
	Addr              string `yaml:"addr"`
	TLS               string `yaml:"tls"`
	SkipVerify        bool   `yaml:"insecure_tls_skip_verify"`
	CACertificate     string `yaml:"ca_certificate"`
	Base              string `yaml:"base"`
	Filter            string `yaml:"filter"`
	BindDN            string `yaml:"bind_dn"`
	BindPasswordFile  string `yaml:"bind_password_file"`
	InitialBindAsUser bool   `yaml:"initial_bind_as_user"`
	Labels            map[string]struct {
		Attribute string `yaml:"attribute"`
		ParseCN   bool   `yaml:"parse_cn"`
		LowerCase bool   `yaml:"lower_case"`
	} `yaml:"labels"`
}

// dockerEntry is an entry of the ACL.
type dockerEntry struct {
	line    int
	Match   *dockerMatch `yaml:"match"`
	Actions []string     `yaml:"actions"`
	Comment string       `yaml:"comment"`
}

type dockerMatch struct {
	Account *string           `yaml:"account"`
	Type    *string           `yaml:"type"`
	Name    *string           `yaml:"name"`
	IP      *string           `yaml:"ip"`
	Service *string           `yaml:"service"`
	Labels  map[string]string `yaml:"labels"`
}

// UnmarshalYAML implements yaml.Unmarshaler, to remember the line.
func (e *dockerEntry) UnmarshalYAML(node *yaml.Node) error {
	type plain dockerEntry
	if err := node.Decode((*plain)(e)); err != nil {
		return err
	}
	e.line = node.Line
	if e.Match == nil {
		return fmt.Errorf("line %d: the entry has no match section; docker_auth does not start with it", node.Line)
	}
	return nil
}

// parseDockerAuth reads the file.
func parseDockerAuth(text []byte) (*dockerAuth, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("the file is no configuration of docker_auth")
	}
	c := &dockerAuth{}
	if err := doc.Decode(c); err != nil {
		return nil, err
	}
	root := doc.Content[0]
	c.lines = linesOf(root)
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "users" {
			c.userLines = linesOf(root.Content[i+1])
		}
	}
	return c, nil
}

// linesOf returns the line of each key of a mapping.
func linesOf(mapping *yaml.Node) map[string]int {
	lines := map[string]int{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		lines[mapping.Content[i].Value] = mapping.Content[i].Line
	}
	return lines
}
