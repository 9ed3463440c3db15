package configs_test

import (
	"testing"

	"drawbridge/configs"

	"github.com/google/go-cmp/cmp"
)

func TestFiles(t *testing.T) {
	c := &configs.Config{
		Server: configs.Server{TLS: configs.TLS{CertFile: "a", ACME: configs.ACME{CAFile: "b"}}},
		Tokens: configs.Tokens{CAKeyFile: "c"},
		Connectors: []configs.Connector{
			{HTPasswd: configs.HTPasswd{File: "d", GroupsFile: "e"}},
			{LDAP: configs.LDAP{BindPasswordFile: "f"}, OIDC: configs.OIDC{IssuerCAFile: "g"}},
		},
		Policy: configs.Policy{File: "h"}, Cache: configs.Cache{RedisURLFile: "i"}, Store: configs.Store{URLFile: "j"},
		Audit: configs.Audit{File: "k"},
	}
	want := []configs.NamedFile{
		{"server.tls.cert_file", "a"}, {"server.tls.acme.ca_file", "b"}, {"tokens.ca_key_file", "c"},
		{"connectors.0.file", "d"}, {"connectors.0.groups_file", "e"},
		{"connectors.1.bind_password_file", "f"}, {"connectors.1.issuer_ca_file", "g"},
		{"policy.file", "h"}, {"cache.redis_url_file", "i"}, {"store.url_file", "j"},
	}
	if diff := cmp.Diff(want, c.Files()); diff != "" {
		t.Error(diff)
	}
}
