package doctor

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"drawbridge/e2e/testbed"
)

const (
	service = "Docker registry"
	issuer  = "Acme auth server"
)

// object is a part of a configuration, written as JSON, which is YAML.
type object = map[string]any

// world is a running Drawbridge, and the folder that doctor is run in.
type world struct {
	t *testing.T
	*testbed.Server
	settings object // what the configuration has beside the usual
}

// start runs a server. It does not know its port, and doctor is told in its external_url.
func start(t *testing.T, settings object, env ...string) *world {
	t.Helper()
	w := &world{t: t, settings: settings}
	config := w.config(settings)
	delete(config, "server")
	if s, ok := settings["server"].(object); ok {
		config["server"] = s
	}
	delete(config, "data_dir")
	w.Server = testbed.StartDrawbridge(t, testbed.ServerOptions{Config: encode(t, config), Env: env, Files: map[string]string{
		"htpasswd":    testbed.HTPasswd(t, "admin", "badmin"),
		"policy.yaml": "bindings:\n  - { name: all, role: maintainer, subjects: [\"user:local/admin\"], repositories: [\"**\"] }\n",
	}})
	return w
}

func encode(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// config is the usual configuration, with what is to be different.
func (w *world) config(differences ...object) object {
	c := object{
		"registries": []object{{"service": service, "issuer": issuer}},
		"connectors": []object{{"name": "local", "type": "htpasswd", "file": "htpasswd"}},
		"policy":     object{"file": "policy.yaml"},
	}
	if w.Server != nil {
		c["data_dir"] = filepath.Join(w.Dir, "data")
		c["server"] = object{"external_url": w.URL}
	}
	for _, d := range differences {
		for key, value := range d {
			old, isObject := c[key].(object)
			if further, ok := value.(object); ok && isObject {
				both := maps.Clone(old)
				maps.Copy(both, further)
				c[key] = both
				continue
			}
			c[key] = value
		}
	}
	return c
}

// trusting is a registry that is set up as it should be.
func (w *world) trusting() testbed.RegistryOptions {
	return testbed.RegistryOptions{Realm: w.URL + "/token", Service: service, Issuer: issuer, RootCertBundle: w.TrustFile}
}

// visit is one run of doctor.
type visit struct {
	differences object
	env, args   []string
	// files are put beside the configuration.
	files map[string]string
}

// verdict is what doctor says, as far as the tests read it.
type verdict struct {
	Results []struct {
		Check, Subject, State, Detail string
		Findings                      []struct {
			ID, What string
			Fix      []string
		}
	}
	code int
	text string
}

// said returns everything that one finding says.
func (v verdict) said(id string) string {
	var out strings.Builder
	for _, r := range v.Results {
		for _, f := range r.Findings {
			if f.ID == id {
				out.WriteString(f.What + "\n" + strings.Join(f.Fix, "\n") + "\n")
			}
		}
	}
	return out.String()
}

// warnings are the findings that do not make doctor fail.
func warnings() []string {
	return []string{"DB-TLS-006", "DB-CHL-005", "DB-KEY-003", "DB-CLK-002", "DB-CON-005", "DB-RED-001", "DB-POL-001", "DB-LIM-002"}
}

// doctor runs it and expects exactly these findings.
func (w *world) doctor(t *testing.T, v visit, want ...string) verdict {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"drawbridge.yaml": encode(t, w.config(w.settings, v.differences))}
	for _, name := range []string{"htpasswd", "policy.yaml"} {
		files[name] = string(w.ReadFile(name))
	}
	maps.Copy(files, v.files)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ran := testbed.RunDrawbridgeWith(t, dir, "", v.env, append([]string{"doctor", "--config", "drawbridge.yaml", "-o", "json", "--timeout", "30s"}, v.args...)...)
	got := verdict{code: ran.Code, text: ran.Stdout}
	if err := json.Unmarshal([]byte(ran.Stdout), &got); err != nil {
		t.Fatalf("%v: %s%s", err, ran.Stdout, ran.Stderr)
	}
	var ids []string
	for _, r := range got.Results {
		for _, f := range r.Findings {
			ids = append(ids, f.ID)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	slices.Sort(want)
	code := 0
	if slices.ContainsFunc(want, func(id string) bool { return !slices.Contains(warnings(), id) }) {
		code = 1
	}
	if !slices.Equal(ids, want) || ran.Code != code {
		t.Errorf("found %v with exit code %d, want %v with %d\n%s%s", ids, ran.Code, want, code, ran.Stdout, ran.Stderr)
	}
	for _, secret := range []string{"eyJ", "service-secret", "correct horse", "badmin", "PRIVATE KEY"} {
		if strings.Contains(ran.Stdout+ran.Stderr, secret) {
			t.Errorf("the report holds %q:\n%s", secret, ran.Stdout)
		}
	}
	return got
}

// closed is a port of loopback at which nobody listens, and nobody can until the test
// ends.
func closed(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + strconv.Itoa(name.(*syscall.SockaddrInet4).Port)
}

// at is a visit to a registry.
func at(url string, args ...string) visit {
	return visit{args: append([]string{"--registry", url}, args...)}
}

// says checks that a finding holds all of these.
func (v verdict) says(t *testing.T, id string, all ...string) {
	t.Helper()
	said := v.said(id)
	for _, want := range all {
		if !strings.Contains(said, want) {
			t.Errorf("%s does not say %q:\n%s", id, want, said)
		}
	}
}
