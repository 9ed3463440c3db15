package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// LoadCertificate reads a PEM certificate chain and its key.
func LoadCertificate(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return cert, fmt.Errorf("read the server certificate %s with key %s: %w", certFile, keyFile, err)
	}
	return cert, nil
}

// The self-signed certificate's file names inside its folder, and its life. It is
// made anew when less than renewBefore is left or when the names changed.
const (
	certFileName = "server.crt"
	keyFileName  = "server.key"
	certLife     = 397 * 24 * time.Hour // what browsers accept at most
	renewBefore  = 30 * 24 * time.Hour
)

// SelfSigned returns the certificate kept in dir, which it makes when there is
// none, when it expires soon, or when it does not cover all hosts. The second
// result is the certificate's path, for the operator to hand to clients.
func SelfSigned(dir string, hosts []string, now time.Time) (tls.Certificate, string, error) {
	certFile, keyFile := filepath.Join(dir, certFileName), filepath.Join(dir, keyFileName)
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	switch {
	case err == nil && stillGood(cert, hosts, now):
		return cert, certFile, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return cert, "", fmt.Errorf("read the self-signed certificate in %s (delete %s and %s to have a new one made): %w",
			dir, certFileName, keyFileName, err)
	}
	if err := makeSelfSigned(certFile, keyFile, hosts, now); err != nil {
		return cert, "", fmt.Errorf("make a self-signed certificate: %w", err)
	}
	cert, err = LoadCertificate(certFile, keyFile)
	return cert, certFile, err
}

func stillGood(cert tls.Certificate, hosts []string, now time.Time) bool {
	return now.Add(renewBefore).Before(cert.Leaf.NotAfter) &&
		!slices.ContainsFunc(hosts, func(host string) bool { return cert.Leaf.VerifyHostname(host) != nil })
}

func makeSelfSigned(certFile, keyFile string, hosts []string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Drawbridge (self-signed)"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// Not a CA: a client that trusts this file trusts this one server.
		BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(certFile), 0o700); err != nil {
		return err
	}
	if err := writePEM(keyFile, "PRIVATE KEY", keyDER, 0o600); err != nil {
		return err
	}
	return writePEM(certFile, "CERTIFICATE", der, 0o644)
}

func writePEM(file, kind string, der []byte, mode fs.FileMode) error {
	temp := file + ".new"
	data := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(temp, data, mode); err != nil {
		return err
	}
	return os.Rename(temp, file)
}

// SelfSignedHosts returns the names a self-signed certificate needs: the host of
// the external URL, the machine's own name and the loopback ones.
func SelfSignedHosts(externalURL string) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && name != "" {
		hosts = append(hosts, name)
	}
	if u, err := url.Parse(externalURL); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
