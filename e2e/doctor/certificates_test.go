package doctor

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority issues certificates for servers.
type authority struct {
	t    *testing.T
	key  crypto.Signer
	cert *x509.Certificate
	// file is its certificate, and keyFile its key.
	file, keyFile string
}

// newAuthority makes one that ends after life.
func newAuthority(t *testing.T, life time.Duration) *authority {
	t.Helper()
	a := &authority{t: t, key: ecKey(t)}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "a company's CA"}, NotBefore: time.Now().Add(-365 * 24 * time.Hour), NotAfter: time.Now().Add(life),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.file, a.keyFile = a.issue(template, a.key)
	return a
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// server issues a certificate for localhost and 127.0.0.1, changed as edit wants.
func (a *authority) server(key crypto.Signer, edit func(*x509.Certificate)) (certFile, keyFile string) {
	a.t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "a server"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * 24 * time.Hour),
		DNSNames: []string{"localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if edit != nil {
		edit(template)
	}
	return a.issue(template, key)
}

func (a *authority) issue(template *x509.Certificate, key crypto.Signer) (certFile, keyFile string) {
	a.t.Helper()
	var err error
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		a.t.Fatal(err)
	}
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.cert == nil {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			a.t.Fatal(err)
		}
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	dir := a.t.TempDir()
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return certFile, keyFile
}
