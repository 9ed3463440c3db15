package testbed

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Pebble is a certificate authority that speaks ACME, Let's Encrypt's own test
// server.
type Pebble struct {
	// DirectoryURL is where a client begins, and CAFile whom it trusts there.
	DirectoryURL, CAFile string
	// Roots are the authorities that its certificates lead to.
	Roots *x509.CertPool

	proc *process
}

// PebbleOptions say what [StartPebble] starts.
type PebbleOptions struct {
	// TLSPort and HTTPPort are where it verifies names, on the addresses that DNS has
	// for them.
	TLSPort, HTTPPort int
	DNS               *DNS
}

// FreePort returns a TCP port of loopback that was free a moment ago.
func FreePort(t testing.TB) int { t.Helper(); return freePort(t) }

// StartPebble runs it until the test ends, or Stop.
func StartPebble(t testing.TB, opts PebbleOptions) *Pebble {
	t.Helper()
	dir := t.TempDir()
	if err := writeTestCertificates(dir); err != nil {
		t.Fatal(err)
	}
	port, management := freePort(t), freePort(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": fmt.Sprintf("%s:%d", loopback, port), "managementListenAddress": fmt.Sprintf("%s:%d", loopback, management),
		"certificate": filepath.Join(dir, "server.pem"), "privateKey": filepath.Join(dir, "server.key"),
		"httpPort": opts.HTTPPort, "tlsPort": opts.TLSPort,
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), Tool(t, "pebble"), "-config", file, "-dnsserver", opts.DNS.Addr()) // #nosec G204 -- the test's tool
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	p := &Pebble{
		DirectoryURL: fmt.Sprintf("https://localhost:%d/dir", port), CAFile: filepath.Join(dir, "ca.pem"),
		Roots: x509.NewCertPool(), proc: startProcess(t, cmd),
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(readFile(t, p.CAFile)) {
		t.Fatalf("no certificate in %s", p.CAFile)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	if err := p.proc.await("pebble answers", func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://localhost:%d/roots/0", management), nil)
		if err != nil {
			return false
		}
		resp, err := client.Do(r)
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		root, err := io.ReadAll(resp.Body)
		return err == nil && resp.StatusCode == http.StatusOK && p.Roots.AppendCertsFromPEM(root)
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

// Stop ends it.
func (p *Pebble) Stop() { p.proc.terminate() }
