package testbed

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// The registry versions that every promise is tested on.
const (
	Registry28  = "2.8"   // Debian's docker-registry
	Registry300 = "3.0.0" // distribution v3.0.0
	Registry311 = "3.1.1" // distribution v3.1.1
)

// RegistryVersions returns all of them.
func RegistryVersions() []string { return []string{Registry28, Registry300, Registry311} }

// RegistryOptions is a registry's configuration, as far as tests vary it. Empty
// members stay out of the file. With no Realm the registry asks for no token.
type RegistryOptions struct {
	Realm, Service, Issuer string
	AutoRedirect           bool     // which makes the realm up
	RootCertBundle         string   // PEM file
	JWKS                   string   // JSON file; 2.8 ignores it
	SigningAlgorithms      []string // 3.x only
	TLSCertFile            string
	TLSKeyFile             string
	StorageDelete          bool
	// Headers are sent with every answer.
	Headers map[string][]string
	// Addr is where to listen; empty is a free port of 127.0.0.1.
	Addr string
}

// Registry is a running registry.
type Registry struct {
	Version string
	Addr    string // host:port
	URL     string // scheme://host:port
	Config  string // its config.yml
	proc    *process
}

// StartRegistry starts the real program of the version, with an empty store in a
// temporary folder, and stops it when the test ends. It returns when the
// registry listens.
func StartRegistry(t testing.TB, version string, opts RegistryOptions) *Registry {
	t.Helper()
	r, err := TryRegistry(t, version, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TryRegistry is [StartRegistry] for a configuration that may keep the registry
// from starting; the error holds what it printed.
func TryRegistry(t testing.TB, version string, opts RegistryOptions) (*Registry, error) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(config, registryConfig(t, dir, opts), 0o600); err != nil {
		t.Fatal(err)
	}
	program := "registry-" + version
	if version == Registry28 {
		program = "docker-registry"
	}
	cmd := exec.CommandContext(context.Background(), Tool(t, program), "serve", config) // #nosec G204
	// Nothing is inherited: REGISTRY_* variables would override the file.
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "OTEL_TRACES_EXPORTER=none"}
	r := &Registry{Version: version, Config: config, proc: startProcess(t, cmd)}
	listening := regexp.MustCompile(`listening on ([0-9.:\[\]]+[0-9])`)
	err := r.proc.await("listening", func() bool {
		match := listening.FindStringSubmatch(r.proc.out.String())
		if match != nil {
			r.Addr = match[1]
		}
		return match != nil
	})
	if err != nil {
		return nil, err
	}
	r.URL = "http://" + r.Addr
	if opts.TLSCertFile != "" {
		r.URL = "https://" + r.Addr
	}
	return r, nil
}

// Stop ends the registry before the test does.
func (r *Registry) Stop() { r.proc.terminate() }

// Log returns what the registry printed so far.
func (r *Registry) Log() string { return r.proc.out.String() }

// registryConfig writes the configuration as JSON, which is YAML, so that no
// value needs quoting.
func registryConfig(t testing.TB, dir string, opts RegistryOptions) []byte {
	t.Helper()
	type object map[string]any
	http := object{"addr": "127.0.0.1:0", "secret": "one registry, one secret"}
	if opts.Addr != "" {
		http["addr"] = opts.Addr
	}
	if opts.TLSCertFile != "" {
		http["tls"] = object{"certificate": opts.TLSCertFile, "key": opts.TLSKeyFile}
	}
	if opts.Headers != nil {
		http["headers"] = opts.Headers
	}
	config := object{
		"version": "0.1",
		"log":     object{"level": "info"}, // the address is in an info line
		"storage": object{
			"filesystem": object{"rootdirectory": filepath.Join(dir, "store")},
			"delete":     object{"enabled": opts.StorageDelete},
		},
		"http": http,
	}
	if opts.Realm != "" {
		token := object{"realm": opts.Realm, "service": opts.Service, "issuer": opts.Issuer}
		if opts.RootCertBundle != "" {
			token["rootcertbundle"] = opts.RootCertBundle
		}
		if opts.AutoRedirect {
			token["autoredirect"] = true
		}
		if opts.JWKS != "" {
			token["jwks"] = opts.JWKS
		}
		if opts.SigningAlgorithms != nil {
			token["signingalgorithms"] = opts.SigningAlgorithms
		}
		config["auth"] = object{"token": token}
	}
	content, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return content
}
