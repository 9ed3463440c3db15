package configs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// certificate writes a self-signed certificate and its key.
func certificate(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert},
		keyFile:  {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// environFor is what an example needs that is not shipped: private keys are not.
func environFor(t *testing.T, example string) []string {
	if filepath.Base(example) != "docker-auth-drop-in.yaml" {
		return nil
	}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	certificate(t, cert, key)
	return []string{
		"DRAWBRIDGE_SERVER_TLS_CERT_FILE=" + cert, "DRAWBRIDGE_SERVER_TLS_KEY_FILE=" + key,
		"DRAWBRIDGE_TOKENS_CA_CERT_FILE=" + cert, "DRAWBRIDGE_TOKENS_CA_KEY_FILE=" + key,
	}
}

func TestEveryShippedExampleLoads(t *testing.T) {
	t.Chdir("..") // relative paths begin at the root of the repository
	examples, err := filepath.Glob("configs/examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, example := range append(examples, "configs/drawbridge.yaml") {
		if strings.HasSuffix(example, "policy.yaml") {
			continue
		}
		count++
		t.Run(filepath.Base(example), func(t *testing.T) {
			if _, err := Load(example, environFor(t, example)); err != nil {
				t.Error(err)
			}
		})
	}
	if count < 5 {
		t.Errorf("only %d examples are found", count)
	}
}

// The reference says that its values are the defaults. What it cannot leave at
// the default is listed here.
func TestTheReferenceShowsTheDefaults(t *testing.T) {
	t.Chdir("..")
	got, err := Load("configs/drawbridge.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Server.ExternalURL = got.Server.ExternalURL
	want.Policy = got.Policy
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"server", got.Server.TLS, want.Server.TLS},
		{"addr", got.Server.Addr, want.Server.Addr},
		{"drain_delay", got.Server.DrainDelay, want.Server.DrainDelay},
		{"telemetry_addr", got.Server.TelemetryAddr, want.Server.TelemetryAddr},
		{"data_dir", got.DataDir, want.DataDir},
		{"tokens", got.Tokens, want.Tokens},
		{"robots", got.Robots, want.Robots},
		{"cache", got.Cache, want.Cache},
		{"store", got.Store, want.Store},
		{"limits", got.Limits, want.Limits},
		{"audit", got.Audit, want.Audit},
		{"log", got.Log, want.Log},
		{"tracing", got.Tracing, want.Tracing},
		{"ldap user filter", got.Connectors[1].LDAP.User.Filter, connectorDefaults(TypeLDAP).LDAP.User.Filter},
		{"ldap timeout", got.Connectors[1].Timeout, connectorDefaults(TypeLDAP).Timeout},
		{"ldap grace", got.Connectors[1].Grace, connectorDefaults(TypeLDAP).Grace},
		{"username claim", got.Connectors[2].OIDC.UsernameClaim, connectorDefaults(TypeOIDC).OIDC.UsernameClaim},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: the reference has %+v, the default is %+v", tt.name, tt.got, tt.want)
		}
	}
}

// everyKey returns all paths of the schema, list entries as connectors[].name.
func everyKey() []string {
	var keys []string
	schema().leaves("", func(string) int { return 1 }, func(path string, _ field) {
		keys = append(keys, strings.ReplaceAll(path, ".0.", "[]."))
	})
	return keys
}

func TestTheReferenceHasEveryKey(t *testing.T) {
	text, err := os.ReadFile("drawbridge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range everyKey() {
		last := key[strings.LastIndexAny(key, ".]")+1:]
		if !regexp.MustCompile(`(?m)(^|[ {#])` + last + `:`).Match(text) {
			t.Errorf("drawbridge.yaml does not mention %s", key)
		}
	}
}

func TestTheManualHasEveryKey(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range everyKey() {
		if !strings.Contains(string(text), "| `"+key+"` |") {
			t.Errorf("docs/configuration.md has no row for %s", key)
		}
		name := EnvName(strings.ReplaceAll(key, "[].", ".N."))
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/configuration.md does not name the variable %s", name)
		}
	}
	known := everyKey()
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_.\\[\\]]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		found := false
		for _, key := range known {
			found = found || key == row[1]
		}
		if !found {
			t.Errorf("docs/configuration.md documents %s, which is no key", row[1])
		}
	}
}

func TestTheExampleAccountIsTheDocumentedOne(t *testing.T) {
	text, err := os.ReadFile("htpasswd")
	if err != nil {
		t.Fatal(err)
	}
	_, hash, found := strings.Cut(string(text), "\nadmin:")
	if !found {
		t.Fatal("there is no account admin")
	}
	if err := bcrypt.CompareHashAndPassword([]byte(strings.TrimSpace(hash)), []byte("badmin")); err != nil {
		t.Error(err)
	}
}
