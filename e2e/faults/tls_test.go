package faults

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// authority signs certificates for the proxy.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of the faults"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, cert, key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pem is the authority's own certificate, for ca_file.
func (a *authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// sign makes a certificate for the address that ends at the time.
func (a *authority) sign(ip string, notAfter time.Time) *tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "directory"},
		NotBefore: a.cert.NotBefore, NotAfter: notAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.ParseIP(ip)},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestCertificates: a certificate that is not what it should be ends every login
// with 503 before a password is sent, and one that was replaced is accepted
// without a restart.
func TestCertificates(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	soon := time.Now().Add(time.Hour)
	good := ours.sign("127.0.0.1", soon)
	b := newBench(t)
	b.proxy.certificate.Store(good)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, ca, ours.pem())
	w := serve(t, direct, corp(b.slapd, []string{"ldaps://" + b.proxy.addr()}, "ca_file: "+ca))
	w.healthy("before")
	for _, bad := range []struct {
		name string
		cert *tls.Certificate
	}{
		{"expired", ours.sign("127.0.0.1", time.Now().Add(-time.Hour))},
		{"for another host", ours.sign("127.0.0.2", soon)},
		{"of another authority", theirs.sign("127.0.0.1", soon)},
	} {
		b.proxy.certificate.Store(bad.cert)
		b.proxy.cutAll()
		before := b.slapd.Binds()
		w.expect(bad.name, "alice", testbed.SeedPassword("alice"), true, http.StatusServiceUnavailable)
		w.expect(bad.name, "bob", "pw-wrong", false, http.StatusServiceUnavailable)
		w.local(bad.name)
		if n := b.slapd.Binds() - before; n != 0 {
			t.Errorf("%s: %d passwords were sent", bad.name, n)
		}
		b.proxy.certificate.Store(good)
		w.recovers("a certificate " + bad.name)
	}
	// Who reads the log finds out why.
	for _, text := range []string{"certificate has expired", "certificate is valid for 127.0.0.2", "signed by unknown authority"} {
		if !strings.Contains(w.Output(), text) {
			t.Errorf("the log does not say %q", text)
		}
	}
	if strings.Contains(w.Output(), testbed.SeedPassword("alice")) {
		t.Error("a password is in the log")
	}
}
