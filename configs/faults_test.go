package configs

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// badCA is PEM around what is no certificate.
const badCA = "-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n"

// faults loads the text as c.yaml and returns the lines of the error.
func faults(t *testing.T, text string, environ ...string) []string {
	t.Helper()
	write(t, map[string]string{"c.yaml": text, "users": "x", "pw": "from-file\n", "empty": "\n", "dir/file": "", "cert": "no PEM", "badca": badCA})
	cfg, err := Load("c.yaml", environ)
	if err == nil {
		return nil
	}
	if cfg != nil {
		t.Error("there is a Config beside the error")
	}
	problems := Problems(nil)
	if !errors.As(err, &problems) {
		t.Fatalf("the error is a %T", err)
	}
	keys := allKeys()
	for _, p := range problems {
		if p.File == "c.yaml" && p.Line == 0 {
			t.Errorf("no line: %s", p)
		}
		if !keys(p.Key) && !strings.HasPrefix(p.Message, "unknown key") {
			t.Errorf("%s is no key of the schema", p.Key)
		}
	}
	return strings.Split(err.Error(), "\n")
}

// allKeys returns a function that says whether a path is one of the schema, of a section of it, or an
// item of a list.
func allKeys() func(string) bool {
	known := map[string]bool{"": true}
	ten := func(string) int { return 10 }
	schema().leaves("", ten, func(path string, _ field) {
		for {
			known[path] = true
			for i := range 10 {
				known[index(path, i)] = true
			}
			i := strings.LastIndexByte(path, '.')
			if i < 0 {
				return
			}
			path = path[:i]
		}
	})
	return func(key string) bool { return known[key] }
}

// The text of each case stands before a minimal valid rest, so that its lines
// count from 1.
func TestFaultsOfSections(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		// Shape.
		{"unknown key", "servr: {}", []string{"c.yaml:1: servr: unknown key; did you mean server?"}},
		{"unknown key in a section", "server:\n  adr: x", []string{"c.yaml:2: server.adr: unknown key; did you mean addr?"}},
		{"key of another section", "lookup_ttl: 5m", []string{"c.yaml:1: lookup_ttl: unknown key; did you mean cache.lookup_ttl?"}},
		{"key in capitals", "Server: {}", []string{"c.yaml:1: Server: unknown key; did you mean server?"}},
		{"key with a dash", "data-dir: x", []string{"c.yaml:1: data-dir: unknown key; did you mean data_dir?"}},
		{"key path", "server.addr: ':1'", []string{"c.yaml:1: server.addr: unknown key; keys are nested, each name on its own line under its section"}},
		{"nothing alike", "colour: red", []string{"c.yaml:1: colour: unknown key"}},
		{"key twice", "data_dir: a\nlog: {}\ndata_dir: b", []string{"c.yaml:3: data_dir: the key is here twice; the first is on line 1"}},
		{"section twice", "log: {level: info}\nlog: {format: json}", []string{"c.yaml:2: log: the key is here twice; the first is on line 1"}},
		{"strange key", "log:\n  ? [a, b]\n  : c", []string{"c.yaml:2: log: a key here is not a plain word of letters, digits and underscores"}},
		{"number as a string", "data_dir: 5", []string{"c.yaml:1: data_dir: must be a string, not a number; put it in quotes"}},
		{"bool as a string", "data_dir: true", []string{"c.yaml:1: data_dir: must be a string, not true or false; put it in quotes"}},
		{"date as a string", "data_dir: 2026-01-01", []string{"c.yaml:1: data_dir: must be a string, not a date; put it in quotes"}},
		{"tag", "data_dir: !env HOME", []string{"c.yaml:1: data_dir: must be a string, not a value with a YAML tag; put it in quotes"}},
		{"section as a string", "data_dir: {a: b}", []string{"c.yaml:1: data_dir: must be a string, not a section of keys"}},
		{"list as a string", "data_dir: [a]", []string{"c.yaml:1: data_dir: must be a string, not a list"}},
		{"nothing", "data_dir:", []string{"c.yaml:1: data_dir: has no value; it must be a string, or the line is left out"}},
		{"string as a section", "log: debug", []string{"c.yaml:1: log: must be a section of keys, not a string"}},
		{"list as a section", "log:\n- level: info", []string{"c.yaml:2: log: must be a section of keys, not a list"}},
		{"string as a list", "server:\n  trusted_proxies: 10.0.0.0/8", []string{"c.yaml:2: server.trusted_proxies: must be a list of strings, not a string"}},
		{"number in a list", "server:\n  trusted_proxies:\n  - 10.0.0.0/8\n  - 10", []string{"c.yaml:4: server.trusted_proxies.1: must be a string, not a number; put it in quotes"}},
		{"number as a duration", "tokens:\n  access_ttl: 300", []string{"c.yaml:2: tokens.access_ttl: must be a duration such as 30s, 5m or 720h, not a number"}},
		{"no duration", "tokens:\n  access_ttl: 5 minutes", []string{"c.yaml:2: tokens.access_ttl: must be a duration such as 30s, 5m or 720h, not a string"}},
		{"string as a number", "limits: {login_failures_per_minute: '5'}", []string{"c.yaml:1: limits.login_failures_per_minute: must be a whole number, not a string"}},
		{"fraction", "limits: {login_failures_per_minute: 5.5}", []string{"c.yaml:1: limits.login_failures_per_minute: must be a whole number, not a number"}},
		{"number out of range", "limits: {login_failures_per_minute: 99999999999999999999}", []string{"c.yaml:1: limits.login_failures_per_minute: must be a whole number, not a number"}},
		{"merge of a string", "log:\n  <<: x", []string{"c.yaml:2: log: << merges sections only"}},
		{"fault through an alias", "log: &l\n  level: loud\n", []string{`c.yaml:2: log.level: "loud" is not one of debug, info, warn, error`}},

		// server
		{"addr", "server: {addr: localhost}", []string{`c.yaml:1: server.addr: "localhost" is not host:port; without a host write :5001`}},
		{"port", "server: {addr: ':70000', external_url: 'https://a'}", []string{`c.yaml:1: server.addr: ":70000" has no port between 0 and 65535`}},
		{"host", "server: {addr: 'a b:1'}", []string{`c.yaml:1: server.addr: "a b:1" has a host that is none`}},
		{"unix socket", "server: {addr: 'unix:./drawbridge.sock', external_url: 'https://a'}", nil},
		{"unix socket without a directory", "server: {addr: 'unix:/no/such/dir/s', external_url: 'https://a'}", []string{"c.yaml:1: server.addr: the directory /no/such/dir does not exist"}},
		{"unix socket without a path", "server: {addr: 'unix:', external_url: 'https://a'}", []string{`c.yaml:1: server.addr: "unix:" has no path; write unix:/run/drawbridge/drawbridge.sock`}},
		{"systemd socket", "server: {addr: 'systemd:drawbridge.socket', external_url: 'https://a'}", nil},
		{"systemd socket without a name", "server: {addr: 'systemd:', external_url: 'https://a'}", []string{`c.yaml:1: server.addr: "systemd:" has no name; write systemd: and the FileDescriptorName= of the socket unit`}},
		{"socket without a URL", "server: {addr: 'systemd:s'}", []string{"c.yaml:1: server.external_url: is required, since server.addr does not say how clients reach it"}},
		{"same listener", "server:\n  telemetry_addr: ':5001'", []string{"c.yaml:2: server.telemetry_addr: is the same as server.addr; metrics have a listener of their own"}},
		{"no URL", "server: {external_url: auth.example.com}", []string{"c.yaml:1: server.external_url: must be a URL that begins with https:// or http:// and has a host"}},
		{"URL with a path", "server: {external_url: 'https://a.example/draw.bridge/a-1'}", nil},
		{"URL with a path of ours", "server: {external_url: 'https://a.example/auth/x'}", []string{"c.yaml:1: server.external_url: the path must not begin with /auth, which is an endpoint of its own; use another one, such as /drawbridge"}},
		{"URL with a slash", "server: {external_url: 'https://a.example:1/'}", []string{"c.yaml:1: server.external_url: must end after the host and port, or after a plain path without a slash at its end: https://a.example:1/drawbridge"}},
		{"URL with a path that climbs", "server: {external_url: 'https://a.example:1/a/../b'}", []string{"c.yaml:1: server.external_url: must end after the host and port, or after a plain path without a slash at its end: https://a.example:1/drawbridge"}},
		{"URL with a query", "server: {external_url: 'https://a.example:1?x'}", []string{"c.yaml:1: server.external_url: must end after the host and port, or after a plain path without a slash at its end: https://a.example:1/drawbridge"}},
		{"URL with a password", "server: {external_url: 'https://a:hunter2@b'}", []string{"c.yaml:1: server.external_url: a URL here has no user name and no password"}},
		{"http with TLS", "server: {external_url: 'http://a.example'}", []string{"c.yaml:1: server.external_url: must begin with https://, since server.tls.mode is self-signed"}},
		{"http for others", "server:\n  tls: {mode: 'off'}\n  external_url: 'http://a.example'", []string{
			"c.yaml:3: server.external_url: must begin with https://: clients would send passwords in the clear; server.tls.mode: off is for a TLS proxy in front, whose URL belongs here",
		}},
		{"TLS mode", "server:\n  tls: {mode: file}", []string{`c.yaml:2: server.tls.mode: "file" is not one of self-signed, files, acme, off; did you mean files?`}},
		{"unquoted off is a string", "server:\n  tls: {mode: off}\n  external_url: 'http://localhost'", nil},
		{"files without files", "server:\n  tls: {mode: files}", []string{
			"c.yaml:2: server.tls.cert_file: is required", "c.yaml:2: server.tls.key_file: is required",
		}},
		{"files that are not there", "server:\n  tls:\n    mode: files\n    cert_file: nope\n    key_file: dir", []string{
			"c.yaml:4: server.tls.cert_file: the file nope does not exist; a relative path begins at the working directory",
			"c.yaml:5: server.tls.key_file: dir is a directory, not a file",
		}},
		{"files that are none", "server:\n  tls: {mode: files, cert_file: cert, key_file: cert}", []string{
			"c.yaml:2: server.tls.cert_file: cert holds no PEM certificate",
		}},
		{"files in another mode", "server:\n  tls:\n    cert_file: cert", []string{"c.yaml:3: server.tls.cert_file: is used only with server.tls.mode: files, and the mode is self-signed"}},
		{"ACME in another mode", "server:\n  tls:\n    acme: {email: a@example.com}", []string{"c.yaml:3: server.tls.acme.email: is used only with server.tls.mode: acme, and the mode is self-signed"}},
		{"ACME's own faults", "server:\n  external_url: 'https://a.example.com'\n  tls:\n    mode: acme\n    acme:\n      email: nobody\n      directory_url: 'http://ca.example'\n      http_addr: '80'", []string{
			`c.yaml:6: server.tls.acme.email: "nobody" is no mail address`,
			"c.yaml:7: server.tls.acme.directory_url: must be a URL that begins with https://, where the authority's directory is (RFC 8555 section 7.1.1)",
			`c.yaml:8: server.tls.acme.http_addr: "80" is not host:port; without a host write :5001`,
		}},
		{"client certificates without TLS", "server:\n  external_url: 'http://localhost'\n  tls:\n    mode: off\n    admin_client_ca_file: cert", []string{
			"c.yaml:5: server.tls.admin_client_ca_file: cert holds no PEM certificate",
			"c.yaml:5: server.tls.admin_client_ca_file: needs a server.tls.mode other than off: the proxy in front has to ask for certificates",
		}},
		{"ACME without a name", "server: {tls: {mode: acme}, external_url: 'https://192.0.2.1'}", []string{
			"c.yaml:1: server.external_url: 192.0.2.1 cannot get an ACME certificate; server.tls.mode: acme needs a public DNS name here",
		}},
		{"ACME by default", "server:\n  tls: {mode: acme}", []string{
			"c.yaml:1: server.external_url: localhost cannot get an ACME certificate; server.tls.mode: acme needs a public DNS name here",
		}},
		{"proxies", "server:\n  trusted_proxies:\n    - 192.0.2.7\n    - proxy\n    - 10.0.0.0/33", []string{
			`c.yaml:3: server.trusted_proxies.0: "192.0.2.7" is an address, not a CIDR; write 192.0.2.7/32`,
			`c.yaml:4: server.trusted_proxies.1: "proxy" is not a CIDR such as 10.0.0.0/8`,
			`c.yaml:5: server.trusted_proxies.2: "10.0.0.0/33" is not a CIDR such as 10.0.0.0/8`,
		}},
		{"origins", "server:\n  cors:\n    allowed_origins:\n    - '*'\n    - 'https://a/b'\n    - 'null'", []string{
			"c.yaml:4: server.cors.allowed_origins.0: every origin may not be allowed; list the ones that need it",
			"c.yaml:5: server.cors.allowed_origins.1: must end after the host and port: https://a",
			"c.yaml:6: server.cors.allowed_origins.2: must be a URL that begins with https:// or http:// and has a host",
		}},
		{"data_dir is a file", "data_dir: users", []string{"c.yaml:1: data_dir: users is a file, not a directory"}},
		{"data_dir is empty", "data_dir: ''", []string{"c.yaml:1: data_dir: is required"}},

		// tokens
		{"long drain", "server: {drain_delay: 1h}", []string{"c.yaml:1: server.drain_delay: 1h is not between 0s and 5m"}},
		{"short token", "tokens: {access_ttl: 59s}", []string{"c.yaml:1: tokens.access_ttl: 59s is not between 1m and 1h"}},
		{"long token", "tokens: {access_ttl: 2h}", []string{"c.yaml:1: tokens.access_ttl: 2h is not between 1m and 1h"}},
		{"fraction of a second", "tokens: {access_ttl: 90500ms}", []string{"c.yaml:1: tokens.access_ttl: 1m30.5s is not a whole number of seconds"}},
		{"robots for no time", "robots: {max_ttl: 59m}", []string{"c.yaml:1: robots.max_ttl: 59m is not between 1h and 43800h"}},
		{"robots for ever", "robots: {max_ttl: 43801h}", []string{"c.yaml:1: robots.max_ttl: 43801h is not between 1h and 43800h"}},
		{"robots in days", "robots: {max_ttl: 90d}", []string{"c.yaml:1: robots.max_ttl: must be a duration such as 30s, 5m or 720h, not a string"}},
		{"refresh_ttl", "tokens: {refresh_ttl: 9000h}", []string{"c.yaml:1: tokens.refresh_ttl: 9000h is not between 1h and 8760h"}},
		{"algorithm", "tokens: {algorithm: es256}", []string{`c.yaml:1: tokens.algorithm: "es256" is not one of ES256, RS256, EdDSA; did you mean ES256?`}},
		{"rotation", "tokens: {rotate_every: 3h, access_ttl: 1h}", []string{"c.yaml:1: tokens.rotate_every: 3h is not between 4h and 8760h"}},
		{"CA without key", "tokens:\n  ca_cert_file: cert", []string{"c.yaml:1: tokens.ca_key_file: is required with tokens.ca_cert_file"}},
		{"CA without certificate", "tokens:\n  ca_key_file: cert", []string{"c.yaml:1: tokens.ca_cert_file: is required with tokens.ca_key_file"}},
		{"CA not there", "tokens:\n  ca_cert_file: a\n  ca_key_file: b", []string{
			"c.yaml:2: tokens.ca_cert_file: the file a does not exist; a relative path begins at the working directory",
			"c.yaml:3: tokens.ca_key_file: the file b does not exist; a relative path begins at the working directory",
		}},

		// The rest.
		{"policy", "policy:\n  file: nope", []string{"c.yaml:2: policy.file: the file nope does not exist; a relative path begins at the working directory"}},
		{"policy is a device", "policy:\n  file: /dev/null", []string{"c.yaml:2: policy.file: /dev/null is not a regular file"}},
		{"cache lives", "cache:\n  lookup_ttl: 2h\n  credential_ttl: -1s", []string{
			"c.yaml:2: cache.lookup_ttl: 2h is not between 0s and 1h", "c.yaml:3: cache.credential_ttl: -1s is not between 0s and 5m",
		}},
		{"redis CA without TLS", "cache:\n  redis_url: 'redis://h'\n  redis_ca_file: cert", []string{
			"c.yaml:3: cache.redis_ca_file: cert holds no PEM certificate", "c.yaml:3: cache.redis_ca_file: is used only with a rediss:// URL",
		}},
		{"secret twice", "cache:\n  redis_url: 'redis://h'\n  redis_url_file: pw", []string{"c.yaml:3: cache.redis_url_file: cache.redis_url is set as well; keep one of the two"}},
		{"secret file not there", "store:\n  url_file: nope", []string{"c.yaml:2: store.url_file: the secret file cannot be read: open nope: no such file or directory"}},
		{"secret file empty", "store:\n  url_file: empty", []string{"c.yaml:2: store.url_file: the secret file empty is empty"}},
		{"secret file a directory", "store:\n  url_file: dir", []string{"c.yaml:2: store.url_file: the secret file cannot be read: read dir: is a directory"}},
		{"store", "store:\n  url: 'mysql://h/d'", []string{"c.yaml:2: store.url: must begin with postgres:// or postgresql://, or be empty for SQLite in data_dir"}},
		{"store from a file", "store:\n  url_file: pw", []string{"c.yaml:2: store.url: must begin with postgres:// or postgresql://, or be empty for SQLite in data_dir"}},
		{"store without a host", "store:\n  url: 'postgres:///d'", []string{"c.yaml:2: store.url: has no host"}},
		{"limits", "limits:\n  login_failures_per_minute: -1\n  requests_per_second: .nan\n  connections: -1", []string{
			"c.yaml:2: limits.login_failures_per_minute: may not be negative; 0 turns the limit off",
			"c.yaml:3: limits.requests_per_second: must be a number of 0.001 to 1000000; 0 turns the limit off",
			"c.yaml:4: limits.connections: must be a number of 0 to 1000000; 0 turns the limit off",
		}},
		{"traces", "tracing: {endpoint: 'http://collector:4318', sample_ratio: 0}", nil},
		{"traces over gRPC", "tracing: {endpoint: 'collector:4317'}", []string{
			"c.yaml:1: tracing.endpoint: must be a URL that begins with http:// or https:// and has a host, such as http://collector:4318; OTLP over gRPC is not spoken",
		}},
		{"traces with a password in the URL", "tracing: {endpoint: 'https://u:hunter2@c'}", []string{
			"c.yaml:1: tracing.endpoint: a URL here has no user name and no password; they belong in tracing.headers",
		}},
		{"too many traces", "tracing: {sample_ratio: 5}", []string{
			"c.yaml:1: tracing.sample_ratio: must be a number of 0 to 1, such as 0.05 for every twentieth request",
		}},
		{"ratio that is none", "tracing: {sample_ratio: .nan}", []string{
			"c.yaml:1: tracing.sample_ratio: must be a number of 0 to 1, such as 0.05 for every twentieth request",
		}},
		{"headers of traces in the clear", "tracing: {endpoint: 'http://collector:4318', headers: 'api-key=hunter2'}", []string{
			"c.yaml:1: tracing.headers: would be sent in the clear; tracing.endpoint must begin with https://",
		}},
		{"headers of traces on this machine", "tracing: {endpoint: 'http://localhost:4318', headers: 'api-key=hunter2'}", nil},
		{"headers of traces that are none", "tracing: {endpoint: 'https://c', headers: 'hunter2'}", []string{
			"c.yaml:1: tracing.headers: must be name=value, several of them with commas between, as in authorization=Bearer%20abc,x-scope-orgid=1; " +
				"a comma or a percent sign inside of a value is percent-encoded",
		}},
		{"headers of no traces", "tracing: {headers: 'a=b'}", []string{"c.yaml:1: tracing.headers: is used only with a tracing.endpoint"}},
		{"CA of no traces", "tracing:\n  ca_file: badca", []string{
			"c.yaml:2: tracing.ca_file: badca holds a certificate that cannot be used: number 1: x509: malformed certificate",
			"c.yaml:2: tracing.ca_file: is used only with a tracing.endpoint",
		}},
		{"limits of accounts", "limits: {account_requests_per_second: -1}", []string{
			"c.yaml:1: limits.account_requests_per_second: must be a number of 0.001 to 1000000; 0 turns the limit off",
		}},
		{"audit without a directory", "audit:\n  file: no/such/file", []string{"c.yaml:2: audit.file: the directory no/such does not exist"}},
		{"audit kept for a moment", "audit:\n  retention: 5m", []string{"c.yaml:2: audit.retention: 5m is not between 1h and 87600h"}},
		{"audit of less than nothing", "audit:\n  max_events: -1", []string{"c.yaml:2: audit.max_events: it cannot be negative; 0 is any number"}},
		{"audit is a directory", "audit:\n  file: dir", []string{"c.yaml:2: audit.file: dir is a directory, not a file"}},
		{"log", "log: {level: trace, format: xml}", []string{
			`c.yaml:1: log.format: "xml" is not one of json, text`, `c.yaml:1: log.level: "trace" is not one of debug, info, warn, error`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, faults(t, tt.text+"\n"+minimal)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSyntaxFaults(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"tab", "log:\n\tlevel: info\n", []string{"c.yaml:2: YAML syntax: found character that cannot start any token"}},
		{"unfinished", "log: {level: info\n", []string{"c.yaml:1: YAML syntax: did not find expected ',' or '}'"}},
		{"missing space", "data_dir: x\nlog:info\naudit:\n  file: '-'\n", []string{"c.yaml:2: YAML syntax: could not find expected ':'"}},
		{"unknown alias", "data_dir: *hunter2\n", []string{
			"c.yaml:1: YAML syntax: a text that begins with * is a YAML alias, and this one is not defined; put a value that begins with * in quotes",
		}},
		{"two documents", strings.TrimPrefix(minimal, "\n") + "---\nlog: {}\n", []string{"c.yaml:5: a second YAML document begins here; the configuration is one document"}},
		{"no section", "- a\n", []string{"c.yaml:1: must be a section of keys, not a list"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, faults(t, tt.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
