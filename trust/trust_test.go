package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority returns the DER form of a self-signed authority.
func authority(t testing.TB, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x7654), Subject: pkix.Name{CommonName: name, Organization: []string{"Corp"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// negative is the certificate with a negative serial number, as old appliances made
// them. Go refuses it before it looks at the signature.
func negative(t testing.TB, der []byte) []byte {
	t.Helper()
	serial := []byte{0x02, 0x02, 0x76, 0x54}
	if bytes.Count(der, serial) != 1 {
		t.Fatal("the serial number is not there once")
	}
	return bytes.Replace(der, serial, []byte{0x02, 0x02, 0x86, 0x54}, 1)
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestLoad(t *testing.T) {
	one, two := authority(t, "one"), authority(t, "two\nlines \"quoted\"")
	good := "# the company's\n" + block("PRIVATE KEY", []byte("x")) + block(BlockType, one) + "text between\n" + block(BlockType, two)
	for _, tt := range []struct {
		name, text, want string
	}{
		{"good", good, ""},
		{"nothing", "", "ca.pem holds no PEM certificate"},
		{"text", "no PEM", "ca.pem holds no PEM certificate"},
		{"a key alone", block("PRIVATE KEY", []byte("x")), "ca.pem holds no PEM certificate"},
		{"DER", string(one), "in DER form, not PEM; convert it with"},
		{"negative serial number", good + block(BlockType, negative(t, authority(t, "Old Root"))),
			`ca.pem holds a certificate that cannot be used: number 3 ("CN=Old Root,O=Corp"): x509: negative serial number`},
		{"alone", block(BlockType, negative(t, authority(t, "Old Root"))), `number 1 ("CN=Old Root,O=Corp"): x509: negative serial number`},
		{"subject with a newline", block(BlockType, negative(t, two)), `number 1 ("CN=two\nlines \\\"quoted\\\",O=Corp"): x509`},
		{"endless subject", block(BlockType, negative(t, authority(t, strings.Repeat("x", 10000)))), `("CN=` + strings.Repeat("x", maxSubject-3) + `"): x509`},
		{"garbage", block(BlockType, []byte("garbage")), "number 1: x509: malformed certificate"},
		{"cut short", block(BlockType, one[:len(one)-1]), "number 1: x509: malformed certificate"},
		{"cut in its subject", good + block(BlockType, one[:80]), "number 3: x509: malformed certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			pool, err := Load(file)
			switch {
			case tt.want == "" && err == nil:
				want := x509.NewCertPool()
				want.AppendCertsFromPEM([]byte(tt.text))
				if !pool.Equal(want) || pool.Equal(x509.NewCertPool()) {
					t.Error("the pool is another one")
				}
			case tt.want == "" || err == nil || !strings.Contains(err.Error(), tt.want) || pool != nil:
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestLoadOfNothing(t *testing.T) {
	if pool, err := Load(""); pool != nil || err != nil {
		t.Errorf("no file: %v, %v", pool, err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "missing")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	der := authority(f, "one")
	f.Add([]byte(block(BlockType, der)))
	f.Add([]byte(block(BlockType, negative(f, der))))
	f.Add(der)
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := Parse(data)
		if (len(certs) == 0) == (err == nil) {
			t.Errorf("%d certificates and the error %v", len(certs), err)
		}
	})
}
