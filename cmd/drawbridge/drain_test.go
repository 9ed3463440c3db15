package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// readyz asks the telemetry listener.
func (r *running) readyz(t *testing.T) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.telemetry+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// A server that was told to end is not ready any more and answers all the same,
// until the delay is over; /readyz is there as long as it answers.
func TestServeDrains(t *testing.T) {
	const delay = 3 * time.Second
	t.Setenv("DRAWBRIDGE_SERVER_DRAIN_DELAY", delay.String())
	r := startServe(t, seeded(t))
	if status, _, _ := r.token(t, "admin", seedPassword, "repository:x:pull"); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	began := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	r.stderr.wait(t, `"msg":"draining"`)
	for range 3 {
		if status, body := r.readyz(t); status != http.StatusServiceUnavailable || !strings.Contains(body, "drains") {
			t.Errorf("/readyz: %d %s", status, body)
		}
		if status, granted, _ := r.token(t, "admin", seedPassword, "repository:x:pull"); status != http.StatusOK || granted == "" {
			t.Errorf("a token during the drain: %d, %q", status, granted)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < delay {
		t.Errorf("it ended after %s", took)
	}
}

// Without a telemetry address there is no second listener.
func TestServeWithoutTelemetry(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "drawbridge.yaml")
	config := "server: { addr: '127.0.0.1:0', telemetry_addr: '' }\ndata_dir: " + filepath.Join(dir, "data") + `
registries: [{ service: "Docker registry", issuer: "Acme auth server" }]
connectors: [{ name: local, type: htpasswd, file: ` + filepath.Join(dir, "htpasswd") + " }]\n"
	for name, text := range map[string]string{file: config, filepath.Join(dir, "htpasswd"): ""} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := &recorded{}
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"serve", "--config", file}, bytes.NewReader(nil), io.Discard, log) }()
	log.wait(t, `"msg":"ready","addr":"127.0.0.1:[0-9]+","telemetry_addr":""`)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
