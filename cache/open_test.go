package cache_test

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/cache"
	"drawbridge/identity"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, url, caFile string
		wantErr           string
	}{
		{name: "in-process"},
		{name: "a Redis that is not there", url: "redis://:hunter2@" + closedPort(t)},
		{name: "Sentinel that is not there", url: "redis://:hunter2@" + closedPort(t) + "?master_name=m"},
		{name: "a Cluster that is not there", url: "redis://:hunter2@" + closedPort(t) + "?cluster=true"},
		{name: "malformed", url: "redis://:hunter2@h:port", wantErr: "cache.redis_url"},
		{name: "CA file without TLS", url: "redis://:hunter2@h", caFile: empty, wantErr: "rediss://"},
		{name: "CA file that is missing", url: "rediss://:hunter2@h", caFile: filepath.Join(dir, "no"), wantErr: "CA file"},
		{name: "CA file without a certificate", url: "rediss://:hunter2@h", caFile: empty, wantErr: "no PEM certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			c, err := cache.Open(identity.NewSecret(tt.url), tt.caFile, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
			if err == nil {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
			switch {
			case tt.wantErr == "" && err != nil:
				t.Fatal(err)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Fatalf("got %v, want an error that names %q", err, tt.wantErr)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") || strings.Contains(log.String(), "hunter2") {
				t.Errorf("the password is in %v or in the log %s", err, log.String())
			}
		})
	}
}

// closedPort returns a loopback address that refuses connections.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
