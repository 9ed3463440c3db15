package compose_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// TestPod is the set-up that people run with docker_auth, with Drawbridge in its
// place and the registry unchanged: both in one network namespace, one RSA
// certificate from a single openssl command for TLS and as the registry's
// rootcertbundle, and the configuration of configs/examples.
func TestPod(t *testing.T) {
	s := testbed.NewStack(t)
	s.MustCompose("build", "drawbridge")
	makeCertificate(t, filepath.Join(s.Dir, "certs"))

	for _, image := range []string{"registry:2.8", "registry:3.1.1"} {
		t.Run(image, func(t *testing.T) {
			startPod(t, s, image)
			testChallenge(t)
			testToken(t, filepath.Join(s.Dir, "certs", "server.crt"))
			testPodLogin(t)
		})
	}
}

// makeCertificate runs the one command of the drop-in example.
func makeCertificate(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("openssl", "req", "-newkey", "rsa:4096", "-nodes", "-x509", "-days", "365",
		"-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
		"-keyout", filepath.Join(dir, "server.key"), "-out", filepath.Join(dir, "server.crt"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
}

// startPod runs the registry, and Drawbridge in the registry's network namespace.
func startPod(t *testing.T, s *testbed.Stack, image string) {
	t.Helper()
	name := s.Project + "-" + strings.NewReplacer(":", "-", ".", "-").Replace(image)
	d := testbed.NewDocker(t)
	remove := func(container string) {
		t.Cleanup(func() {
			if t.Failed() {
				logs, _ := d.Run("logs", "--tail", "40", container)
				t.Logf("%s:\n%s", container, logs)
			}
			_, _ = d.Run("rm", "--force", "--volumes", container)
		})
	}
	remove(name + "-registry")
	d.Must("run", "--detach", "--name", name+"-registry",
		"--publish", "127.0.0.1:5000:5000", "--publish", "127.0.0.1:5001:5001",
		"--volume", filepath.Join(s.Dir, "certs")+":/certs:ro",
		"--env", "REGISTRY_AUTH=token",
		"--env", "REGISTRY_AUTH_TOKEN_REALM=https://localhost:5001/auth",
		"--env", "REGISTRY_AUTH_TOKEN_SERVICE=Docker registry",
		"--env", "REGISTRY_AUTH_TOKEN_ISSUER=Acme auth server",
		"--env", "REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE=/certs/server.crt",
		"--env", "OTEL_TRACES_EXPORTER=none",
		image)
	remove(name + "-drawbridge")
	d.Must("run", "--detach", "--name", name+"-drawbridge",
		"--network", "container:"+name+"-registry",
		// openssl made the key readable by its owner alone.
		"--user", strconv.Itoa(os.Getuid())+":"+strconv.Itoa(os.Getgid()),
		"--volume", s.Dir+":/srv:ro", "--workdir", "/srv",
		"--env", "DRAWBRIDGE_CONFIG=configs/examples/docker-auth-drop-in.yaml",
		s.Project+"-drawbridge")
	await(t, "Drawbridge is ready", func() bool {
		_, err := d.Run("exec", name+"-drawbridge", "/drawbridge", "health")
		return err == nil
	})
	await(t, "the registry answers", func() bool {
		resp, err := http.Get("http://localhost:5000/v2/")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return true
	})
}

// await polls until ready reports true.
func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for patience := time.After(time.Minute); !ready(); {
		select {
		case <-poll.C:
		case <-patience:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func testChallenge(t *testing.T) {
	t.Helper()
	out, err := exec.Command("curl", "--silent", "--verbose", "http://localhost:5000/v2/").CombinedOutput()
	if err != nil {
		t.Fatalf("curl: %v\n%s", err, out)
	}
	const want = `Bearer realm="https://localhost:5001/auth",service="Docker registry"`
	if !strings.Contains(string(out), want) {
		t.Errorf("curl shows no challenge %s:\n%s", want, out)
	}
}

// testToken reads a token's header: an ES256 key signed it, whose certificate the
// RSA key of the mounted certificate signed.
func testToken(t *testing.T, certFile string) {
	t.Helper()
	root := readCertificate(t, certFile)
	leaf := tokenLeaf(t, root)
	if _, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok {
		t.Errorf("the token is signed by a %T, want an EC key", leaf.PublicKey)
	}
	if err := leaf.CheckSignatureFrom(root); err != nil {
		t.Errorf("the signing certificate is not under the mounted one: %v", err)
	}
}

func readCertificate(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatalf("%s holds no PEM block", file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// tokenLeaf asks for a token, trusting that one certificate for TLS, and returns
// the first certificate of its x5c.
func tokenLeaf(t *testing.T, root *x509.Certificate) *x509.Certificate {
	t.Helper()
	trusted := x509.NewCertPool()
	trusted.AddCert(root)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"https://localhost:5001/auth?service=Docker%20registry&scope=repository:my/image:pull", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", "badmin")
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct{ Token string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	var header struct {
		Alg string
		X5C [][]byte
	}
	part, _, _ := strings.Cut(answer.Token, ".")
	if text, err := base64.RawURLEncoding.DecodeString(part); err != nil || json.Unmarshal(text, &header) != nil || len(header.X5C) == 0 {
		t.Fatalf("not the header of a token with x5c: %q", part)
	}
	if header.Alg != "ES256" {
		t.Errorf("the token is signed with %s, want ES256", header.Alg)
	}
	leaf, err := x509.ParseCertificate(header.X5C[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func testPodLogin(t *testing.T) {
	t.Helper()
	const image = registry + "/my/image:1"
	admin := testbed.NewDocker(t)
	out, err := admin.Run("login", "--username", "admin", "--password", "badmin", registry)
	if err != nil || !strings.Contains(out, "Login Succeeded") {
		t.Fatalf("docker login: %v\n%s", err, out)
	}
	admin.MakeImage(image, "my/image")
	admin.Must("push", image)
	admin.RemoveImage(image)
	admin.Must("pull", image)

	nobody := testbed.NewDocker(t)
	out, err = nobody.Run("pull", registry+"/my/image:1")
	refused(t, out, err, "denied")
	out, err = nobody.Login(registry, "admin", "wrong")
	refused(t, out, err, "unauthorized")
}
