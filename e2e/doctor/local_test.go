package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// directory is an LDAP connector, with what is to be different.
func directory(s *testbed.Slapd, differences object) object {
	c := object{
		"name": "corp", "type": "ldap", "timeout": "8s", "urls": []string{s.URL()}, "bind_dn": s.BindDN, "bind_password": s.BindPassword,
		"user":   object{"base_dn": "ou=people," + s.BaseDN},
		"groups": object{"mode": "search", "base_dn": "ou=groups," + s.BaseDN},
	}
	for key, value := range differences {
		c[key] = value
	}
	return object{"connectors": []object{c}}
}

// What stands behind Drawbridge, and is not as the configuration says.
func local(t *testing.T, w *world) {
	t.Run("directory", func(t *testing.T) { directories(t, w) })
	t.Run("provider", func(t *testing.T) { providers(t, w) })
	t.Run("stores", func(t *testing.T) { stores(t, w) })
	t.Run("files", func(t *testing.T) { files(t, w) })
	t.Run("policy", func(t *testing.T) { policies(t, w) })
}

func directories(t *testing.T, w *world) {
	s := testbed.StartSlapd(t)
	nobody := "ldap://" + closed(t)
	for _, tt := range []struct {
		name        string
		differences object
		args        []string
		want        []string
		says        string
	}{
		{"healthy", nil, []string{"--user", "alice"}, []string{"DB-CON-005"}, "access explain corp/alice"},
		{"down", object{"urls": []string{nobody}}, nil, []string{"DB-CON-001"}, "ldapsearch -x -H " + nobody},
		{"one of two is down", object{"urls": []string{s.URL(), nobody}}, nil, []string{"DB-CON-001"}, "ldapsearch -x -H " + nobody},
		{"an authority that is not known", object{"urls": []string{s.LDAPSURL()}}, nil, []string{"DB-CON-001"}, "ca_file"},
		{"wrong password", object{"bind_password": "service-secret-of-old"}, nil, []string{"DB-CON-002"}, `ldapwhoami -x`},
		{"people elsewhere", object{"user": object{"base_dn": "ou=staff," + s.BaseDN}}, nil, []string{"DB-CON-003"}, "user.base_dn"},
		{"groups elsewhere", object{"groups": object{"mode": "search", "base_dn": "ou=teams," + s.BaseDN}}, nil, []string{"DB-CON-003"}, "groups.base_dn"},
		{"nobody", nil, []string{"--user", "nobody.at.all"}, []string{"DB-CON-004"}, "login-test nobody.at.all"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := w.doctor(t, visit{differences: directory(s, tt.differences), args: tt.args}, tt.want...)
			got.says(t, tt.want[0], tt.says)
		})
	}
}

func providers(t *testing.T, w *world) {
	d := testbed.StartDex(t, testbed.StartSlapd(t))
	sso := func(differences object) visit {
		c := object{
			"name": "sso", "type": "oidc", "timeout": "8s", "issuer_url": d.IssuerURL, "client_id": testbed.DexClientID, "client_secret": testbed.DexClientSecret, "issuer_ca_file": d.CAFile,
		}
		for key, value := range differences {
			c[key] = value
		}
		return visit{differences: object{"connectors": []object{c}}}
	}
	for _, tt := range []struct {
		name        string
		differences object
		want        []string
		says        string
	}{
		{"healthy", nil, nil, ""},
		{"wrong secret", object{"client_secret": "another"}, []string{"DB-CON-002"}, "client_secret_file"},
		{"down", object{"issuer_url": "https://" + closed(t)}, []string{"DB-CON-001"}, "issuer_ca_file"},
		{"another issuer", object{"issuer_url": d.IssuerURL + "/"}, []string{"DB-CON-003"}, "issuer_url"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := w.doctor(t, sso(tt.differences), tt.want...)
			if tt.want != nil {
				got.says(t, tt.want[0], tt.says)
			}
		})
	}
}

func stores(t *testing.T, w *world) {
	redis := testbed.StartRedis(t, testbed.RedisOptions{Password: "correct horse"})
	db := testbed.StartPostgres(t)
	working := db.NewDatabase()
	nobody := closed(t)
	for _, tt := range []struct {
		name        string
		differences object
		want        []string
		says        string
	}{
		{"healthy", object{"cache": object{"redis_url": redis.URL()}, "store": object{"url": working}}, nil, ""},
		{"redis is down", object{"cache": object{"redis_url": "redis://" + nobody}}, []string{"DB-RED-001"}, "refused"},
		{"redis asks for a password", object{"cache": object{"redis_url": "redis://" + redis.Addr}}, []string{"DB-RED-001"}, "NOAUTH"},
		{"postgres is down", object{"store": object{"url": "postgres://postgres:correct%20horse@" + nobody + "/x?sslmode=disable"}}, []string{"DB-STO-001"}, "psql"},
		{"postgres has no such database", object{"store": object{"url": db.URL("elsewhere")}}, []string{"DB-STO-001"}, "elsewhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := w.doctor(t, visit{differences: tt.differences}, tt.want...)
			if tt.want != nil {
				got.says(t, tt.want[0], tt.says)
			}
		})
	}
}

// files are what others can read, or what the server cannot.
func files(t *testing.T, w *world) {
	t.Run("a secret that everybody reads", func(t *testing.T) {
		t.Parallel()
		s := testbed.StartSlapd(t)
		secret := filepath.Join(t.TempDir(), "ldap")
		if err := os.WriteFile(secret, []byte(s.BindPassword), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(secret, 0o644); err != nil { // #nosec G302 -- the fault
			t.Fatal(err)
		}
		v := visit{differences: directory(s, object{"bind_password": nil, "bind_password_file": secret})}
		delete(v.differences["connectors"].([]object)[0], "bind_password")
		w.doctor(t, v, "DB-FIL-001").says(t, "DB-FIL-001", "chmod o= "+secret)
	})
	t.Run("signing keys that everybody reads", func(t *testing.T) {
		t.Parallel()
		dir := copyOf(t, filepath.Join(w.Dir, "data"))
		if err := os.Chmod(filepath.Join(dir, "keys", "ca.pem"), 0o644); err != nil { // #nosec G302 -- the fault
			t.Fatal(err)
		}
		got := w.doctor(t, visit{differences: object{"data_dir": dir}}, "DB-FIL-001", "DB-KEY-001")
		got.says(t, "DB-KEY-001", "chmod 600")
	})
	t.Run("a key file that is gone", func(t *testing.T) {
		t.Parallel()
		dir := copyOf(t, filepath.Join(w.Dir, "data"))
		if err := os.Symlink(filepath.Join(dir, "not-mounted"), filepath.Join(dir, "keys", "static-x.pem")); err != nil {
			t.Fatal(err)
		}
		w.doctor(t, visit{differences: object{"data_dir": dir}}, "DB-FIL-002").says(t, "DB-FIL-002", "static-x.pem")
	})
	t.Run("where no server has run", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		v := visit{differences: object{"data_dir": dir}, args: []string{"--ca-file", w.CAFile}}
		w.doctor(t, v, "DB-KEY-001", "DB-STO-001").says(t, "DB-KEY-001", filepath.Join(dir, "keys"))
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("doctor has made %v in an empty data_dir (%v)", left, err)
		}
	})
}

// copyOf copies the keys, the certificate and the store of a running server.
func copyOf(t *testing.T, data string) string {
	t.Helper()
	dir := t.TempDir()
	for _, pattern := range []string{"keys/*", "tls/*", "drawbridge.db*"} {
		found, err := filepath.Glob(filepath.Join(data, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			to := filepath.Join(dir, strings.TrimPrefix(file, data))
			if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func policies(t *testing.T, w *world) {
	binding := func(expires time.Time) string {
		return "bindings:\n  - { name: contractors, role: puller, subjects: [authenticated], repositories: [\"x/**\"], expires: " + expires.UTC().Format(time.RFC3339) + " }\n"
	}
	for _, tt := range []struct{ name, policy, want, says string }{
		{"a binding ends", binding(time.Now().Add(48 * time.Hour)), "DB-POL-001", "The binding contractors ends"},
		{"a binding has ended", binding(time.Now().Add(-48 * time.Hour)), "DB-POL-001", "has ended"},
		{"a mistake", "bindings:\n  - { nam: x }\n", "DB-POL-002", "policy.yaml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w.doctor(t, visit{files: map[string]string{"policy.yaml": tt.policy}}, tt.want).says(t, tt.want, tt.says)
		})
	}
}
