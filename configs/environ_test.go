package configs

import (
	"strings"
	"testing"
	"time"

	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

const ldapFile = `
server: {addr: ":7000", trusted_proxies: [192.0.2.0/24]}
registries:
  - {service: reg, issuer: us}
connectors:
  - {name: local, type: htpasswd, file: users}
  - name: corp
    type: ldap
    urls: ["ldaps://a"]
    bind_dn: cn=a
    bind_password_file: pw
    user: {base_dn: dc=a}
`

func TestTheEnvironmentWins(t *testing.T) {
	write(t, map[string]string{"c.yaml": ldapFile, "users": "x", "pw": "from-file\r\n", "pw2": "from-other-file"})
	for _, tt := range []struct {
		variable string
		get      func(*Config) any
		want     any
	}{
		{"SERVER_ADDR=:6001", func(c *Config) any { return c.Server.Addr }, ":6001"},
		{"SERVER_ADDR=", func(c *Config) any { return c.Server.Addr }, ":7000"},
		{"SERVER_TLS_MODE=off", func(c *Config) any { return c.Server.ExternalURL }, "http://localhost:7000"},
		{"SERVER_TRUSTED_PROXIES=10.0.0.0/8, fd00::/8,", func(c *Config) any { return c.Server.TrustedProxies }, []string{"10.0.0.0/8", "fd00::/8"}},
		{"TOKENS_ACCESS_TTL=2m", func(c *Config) any { return c.Tokens.AccessTTL }, 2 * time.Minute},
		{"LIMITS_REQUESTS_PER_SECOND=0.5", func(c *Config) any { return c.Limits.RequestsPerSecond }, 0.5},
		{"LIMITS_LOGIN_FAILURES_PER_MINUTE=0", func(c *Config) any { return c.Limits.LoginFailuresPerMinute }, 0},
		{"STORE_URL=postgres://u:p=q@h/d", func(c *Config) any { return c.Store.URL }, identity.NewSecret("postgres://u:p=q@h/d")},
		{"REGISTRIES_0_REFRESH_TOKENS=false", func(c *Config) any { return c.Registries[0].RefreshTokens }, false},
		{"REGISTRIES_0_FOR=zot", func(c *Config) any { return c.Registries[0].TokenForm }, FormKID},
		{"CONNECTORS_1_USER_FILTER=(cn={username})", func(c *Config) any { return c.Connectors[1].LDAP.User.Filter }, "(cn={username})"},
		{"CONNECTORS_1_GROUPS_MODE=member_of", func(c *Config) any { return c.Connectors[1].LDAP.Groups.Mode }, GroupsMemberOf},
		// A secret and its twin: the environment's wins over the file's.
		{"PATH=", func(c *Config) any { return c.Connectors[1].LDAP.BindPassword }, identity.NewSecret("from-file")},
		{"CONNECTORS_1_BIND_PASSWORD=from-env", func(c *Config) any { return c.Connectors[1].LDAP.BindPassword }, identity.NewSecret("from-env")},
		{"CONNECTORS_1_BIND_PASSWORD=from-env", func(c *Config) any { return c.Connectors[1].LDAP.BindPasswordFile }, ""},
		{"CONNECTORS_1_BIND_PASSWORD_FILE=pw2", func(c *Config) any { return c.Connectors[1].LDAP.BindPassword }, identity.NewSecret("from-other-file")},
	} {
		t.Run(tt.variable, func(t *testing.T) {
			cfg, err := Load("c.yaml", []string{EnvPrefix + tt.variable, "HOME=/root"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tt.get(cfg), equalSecrets()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFaultsOfTheEnvironment(t *testing.T) {
	for _, tt := range []struct {
		environ string // separated by blanks
		want    []string
	}{
		{"DRAWBRIDGE_TOKENS_ACCESS_TTL=5", []string{"DRAWBRIDGE_TOKENS_ACCESS_TTL: tokens.access_ttl: must be a duration such as 30s, 5m or 720h"}},
		{"DRAWBRIDGE_LIMITS_LOGIN_FAILURES_PER_MINUTE=x", []string{"DRAWBRIDGE_LIMITS_LOGIN_FAILURES_PER_MINUTE: limits.login_failures_per_minute: must be a whole number"}},
		{"DRAWBRIDGE_LOG_LEVEL=loud", []string{`DRAWBRIDGE_LOG_LEVEL: log.level: "loud" is not one of debug, info, warn, error`}},
		{"DRAWBRIDGE_CACHE_REDIS_URL=x DRAWBRIDGE_CACHE_REDIS_URL_FILE=pw", []string{
			"DRAWBRIDGE_CACHE_REDIS_URL_FILE: cache.redis_url_file: cache.redis_url is set as well; keep one of the two",
		}},
		{"DRAWBRIDGE_CONNECTORS_0_BIND_DN=cn=a", []string{"DRAWBRIDGE_CONNECTORS_0_BIND_DN: connectors.0.bind_dn: is a key of ldap connectors, and this one is of type htpasswd"}},
		{"DRAWBRIDGE_CONNECTORS_0_USER_FILTER=x", []string{"DRAWBRIDGE_CONNECTORS_0_USER_FILTER: connectors.0.user: is a key of ldap connectors, and this one is of type htpasswd"}},
		{"DRAWBRIDGE_CONNECTORS_1_FILE=x", []string{
			"DRAWBRIDGE_CONNECTORS_1_FILE: the file has 1 connectors and a variable changes only those, counted from 0; write the entry into the file",
		}},
		{"DRAWBRIDGE_SERVER_ADRR=x", []string{"DRAWBRIDGE_SERVER_ADRR: there is no such setting; did you mean DRAWBRIDGE_SERVER_ADDR?"}},
		{"DRAWBRIDGE_COLOUR=red", []string{"DRAWBRIDGE_COLOUR: there is no such setting; docs/configuration.md lists the variables"}},
		{"DRAWBRIDGE_SERVER_TRUSTED_PROXIES=10.0.0.0/8,x", []string{`DRAWBRIDGE_SERVER_TRUSTED_PROXIES: server.trusted_proxies.1: "x" is not a CIDR such as 10.0.0.0/8`}},
		{"drawbridge_server_addr=x MYDRAWBRIDGE_X=1 DRAWBRIDGE=x", nil},
		// The commands' own.
		{"DRAWBRIDGE_CONFIG=x DRAWBRIDGE_SERVER=https://a DRAWBRIDGE_USERNAME=u DRAWBRIDGE_PASSWORD=p", nil},
		// What Kubernetes adds for the Services drawbridge, drawbridge-redis and drawbridge-server.
		{"DRAWBRIDGE_SERVICE_HOST=10.0.0.1 DRAWBRIDGE_SERVICE_PORT=5001 DRAWBRIDGE_SERVICE_PORT_HTTPS=5001 " +
			"DRAWBRIDGE_PORT=tcp://10.0.0.1:5001 DRAWBRIDGE_PORT_5001_TCP=tcp://10.0.0.1:5001 DRAWBRIDGE_PORT_5001_TCP_PROTO=tcp " +
			"DRAWBRIDGE_PORT_5001_TCP_PORT=5001 DRAWBRIDGE_PORT_5001_TCP_ADDR=10.0.0.1", nil},
		{"DRAWBRIDGE_REDIS_SERVICE_HOST=10.0.0.1 DRAWBRIDGE_REDIS_PORT_6379_TCP_ADDR=10.0.0.1 DRAWBRIDGE_SERVER_PORT=tcp://10.0.0.1:1", nil},
	} {
		t.Run(tt.environ, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, faults(t, minimal, strings.Fields(tt.environ)...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFaultsOfTheEmbeddedDefault(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := Load("", []string{"DRAWBRIDGE_LOG_LEVEL=loud", "DRAWBRIDGE_REGISTRIES_0_FOR=zot", "DRAWBRIDGE_REGISTRIES_0_URL=x"})
	want := "DRAWBRIDGE_LOG_LEVEL: log.level: \"loud\" is not one of debug, info, warn, error\n" +
		"DRAWBRIDGE_REGISTRIES_0_URL: registries.0.url: must be a URL that begins with https:// or http:// and has a host"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// Two keys with one variable could not be told apart.
func TestEveryKeyHasItsOwnVariable(t *testing.T) {
	seen := map[string]string{}
	three := func(string) int { return 3 }
	schema().leaves("", three, func(path string, _ field) {
		name := EnvName(path)
		if other, ok := seen[name]; ok {
			t.Errorf("%s is the variable of %s and of %s", name, other, path)
		}
		seen[name] = path
	})
	for _, name := range commandVariables() {
		if key, ok := seen[name]; ok {
			t.Errorf("the commands read %s, which is the variable of %s", name, key)
		}
	}
}

// readSecrets finds the twins by their names.
func TestEverySecretHasAFileTwin(t *testing.T) {
	known := map[string]field{}
	one := func(string) int { return 1 }
	schema().leaves("", one, func(path string, f field) { known[path] = f })
	count := 0
	for path, f := range known {
		if f.kind != kindSecret {
			continue
		}
		count++
		if twin, ok := known[path+twinSuffix]; !ok || twin.kind != kindString {
			t.Errorf("%s has no twin %s%s", path, path, twinSuffix)
		}
	}
	if count < 4 {
		t.Errorf("only %d secrets are found", count)
	}
}
