package doctor

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"drawbridge/doctor"
	"drawbridge/e2e/testbed"
	"drawbridge/tokens"
)

// The ways in which a registry refuses our tokens, told apart by trying.
func refusals(t *testing.T, w *world) {
	otherCA := newAuthority(t, 24*time.Hour)
	for _, tt := range []struct {
		name    string
		version string
		change  func(*testbed.RegistryOptions)
		visit   visit
		want    string
		says    string
	}{
		{"another CA, 2.8", testbed.Registry28, func(o *testbed.RegistryOptions) { o.RootCertBundle = otherCA.file }, visit{}, "DB-TOK-001", w.TrustFile},
		{"another CA, 3", testbed.Registry311, func(o *testbed.RegistryOptions) { o.RootCertBundle = otherCA.file }, visit{}, "DB-TOK-001", w.TrustFile},
		{"an issuer nobody would guess", testbed.Registry311, func(o *testbed.RegistryOptions) { o.Issuer = "x7" }, visit{}, "DB-TOK-001", "--issuer ISSUER"},
		{"an issuer that was told", testbed.Registry311, func(o *testbed.RegistryOptions) { o.Issuer = "x7" }, visit{args: []string{"--issuer", "x7"}}, "DB-TOK-002", `issuer: "x7"`},
		{"the issuer is the URL, 2.8", testbed.Registry28, func(o *testbed.RegistryOptions) { o.Issuer = w.URL }, visit{}, "DB-TOK-002", `issuer: "` + w.URL + `"`},
		{"another service, 2.8", testbed.Registry28, func(o *testbed.RegistryOptions) { o.Service = "registry.example.com" }, visit{}, "DB-TOK-003", `service: "registry.example.com"`},
		{"another service, 3", testbed.Registry311, func(o *testbed.RegistryOptions) { o.Service = "registry.example.com" }, visit{}, "DB-TOK-003", `service: "Docker registry"`},
		{"an algorithm it does not take", testbed.Registry311, func(o *testbed.RegistryOptions) { o.SigningAlgorithms = []string{"RS256"} }, visit{}, "DB-TOK-004", "algorithm: RS256"},
		{"a list of keys", testbed.Registry311, func(o *testbed.RegistryOptions) {
			o.RootCertBundle, o.JWKS = "", filepath.Join(w.Dir, "data", "keys", "jwks.json")
		}, visit{}, "DB-TOK-005", "for: distribution-3-jwks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opts := w.trusting()
			tt.change(&opts)
			r := testbed.StartRegistry(t, tt.version, opts)
			v := tt.visit
			v.differences = object{"registries": []object{{"service": service, "issuer": issuer, "url": r.URL}}}
			w.doctor(t, v, tt.want).says(t, tt.want, tt.says)
		})
	}
	t.Run("clocks", func(t *testing.T) { clocks(t, w) })
}

// clocks has doctor's clock wrong instead of the registry's, which comes to the same.
func clocks(t *testing.T, w *world) {
	r := testbed.StartRegistry(t, testbed.Registry311, w.trusting())
	for _, tt := range []struct {
		name  string
		ahead time.Duration
		want  doctor.ID
		fails bool
	}{
		{"the registry is behind", 10 * time.Minute, doctor.ClockWrong, true},
		{"the registry is ahead", -20 * time.Minute, doctor.ClockWrong, true},
		{"a little", 40 * time.Second, doctor.ClockOff, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			clock := func() time.Time { return time.Now().Add(tt.ahead) }
			keys, err := tokens.Open(tokens.Options{
				Dir: filepath.Join(w.Dir, "data", "keys"), Registries: []tokens.Registry{{Service: service}}, LongestTTL: 5 * time.Minute, Existing: true, Clock: clock,
			})
			if err != nil {
				t.Fatal(err)
			}
			entry := doctor.Registry{URL: r.URL, Service: service, Issuer: issuer, Form: tokens.FormX5C}
			checks, err := doctor.Checks(doctor.Options{
				Net:    doctor.Net{Timeout: 20 * time.Second, Clock: clock, Proxy: http.ProxyFromEnvironment},
				Server: doctor.Server{URL: w.URL, SigningCA: keys.SigningCA()}, Registries: []doctor.Registry{entry}, Entries: []doctor.Registry{entry},
				Keys: keys, Algorithm: tokens.ES256, AccessTTL: 5 * time.Minute, Settings: func(string) []string { return nil },
			}, &doctor.Local{Clock: clock})
			if err != nil {
				t.Fatal(err)
			}
			found := map[string]doctor.ID{}
			for _, result := range doctor.Run(t.Context(), checks).Results {
				for _, f := range result.Findings {
					found[result.Check] = f.ID
				}
			}
			if found["clocks"] != tt.want {
				t.Errorf("the clocks: %v", found)
			}
			if got := found["registry accepts our tokens"]; tt.fails && got != tt.want || !tt.fails && got != "" {
				t.Errorf("the token: %v", found)
			}
		})
	}
}

// A server whose CA is a company's and ends soon, and whose keys are of the newest
// kind: what that means for a 2.8, and for a registry that still trusts the CA of
// before.
func TestOwnCA(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, 10*24*time.Hour)
	w := start(t, object{
		"tokens": object{"ca_cert_file": ca.file, "ca_key_file": ca.keyFile, "algorithm": "EdDSA"},
		"server": object{"cors": object{"allowed_origins": []string{"https://ui.example.com"}}},
	})
	opts := w.trusting()
	r := testbed.StartRegistry(t, testbed.Registry311, opts)
	old := testbed.StartRegistry(t, testbed.Registry28, opts)
	w.doctor(t, at(r.URL), "DB-KEY-003", "DB-CRS-002").says(t, "DB-CRS-002", "Access-Control-Allow-Origin")
	w.doctor(t, at(old.URL, "--origin", "https://other.example.com"), "DB-KEY-003", "DB-TOK-004", "DB-CRS-001", "DB-CRS-002").says(t, "DB-TOK-004", "algorithm: ES256")

	before := t.TempDir()
	if _, err := tokens.Open(tokens.Options{Dir: before, LongestTTL: time.Minute, Registries: []tokens.Registry{{Service: service}}}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(before, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.Dir, "data", "keys", "ca.pem"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	opts.RootCertBundle = filepath.Join(before, "signing-ca.pem")
	opts.Headers = map[string][]string{"Access-Control-Allow-Origin": {"https://ui.example.com"}}
	unchanged := testbed.StartRegistry(t, testbed.Registry311, opts)
	w.doctor(t, at(unchanged.URL), "DB-KEY-003", "DB-TOK-001").says(t, "DB-TOK-001", "had made by itself", w.TrustFile)
}

// A registry with a list of keys beside one that follows certificates: which entry is
// meant follows from the challenge, and a registry that has got the other file is told
// apart.
func TestListOfKeys(t *testing.T) {
	t.Parallel()
	const listed = "jwks.example.com"
	w := start(t, object{"registries": []object{
		{"service": service, "issuer": issuer},
		{"service": listed, "issuer": "Another issuer", "for": "distribution-3-jwks"},
	}})
	opts := testbed.RegistryOptions{
		Realm: w.URL + "/token", Service: listed, Issuer: "Another issuer", JWKS: filepath.Join(w.Dir, "data", "keys", "jwks.json"),
	}
	r := testbed.StartRegistry(t, testbed.Registry311, opts)
	w.doctor(t, at(r.URL, "--write"))
	opts.JWKS, opts.RootCertBundle = "", w.TrustFile
	follows := testbed.StartRegistry(t, testbed.Registry311, opts)
	w.doctor(t, at(follows.URL), "DB-TOK-005").says(t, "DB-TOK-005", "for: distribution-3", "jwks.json")
}
