package testbed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Replicas are several servers with one configuration and one signing CA, each in
// a folder of its own, behind a [Balancer].
type Replicas struct {
	*Balancer
	// Servers are the replicas. Each is also reached by itself.
	Servers []*Server
	// CertFile and KeyFile are the TLS certificate of all of them, for localhost;
	// CAFile is the authority to trust.
	CertFile, KeyFile, CAFile string
	// TrustFile is the signing CA, for registries to trust.
	TrustFile string
}

// StartReplicas starts n servers. The options' configuration is theirs without
// what a [Server] is given anyhow, server.tls and the signing CA. own are further
// variables, NAME=VALUE, of the first server, the second and so on.
func StartReplicas(t testing.TB, n int, opts ServerOptions, own ...[]string) *Replicas {
	t.Helper()
	dir := t.TempDir()
	if err := writeTestCertificates(dir); err != nil {
		t.Fatal(err)
	}
	r := &Replicas{
		CertFile: filepath.Join(dir, "server.pem"), KeyFile: filepath.Join(dir, "server.key"),
		CAFile: filepath.Join(dir, "ca.pem"), TrustFile: filepath.Join(dir, "signing.pem"),
	}
	signingKey := filepath.Join(dir, "signing.key")
	if err := writeSigningCA(r.TrustFile, signingKey); err != nil {
		t.Fatal(err)
	}
	opts.Env = append(opts.Env,
		"DRAWBRIDGE_SERVER_TLS_MODE=files", "DRAWBRIDGE_SERVER_TLS_CERT_FILE="+r.CertFile,
		"DRAWBRIDGE_SERVER_TLS_KEY_FILE="+r.KeyFile, "DRAWBRIDGE_TOKENS_CA_CERT_FILE="+r.TrustFile,
		"DRAWBRIDGE_TOKENS_CA_KEY_FILE="+signingKey)
	shared := opts.Env
	for i := range n {
		opts.Env = slices.Clone(shared)
		if i < len(own) {
			opts.Env = append(opts.Env, own[i]...)
		}
		s := StartDrawbridge(t, opts)
		s.CAFile, s.TrustFile = r.CAFile, r.TrustFile
		r.Servers = append(r.Servers, s)
	}
	r.Balancer = StartBalancer(t, r.Servers...)
	return r
}

// Await waits until done reports true; a replica that ends meanwhile fails the
// test when the test ends.
func (r *Replicas) Await(what string, done func() bool) {
	r.Servers[0].t.Helper()
	eventually(r.Servers[0].t, what, done)
}

// writeSigningCA makes a certificate authority as an operator's.
func writeSigningCA(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "signing authority of the replicas"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if err := writeCertificate(certFile, ca, ca, &key.PublicKey, key); err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key: %w", err)
	}
	return writePEM(keyFile, "PRIVATE KEY", der)
}
