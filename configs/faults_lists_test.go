package configs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const oneConnector = "connectors:\n  - {name: local, type: htpasswd, file: users}\n"

func TestFaultsOfRegistries(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"none", "log: {}\n", []string{"c.yaml:1: registries: at least one registry is required"}},
		{"empty", "registries: []\n", []string{"c.yaml:1: registries: at least one registry is required"}},
		{"all commented out", "log: {}\nregistries:\n", []string{"c.yaml:2: registries: at least one registry is required"}},
		{"no list", "registries: {service: a}\n", []string{"c.yaml:1: registries: must be a list of sections, not a section of keys"}},
		{"entry is no section", "registries:\n- a\n- {service: a, issuer: b}\n", []string{"c.yaml:2: registries.0: must be a section of keys, not a string"}},
		{"keys missing", "registries:\n- for: zot\n", []string{
			"c.yaml:2: registries.0.issuer: is required", "c.yaml:2: registries.0.service: is required",
		}},
		{"service twice", "registries:\n- {service: a, issuer: b}\n- issuer: b\n  service: a\n", []string{
			`c.yaml:4: registries.1.service: "a" is already registries.0; a service has one entry`,
		}},
		{"the API's own audience", "server: {external_url: 'https://a.example:5001'}\nregistries:\n- {service: 'https://a.example:5001/api/v1', issuer: b}\n", []string{
			`c.yaml:3: registries.0.service: "https://a.example:5001/api/v1" is the audience of the API's own tokens; give the registry another name`,
		}},
		{"preset", "registries:\n- {service: a, issuer: b, for: distribution3}\n", []string{
			`c.yaml:2: registries.0.for: "distribution3" is not one of distribution-2, distribution-3, distribution-3-jwks, zot; did you mean distribution-3?`,
		}},
		{"form", "registries:\n- {service: a, issuer: b, token_form: jwk}\n", []string{`c.yaml:2: registries.0.token_form: "jwk" is not one of x5c, kid`}},
		{"denial", "registries:\n- {service: a, issuer: b, deny_response: explained}\n", []string{
			`c.yaml:2: registries.0.deny_response: "explained" is not one of filter, explain; did you mean explain?`,
		}},
		{"url", "registries:\n- {service: a, issuer: b, url: 'registry:5000'}\n", []string{
			"c.yaml:2: registries.0.url: must be a URL that begins with https:// or http:// and has a host",
		}},
		{"x5c for jwks", "registries:\n- service: a\n  issuer: b\n  for: distribution-3-jwks\n  token_form: x5c\n", []string{
			"c.yaml:5: registries.0.token_form: a registry with nothing but a jwks file verifies no x5c; leave token_form out, or add a rootcertbundle and write for: distribution-3",
		}},
		{"x5c for zot", "registries:\n- {service: a, issuer: b, for: zot, token_form: x5c}\n", []string{
			"c.yaml:2: registries.0.token_form: zot verifies no x5c; leave token_form out",
		}},
		{"kid for 2.8", "registries:\n- {service: a, issuer: b, for: distribution-2, token_form: kid}\n", []string{
			"c.yaml:2: registries.0.token_form: distribution 2.8 finds a rotating key by x5c only; leave token_form out",
		}},
		{"EdDSA for 2.8", "registries:\n- {service: a, issuer: b, for: distribution-2}\ntokens:\n  algorithm: EdDSA\n", []string{
			`c.yaml:4: tokens.algorithm: EdDSA is not verified by distribution 2.8, which registries.0 (service "a") is`,
		}},
		{"EdDSA for 3", "registries:\n- {service: a, issuer: b}\ntokens:\n  algorithm: EdDSA\n", nil},
		{"switch", "registries:\n- {service: a, issuer: b, refresh_tokens: 'no'}\n", []string{
			"c.yaml:2: registries.0.refresh_tokens: must be true or false, not a string",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, faults(t, tt.text+oneConnector)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The entries begin on line 3.
const oneRegistry = "registries: [{service: a, issuer: b}]\nconnectors:\n"

const (
	ldapEntry = "- name: corp\n  type: ldap\n  urls: ['ldaps://a']\n  user: {base_dn: dc=a}\n"
	oidcEntry = "- {name: sso, type: oidc, issuer_url: 'https://a', client_id: c}\n"
	// overageEntry is open at its end.
	overageEntry = "- {name: sso, type: oidc, issuer_url: 'https://a', client_id: c, "
	fileEntry    = "- {name: local, type: htpasswd, file: users}\n"
)

func TestFaultsOfConnectors(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"none", "", []string{"c.yaml:2: connectors: at least one connector is required"}},
		{"nothing in it", "- {}\n", []string{"c.yaml:3: connectors.0.name: is required", "c.yaml:3: connectors.0.type: is required: htpasswd, ldap, oidc, exec"}},
		{"type", "- {name: a, type: ldaps}\n", []string{`c.yaml:3: connectors.0.type: "ldaps" is not one of htpasswd, ldap, oidc, exec; did you mean ldap?`}},
		{"name", "- {name: Corp_1, type: htpasswd, file: users}\n", []string{
			`c.yaml:3: connectors.0.name: "Corp_1" must be lower-case letters and digits, begin with a letter, with single dashes between`,
		}},
		{"name with two dashes", "- {name: a--b, type: htpasswd, file: users}\n", []string{
			`c.yaml:3: connectors.0.name: "a--b" must be lower-case letters and digits, begin with a letter, with single dashes between`,
		}},
		{"reserved name", "- {name: robot, type: htpasswd, file: users}\n", []string{`c.yaml:3: connectors.0.name: "robot" is reserved; it means something else in a policy`}},
		{"name twice", fileEntry + "- type: htpasswd\n  file: users\n  name: local\n", []string{`c.yaml:6: connectors.1.name: "local" is already connectors.0; names are unique`}},
		{"match", "- {name: a, type: htpasswd, file: users, match: ' x'}\n", []string{"c.yaml:3: connectors.0.match: a username pattern may not begin or end with a space"}},
		{"robots' usernames", "- {name: a, type: htpasswd, file: users, match: 'Robot.*'}\n", []string{
			"c.yaml:3: connectors.0.match: no username fits: those that begin with robot. are robots', whom no connector is asked about",
		}},
		{"foreign keys", "- name: a\n  type: htpasswd\n  file: users\n  bind_dn: cn=a\n  user: {filter: x}\n  grace: 1m\n  insecure: true\n", []string{
			"c.yaml:6: connectors.0.bind_dn: is a key of ldap connectors, and this one is of type htpasswd",
			"c.yaml:7: connectors.0.user: is a key of ldap connectors, and this one is of type htpasswd",
			"c.yaml:8: connectors.0.grace: is a key of ldap and oidc and exec connectors, and this one is of type htpasswd",
			"c.yaml:9: connectors.0.insecure: is a key of ldap and oidc connectors, and this one is of type htpasswd",
		}},
		{"foreign key with a default", oidcEntry + "- name: b\n  type: ldap\n  scopes: []\n  urls: ['ldaps://a']\n  user: {base_dn: dc=a}\n", []string{
			"c.yaml:3: connectors.0: an oidc connector cannot tell an unknown user from a wrong password, so nobody reaches b after it; put it last, or give it a match: of its own",
			"c.yaml:6: connectors.1.scopes: is a key of oidc connectors, and this one is of type ldap",
		}},
		{"htpasswd without a file", "- {name: a, type: htpasswd}\n", []string{"c.yaml:3: connectors.0.file: is required"}},
		{"htpasswd files", "- name: a\n  type: htpasswd\n  file: nope\n  groups_file: dir\n", []string{
			"c.yaml:5: connectors.0.file: the file nope does not exist; a relative path begins at the working directory",
			"c.yaml:6: connectors.0.groups_file: dir is a directory, not a file",
		}},

		// ldap
		{"ldap", ldapEntry, nil},
		{"ldap without keys", "- {name: a, type: ldap}\n", []string{
			"c.yaml:3: connectors.0.urls: is required: one or more ldaps:// or ldap:// URLs", "c.yaml:3: connectors.0.user.base_dn: is required",
		}},
		{"ldap urls", "- name: a\n  type: ldap\n  user: {base_dn: dc=a}\n  urls:\n  - http://a\n  - ldap://a\n  - ldaps://a/dc=a\n  - ldaps://u:hunter2@a\n  - ldaps://a:b\n", []string{
			"c.yaml:7: connectors.0.urls.0: must be a URL that begins with ldaps:// or ldap:// or ldaps+srv:// or ldap+srv:// and has a host",
			"c.yaml:8: connectors.0.urls.1: would send passwords in the clear; use ldaps:// or start_tls: true, or spell insecure: true out",
			"c.yaml:9: connectors.0.urls.2: must end after the host and port; the base and the filter are keys of their own",
			"c.yaml:10: connectors.0.urls.3: a URL here has no user name and no password",
			"c.yaml:11: connectors.0.urls.4: must be a URL that begins with ldaps:// or ldap:// or ldaps+srv:// or ldap+srv:// and has a host",
		}},
		{"ldap domains", "- name: a\n  type: ldap\n  user: {base_dn: dc=a}\n  urls:\n  - ldaps+srv://corp.example\n  - ldaps+srv://Berlin._sites.corp.example.\n" +
			"  - ldap+srv://corp.example\n  - ldaps+srv://corp.example:636\n  - ldaps+srv://com\n  - ldaps+srv://Berlin._sites.com\n  - ldaps+srv://10.0.0.1\n  - ldaps+srv://a..example\n  - ldap+srv://b.localhost\n", []string{
			"c.yaml:9: connectors.0.urls.2: would send passwords in the clear; use ldaps:// or start_tls: true, or spell insecure: true out",
			"c.yaml:10: connectors.0.urls.3: has a port, and DNS says that; a server is written ldaps://host:port",
			`c.yaml:11: connectors.0.urls.4: "com" is not below a top-level domain: DNS could name servers of anybody; list them with ldaps://`,
			`c.yaml:12: connectors.0.urls.5: "berlin._sites.com" is not below a top-level domain: DNS could name servers of anybody; list them with ldaps://`,
			"c.yaml:13: connectors.0.urls.6: 10.0.0.1 is an address; srv is for the name of a domain",
			`c.yaml:14: connectors.0.urls.7: "a..example" is not the name of a domain`,
			"c.yaml:15: connectors.0.urls.8: would send passwords in the clear; use ldaps:// or start_tls: true, or spell insecure: true out",
		}},
		{"start_tls on an ldaps domain", "- {name: a, type: ldap, urls: ['ldaps+srv://corp.example'], start_tls: true, user: {base_dn: dc=a}}\n", []string{
			"c.yaml:3: connectors.0.urls.0: start_tls is for ldap:// URLs; this one is encrypted from the start",
		}},
		{"start_tls on ldaps", ldapEntry + "  start_tls: true\n", []string{
			"c.yaml:5: connectors.0.urls.0: start_tls is for ldap:// URLs; this one is encrypted from the start",
		}},
		{"clear to this machine", "- {name: a, type: ldap, urls: ['ldap://127.0.0.53', 'ldap://localhost:389', 'ldap://[::1]'], user: {base_dn: dc=a}}\n", nil},
		{"clear and spelled out", "- {name: a, type: ldap, urls: ['ldap://a'], insecure: true, user: {base_dn: dc=a}}\n", nil},
		{"insecure is not a way around certificates", ldapEntry + "  insecure: true\n", []string{
			"c.yaml:7: connectors.0.insecure: has no use here, every connection is encrypted; for a private CA set ca_file",
		}},
		{"half a client certificate", ldapEntry + "  client_key_file: cert\n", []string{"c.yaml:3: connectors.0.client_cert_file: is required with client_key_file"}},
		{"a client certificate nobody sees", "- {name: a, type: ldap, urls: ['ldap://localhost'], user: {base_dn: dc=a}, client_cert_file: cert}\n", []string{
			"c.yaml:3: connectors.0.client_cert_file: is shown on encrypted connections only, and there are none; use ldaps:// or start_tls: true",
			"c.yaml:3: connectors.0.client_key_file: is required with client_cert_file",
		}},
		{"ad_nested", ldapEntry + "  groups: {mode: ad_nested, base_dn: dc=a}\n", nil},
		{"ad_nested has a filter and is nested", ldapEntry + "  groups: {mode: ad_nested, filter: '(member={dn})', nested: true}\n", []string{
			"c.yaml:7: connectors.0.groups.base_dn: is required",
			"c.yaml:7: connectors.0.groups.filter: is set but groups.mode is ad_nested, which has a filter of its own",
			"c.yaml:7: connectors.0.groups.nested: has no use with groups.mode ad_nested, which finds groups in groups by itself",
		}},
		{"ca_file", ldapEntry + "  ca_file: cert\n", []string{"c.yaml:7: connectors.0.ca_file: cert holds no PEM certificate"}},
		{"a certificate that cannot be used", ldapEntry + "  ca_file: badca\n", []string{
			"c.yaml:7: connectors.0.ca_file: badca holds a certificate that cannot be used: number 1: x509: malformed certificate",
		}},
		{"password without a DN", ldapEntry + "  bind_password: x\n", []string{"c.yaml:3: connectors.0.bind_dn: is required with a bind password"}},
		{"DN without a password", ldapEntry + "  bind_dn: cn=a\n", []string{
			"c.yaml:3: connectors.0.bind_password: is required with bind_dn: a bind without a password succeeds as nobody",
		}},
		{"password file faulty", ldapEntry + "  bind_dn: cn=a\n  bind_password_file: nope\n", []string{
			"c.yaml:8: connectors.0.bind_password_file: the secret file cannot be read: open nope: no such file or directory",
		}},
		{"password twice", ldapEntry + "  bind_dn: cn=a\n  bind_password: hunter2\n  bind_password_file: pw\n", []string{
			"c.yaml:9: connectors.0.bind_password_file: connectors.0.bind_password is set as well; keep one of the two",
		}},
		{"DN", "- {name: a, type: ldap, urls: ['ldaps://a'], user: {base_dn: people}}\n", []string{
			`c.yaml:3: connectors.0.user.base_dn: "people" is not a DN: DN ended with incomplete type, value pair`,
		}},
		{"filter without a place", "- {name: a, type: ldap, urls: ['ldaps://a'], user: {base_dn: dc=a, filter: (uid=*)}}\n", []string{
			"c.yaml:3: connectors.0.user.filter: must hold {username}; without it every login finds the same entries",
		}},
		{"filter with another place", "- {name: a, type: ldap, urls: ['ldaps://a'], user: {base_dn: dc=a, filter: '(uid={user})'}}\n", []string{
			"c.yaml:3: connectors.0.user.filter: the placeholder {user} is not known here; {username} is",
		}},
		{"filter that is none", "- {name: a, type: ldap, urls: ['ldaps://a'], user: {base_dn: dc=a, filter: '(uid={username}'}}\n", []string{
			`c.yaml:3: connectors.0.user.filter: is not an LDAP filter: LDAP Result Code 201 "Filter Compile Error": ldap: unexpected end of filter`,
		}},
		{"attribute", "- {name: a, type: ldap, urls: ['ldaps://a'], user: {base_dn: dc=a, name_attr: 'u id'}}\n", []string{
			`c.yaml:3: connectors.0.user.name_attr: "u id" is not the name of an attribute`,
		}},
		{"groups without a base", ldapEntry + "  groups: {mode: search}\n", []string{"c.yaml:7: connectors.0.groups.base_dn: is required"}},
		{"groups mode", ldapEntry + "  groups: {mode: memberof}\n", []string{
			`c.yaml:7: connectors.0.groups.mode: "memberof" is not one of none, member_of, search, ad_nested; did you mean member_of?`,
		}},
		{"groups filter", ldapEntry + "  groups:\n    mode: search\n    base_dn: dc=a\n    filter: (cn=a)\n", []string{
			"c.yaml:10: connectors.0.groups.filter: must hold {dn} or {username}; without it every login finds the same entries",
		}},
		{"groups without a mode", ldapEntry + "  groups:\n    base_dn: dc=a\n    nested: true\n", []string{
			"c.yaml:8: connectors.0.groups.base_dn: is set but groups.mode is none; write mode: search or mode: member_of",
			"c.yaml:9: connectors.0.groups.nested: is set but groups.mode is none; write mode: search or mode: member_of",
		}},
		{"times", ldapEntry + "  timeout: 9s\n  grace: -1s\n", []string{
			"c.yaml:7: connectors.0.timeout: 9s is not between 100ms and 8s", "c.yaml:8: connectors.0.grace: -1s is not between 0s and 24h",
		}},

		// oidc
		{"oidc", oidcEntry, nil},
		{"oidc without keys", "- {name: a, type: oidc}\n", []string{
			"c.yaml:3: connectors.0.client_id: is required", "c.yaml:3: connectors.0.issuer_url: is required",
		}},
		{"oidc in the clear", "- {name: a, type: oidc, issuer_url: 'http://127.0.0.1', client_id: c}\n", []string{
			"c.yaml:3: connectors.0.issuer_url: must begin with https://: passwords would be sent in the clear; for a test, insecure: true permits it",
		}},
		{"oidc in the clear, spelled out", "- {name: a, type: oidc, issuer_url: 'http://127.0.0.1', client_id: c, insecure: true}\n", nil},
		{"oidc insecure without need", "- {name: a, type: oidc, issuer_url: 'https://a', client_id: c, insecure: true}\n", []string{
			"c.yaml:3: connectors.0.insecure: has no use with an https issuer; for a private CA set issuer_ca_file",
		}},
		{"overage", overageEntry + "groups_overage_url: 'https://graph.microsoft.com/v1.0/me/getMemberObjects'}\n", nil},
		{"overage, listed", overageEntry + "groups_overage_url: 'https://graph.microsoft.com/v1.0/me/transitiveMemberOf/microsoft.graph.group'}\n", nil},
		{"overage in the clear, of another claim", overageEntry + "groups_claim: roles, groups_overage_url: 'http://graph.microsoft.com/v1.0/me/getMemberObjects'}\n", []string{
			"c.yaml:3: connectors.0.groups_overage_url: has a use only with groups_claim: groups, whose place the fetched groups take",
			"c.yaml:3: connectors.0.groups_overage_url: must begin with https://: people's access tokens are sent there",
		}},
		{"overage of somebody", overageEntry + "groups_overage_url: 'https://graph.microsoft.com/v1.0/users/7/getMemberObjects'}\n", []string{
			"c.yaml:3: connectors.0.groups_overage_url: must end with /me/getMemberGroups, /me/getMemberObjects or /me/transitiveMemberOf/microsoft.graph.group, as in https://graph.microsoft.com/v1.0/me/getMemberGroups",
		}},
		{"overage is no URL", overageEntry + "groups_overage_url: 'true me'}\n", []string{
			"c.yaml:3: connectors.0.groups_overage_url: must be a URL that begins with https:// or http:// and has a host",
		}},
		{"issuer with a query", "- {name: a, type: oidc, issuer_url: 'https://a?b', client_id: c}\n", []string{"c.yaml:3: connectors.0.issuer_url: an issuer has no query and no fragment"}},
		{"scopes", "- {name: a, type: oidc, issuer_url: 'https://a', client_id: c, scopes: ['profile email']}\n", []string{
			`c.yaml:3: connectors.0.scopes: "profile email" is no scope; one list entry for each`,
			"c.yaml:3: connectors.0.scopes: must have openid among them, or the provider issues no ID token",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, faults(t, oneRegistry+tt.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
