package doctor

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
	"drawbridge/tokens"
)

// What a proxy before the registry does to it.
func proxies(t *testing.T, w *world) {
	r := testbed.StartRegistry(t, testbed.Registry311, w.trusting())
	old := testbed.StartRegistry(t, testbed.Registry28, w.trusting())
	const host = `proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;`
	for _, tt := range []struct {
		name   string
		server string
		tls    bool
		want   string
		says   string
	}{
		{"drops Authorization", `location / { proxy_pass ` + r.URL + `; ` + host + ` proxy_set_header Authorization ""; }`, false, "DB-PRX-001", `proxy_set_header Authorization`},
		{"drops Authorization before a 2.8", `location / { proxy_pass ` + old.URL + `; ` + host + ` proxy_set_header Authorization ""; }`, false, "DB-PRX-001", `auth_basic`},
		{"short headers", `large_client_header_buffers 4 2k; client_header_buffer_size 1k; location / { proxy_pass ` + r.URL + `; ` + host + ` }`, false, "DB-PRX-003", "large_client_header_buffers 4 16k"},
		{"does not say https", `location / { proxy_pass ` + r.URL + `; proxy_set_header Host $http_host; }`, true, "DB-PRX-004", "X-Forwarded-Proto $scheme"},
		{"does not say the host", `location / { proxy_pass ` + old.URL + `; proxy_set_header X-Forwarded-Proto $scheme; }`, true, "DB-PRX-004", "Host $http_host"},
		{"small bodies", `location / { proxy_pass ` + r.URL + `; ` + host + ` }`, false, "DB-PRX-005", "client_max_body_size 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--write", "--ca-file", w.CAFile}
			if tt.tls {
				g := nginxTLS(t, w, "client_max_body_size 0;\n"+tt.server)
				w.doctor(t, at("https://"+g, args...), tt.want).says(t, tt.want, tt.says)
				return
			}
			w.doctor(t, at("http://"+nginx(t, tt.server), args...), tt.want).says(t, tt.want, tt.says)
		})
	}
}

// origins are pages of others; what they may is seen with --origin as well.
func origins(t *testing.T, w *world) {
	opts := w.trusting()
	opts.Headers = map[string][]string{"Access-Control-Allow-Origin": {"https://ui.example.com"}}
	r := testbed.StartRegistry(t, testbed.Registry311, opts)
	w.doctor(t, at(r.URL, "--origin", "https://ui.example.com"), "DB-CRS-001").says(t, "DB-CRS-001", `allowed_origins: ["https://ui.example.com"]`)
}

// theServer is what can be wrong with Drawbridge itself, as clients see it.
func theServer(t *testing.T, w *world) {
	through := func(server string) visit {
		g := nginxTLS(t, w, server)
		return visit{differences: object{"server": object{"external_url": "https://" + g}}}
	}
	t.Run("something else answers", func(t *testing.T) {
		t.Parallel()
		w.doctor(t, through(`location / { return 502; }`), "DB-NET-008").says(t, "DB-NET-008", "502 by nginx", "what is behind it is down")
	})
	t.Run("a proxy drops Authorization", func(t *testing.T) {
		t.Parallel()
		w.doctor(t, through(`location / { proxy_pass `+w.URL+`; proxy_set_header Authorization ""; }`), "DB-PRX-002").says(t, "DB-PRX-002", "as if it had none")
	})
	t.Run("a proxy that is not trusted", func(t *testing.T) {
		t.Parallel()
		v := through(`location / { proxy_pass ` + w.URL + `; }`)
		v.differences["server"].(object)["tls"] = object{"mode": "off"}
		v.args = []string{"--ca-file", w.CAFile}
		w.doctor(t, v, "DB-LIM-002").says(t, "DB-LIM-002", "trusted_proxies")
	})
	t.Run("its own certificate, and clients elsewhere", func(t *testing.T) {
		t.Parallel()
		// A name that leads nowhere is not looked at: --registry has another.
		r := testbed.StartRegistry(t, testbed.Registry311, w.trusting())
		v := at(r.URL)
		v.differences = object{"registries": []object{{"service": service, "issuer": issuer, "url": "https://registry.example.com:5000"}}}
		w.doctor(t, v, "DB-TLS-004").says(t, "DB-TLS-004", "/etc/docker/certs.d/registry.example.com:5000/ca.crt", "/etc/containers/certs.d", "server.crt")
	})
	t.Run("another data_dir", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if _, err := tokens.Open(tokens.Options{
			Dir: filepath.Join(dir, "keys"), LongestTTL: 5 * time.Minute, Registries: []tokens.Registry{{Service: service}},
		}); err != nil {
			t.Fatal(err)
		}
		// What vouches for the server is in the other one.
		v := visit{differences: object{"data_dir": dir}, args: []string{"--ca-file", w.CAFile}}
		w.doctor(t, v, "DB-KEY-002", "DB-STO-001").says(t, "DB-KEY-002", "docs/ha.md")
	})
}

// A server that refuses everybody for their rate.
func TestRateLimited(t *testing.T) {
	t.Parallel()
	w := start(t, object{"limits": object{"requests_per_second": 0.001}})
	got := w.doctor(t, visit{}, "DB-LIM-001")
	got.says(t, "DB-LIM-001", "429", "trusted_proxies")
	if !strings.Contains(got.text, "not checked") {
		t.Error("the registry has no URL, and nothing says so")
	}
}
