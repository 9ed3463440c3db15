package configs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestNoSecretIsPrinted(t *testing.T) {
	write(t, map[string]string{"users": "x", "pw": "hunter2\n", "c.yaml": minimal + `
  - name: corp
    type: ldap
    urls: ["ldaps://a"]
    bind_dn: cn=a
    bind_password_file: pw
    user: {base_dn: dc=a}
  - name: sso
    type: oidc
    issuer_url: "https://a"
    client_id: c
    client_secret: hunter2
cache: {redis_url: "redis://:hunter2@h"}
store: {url: "postgres://u:hunter2@h/d"}
`})
	cfg, err := Load("c.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Connectors[1].LDAP.BindPassword.Reveal() != "hunter2" || cfg.Connectors[2].OIDC.ClientSecret.Reveal() != "hunter2" {
		t.Error("the secrets are not read")
	}
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", *cfg, *cfg, *cfg), string(asJSON), string(asYAML)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("a secret is in %s", text)
		}
	}
}

// A secret in a wrong place or form must not be quoted by what complains.
func TestNoSecretIsInAFault(t *testing.T) {
	ldap := "connectors:\n- name: a\n  type: ldap\n  urls: ['ldaps://a']\n  user: {base_dn: dc=a}\n  bind_dn: cn=a\n"
	for _, text := range []string{
		ldap + "  bind_password: [hunter2]",
		ldap + "  bind_password: {hunter2: x}",
		ldap + "  bind_password: hunter2: x",
		ldap + "  bind_password: *hunter2",
		ldap + "  bind_password: &hunter2",
		ldap + "  bind_password: !hunter2 x",
		ldap + "  bind_password: %hunter2",
		ldap + "  bind_password: @hunter2",
		ldap + "  bind_password: `hunter2",
		ldap + "  bind_password: 'hunter2",
		ldap + "  bind_password: \"\\hunter2\"",
		ldap + "  bind_password: >hunter2",
		ldap + "  bind_password: |hunter2",
		ldap + "  bind_password:hunter2",
		ldap + "  bind_password=hunter2",
		ldap + "  bind_password = hunter2: ",
		ldap + "  bind_password: hunter2\n  bind_password: hunter2",
		ldap + "  bind_password: hunter2\n  bind_password_file: pw",
		ldap + "  bind_password: 0x68756e74657232\n", // no hunter2, but a fault
		"cache: {redis_url: 'redis://:hunter2'}",
		"cache: {redis_url: 'redis://:/hunter2@h'}",
		"cache: {redis_url: 'redis://:x?hunter2=@h'}",
		"cache: {redis_url: 'redis://:%zzhunter2@h:x'}",
		"cache: {redis_url: 'hunter2'}",
		"cache: {redis_url: 'redis://h?hunter2=hunter2'}",
		"cache: {redis_url_file: pw}",
		"tracing: {endpoint: 'https://c', headers: 'hunter2'}",
		"tracing: {endpoint: 'https://c', headers: 'a=%zzhunter2'}",
		"tracing: {endpoint: 'https://u:hunter2@c'}",
		"store: {url: 'postgres://u:%zzhunter2@h'}",
		"store: {url: 'postgres://u:hunter2/x@h:hunter2'}",
		"store: {url: 'hunter2'}",
		"server: {external_url: 'https://u:hunter2@h'}",
		"server: {external_url: 'https://u:hunter2/@h'}",
		"registries: [{service: a, issuer: b, url: 'https://u:hunter2@h:x'}]",
		"connectors: [{name: a, type: oidc, client_id: c, issuer_url: 'https://u:hunter2@%zz'}]",
		"connectors: [{name: a, type: ldap, urls: ['ldaps://u:hunter2/x@h']}]",
	} {
		t.Run(text, func(t *testing.T) {
			write(t, map[string]string{"c.yaml": text, "pw": "hunter2"})
			_, err := Load("c.yaml", []string{"DRAWBRIDGE_STORE_URL_FILE=/dev/null/x", "DRAWBRIDGE_NO_SUCH=hunter2", "DRAWBRIDGE_TOKENS_ACCESS_TTL=hunter2"})
			if err == nil {
				t.Fatal("it is accepted")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the secret is printed:\n%v", err)
			}
		})
	}
}

func TestSecretFiles(t *testing.T) {
	for _, tt := range []struct{ text, want, fault string }{
		{"secret", "secret", ""},
		{"secret\n", "secret", ""},
		{"secret\r\n", "secret", ""},
		{"secret\n\n", "secret\n", ""},
		{" secret ", " secret ", ""},
		{"", "", "the secret file pw is empty"},
		{"\n", "", "the secret file pw is empty"},
		{strings.Repeat("x", maxSecret+1), "", "the secret file pw has more than 65536 bytes; is it the right file?"},
	} {
		write(t, map[string]string{"pw": tt.text})
		got, err := readSecret("pw")
		if err != nil && err.Error() != tt.fault || err == nil && tt.fault != "" || got != tt.want {
			t.Errorf("%.20q: got %q, %v", tt.text, got, err)
		}
	}
}

func TestAliasesAndMerges(t *testing.T) {
	write(t, map[string]string{"users": "x", "c.yaml": `
registries:
  - &first {service: a, issuer: us, deny_response: explain}
  - {<<: *first, service: b}
  - <<: [{issuer: them}, *first]
    service: c
connectors: [{name: local, type: htpasswd, file: &f users, groups_file: *f}]
`})
	cfg, err := Load("c.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range cfg.Registries {
		got = append(got, r.Service+" "+r.Issuer+" "+r.DenyResponse)
	}
	if diff := cmp.Diff([]string{"a us explain", "b us explain", "c them explain"}, got); diff != "" {
		t.Error(diff)
	}
	if cfg.Connectors[0].HTPasswd.GroupsFile != "users" {
		t.Error("the alias of a scalar is not followed")
	}
}

func TestAliasBombsEnd(t *testing.T) {
	bomb := "log: &a0 {level: info}\n"
	text := "cache: &b0 {lookup_ttl: 1m}\n"
	for i := range 30 {
		text += fmt.Sprintf("x%d: &b%d {<<: [*b%d, *b%d]}\n", i, i+1, i, i)
	}
	text += "server: {<<: *b30}\n"
	for name, yml := range map[string]string{
		"doubling merges": bomb + text,
		"itself":          "log: &l\n  <<: *l\n",
		"lists":           "server: {trusted_proxies: &p [" + strings.Repeat("10.0.0.0/8, ", maxNodes) + "]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newReader("c.yaml")
			r.read(strings.NewReader(yml))
			if !strings.Contains(r.problems.Error(), "aliases of this file multiply") {
				t.Errorf("got %.300s", r.problems.Error())
			}
		})
	}
}

// FuzzRead checks that no text makes the YAML pass crash or hang, that every
// fault has a line, and that what is left fits the struct.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"", "- a", "log: {level: [}", minimal, ldapFile, "a: &a {<<: *a}", "? [a]\n: b", "---\n---\n", "log:\nlog:\n",
		"server: {trusted_proxies: [a, 1, null, [b]]}", "registries: [1, {}, null, {for: zot}]", "tokens: {access_ttl: !!int 5}",
		"connectors: [{type: ldap, groups: {mode: search}}]", "limits: {requests_per_second: .inf}", "\xff", "a: \"\\u0000\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := newReader("f")
		tree := r.read(strings.NewReader(text))
		r.checkTypes(tree)
		fillDefaults(tree)
		cfg, err := decode(tree)
		if err != nil {
			t.Fatalf("what was read does not fit: %v", err)
		}
		cfg.derive()
		r.validate(cfg)
		for _, p := range r.problems.sorted("f") {
			if p.Line < 1 && text != "" && len(r.places) > 0 {
				t.Errorf("no line: %s", p)
			}
			if strings.ContainsAny(p.Key, "\n\r ") {
				t.Errorf("the key is %q", p.Key)
			}
		}
	})
}
