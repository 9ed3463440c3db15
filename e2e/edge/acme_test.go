package edge

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"drawbridge/e2e/testbed"
)

const host = "auth.drawbridge.test"

const config = `
registries: [{ service: "Docker registry", issuer: "Acme auth server", for: distribution-3 }]
connectors: [{ name: local, type: htpasswd, file: htpasswd }]
policy: { file: policy.yaml }
`

// files are an htpasswd file with admin:badmin, and a policy.
func files() map[string]string {
	return map[string]string{
		"htpasswd":    "admin:$2y$05$bEU.PcTsnwkYmMBsQd4JDe6akB0ZGanYkxGmlxZkIufPedSIIg04K\n",
		"policy.yaml": "bindings:\n  - { name: public, role: puller, subjects: [anonymous, authenticated], repositories: [\"public/**\"] }\n",
	}
}

// handshake returns the certificate that the server shows to who asks for the host.
func handshake(t *testing.T, addr string, trusted *tls.Config) (*tls.ConnectionState, error) {
	t.Helper()
	trusted.MinVersion = tls.VersionTLS12
	conn, err := tls.Dial("tcp", addr, trusted)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	state := conn.ConnectionState()
	return &state, nil
}

// A certificate is fetched from a real ACME authority, by either kind of challenge,
// and is there at the next start although the authority is not.
func TestACME(t *testing.T) {
	for _, tt := range []struct {
		name string
		http bool
	}{{"port 443", false}, {"port 80", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			names := testbed.StartDNS(t)
			names.SetAddress(host, netip.MustParseAddr("127.0.0.1"))
			port, httpPort := testbed.FreePort(t), testbed.FreePort(t)
			tlsPort := port
			env := []string{}
			if tt.http {
				tlsPort = testbed.FreePort(t) // nobody is there
				env = append(env, fmt.Sprintf("DRAWBRIDGE_SERVER_TLS_ACME_HTTP_ADDR=127.0.0.1:%d", httpPort))
			}
			pebble := testbed.StartPebble(t, testbed.PebbleOptions{TLSPort: tlsPort, HTTPPort: httpPort, DNS: names})
			server := testbed.StartDrawbridge(t, testbed.ServerOptions{Config: config, Files: files(), Env: append(env,
				"DRAWBRIDGE_SERVER_TLS_MODE=acme", "DRAWBRIDGE_SERVER_TLS_ACME_DIRECTORY_URL="+pebble.DirectoryURL,
				"DRAWBRIDGE_SERVER_TLS_ACME_CA_FILE="+pebble.CAFile, "DRAWBRIDGE_SERVER_TLS_ACME_EMAIL=ops@example.com",
				fmt.Sprintf("DRAWBRIDGE_SERVER_ADDR=127.0.0.1:%d", port),
				fmt.Sprintf("DRAWBRIDGE_SERVER_EXTERNAL_URL=https://%s:%d", host, port),
			)})
			addr := fmt.Sprintf("127.0.0.1:%d", port)
			serial := ""
			server.Await("the certificate is there", func() bool {
				state, err := handshake(t, addr, &tls.Config{RootCAs: pebble.Roots, ServerName: host})
				if err != nil {
					return false
				}
				serial = state.PeerCertificates[0].SerialNumber.String()
				return true
			})
			server.Await("its end is among the metrics", func() bool {
				return server.Metrics()[`drawbridge_key_expiry_timestamp_seconds{role="tls",service=""}`] > 0
			})
			if _, err := handshake(t, addr, &tls.Config{InsecureSkipVerify: true, ServerName: "other.example.com"}); err == nil { //nolint:gosec // the name is what is tested
				t.Error("a certificate for another name")
			}
			pebble.Stop()
			server.Restart()
			state, err := handshake(t, addr, &tls.Config{RootCAs: pebble.Roots, ServerName: host})
			if err != nil || state.PeerCertificates[0].SerialNumber.String() != serial {
				t.Errorf("after a restart without the authority: %v", err)
			}
			// A client that says no name, as one that connects to an address does.
			if _, err := handshake(t, addr, &tls.Config{InsecureSkipVerify: true}); err != nil { //nolint:gosec // see above
				t.Errorf("no server name: %v", err)
			}
			checkPrivate(t, filepath.Join(server.Dir, "data", "acme"))
		})
	}
}

// checkPrivate fails the test where others can read the account's or the
// certificate's key.
func checkPrivate(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatalf("nothing is kept: %v", err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
}
