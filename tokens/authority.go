package tokens

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"time"
)

const (
	caName       = "ca.pem"
	caExportName = "signing-ca.pem"

	ownCALife  = 10 * 365 * 24 * time.Hour
	serialBits = 127 // positive and 16 bytes, within RFC 5280 section 4.1.2.2

	// certBackdate lets a registry whose clock is behind accept a certificate
	// that was made this minute.
	certBackdate = time.Hour
)

// authority is what registries trust: a CA under which leaves rotate, or the
// operator's certificate that signs tokens itself.
type authority struct {
	key  crypto.Signer
	cert *x509.Certificate
	// above is what follows a leaf in x5c: the CA certificate itself and its
	// issuers, without the self-signed one, which the registry has.
	above []*x509.Certificate
	// direct is set for a certificate that is no CA: its key signs tokens.
	direct bool
	source string // the file, for messages
	root   []byte // what [authority.derive] starts from
}

// operatorCA reports whether the operator's own certificate is configured.
func (o Options) operatorCA() bool { return o.CACertFile != "" || o.CAKeyFile != "" }

func operatorAuthority(opts Options) (*authority, error) {
	if opts.CACertFile == "" || opts.CAKeyFile == "" {
		return nil, errors.New("both are needed, or neither")
	}
	certPEM, err := os.ReadFile(opts.CACertFile)
	if err != nil {
		return nil, err
	}
	keyPEM, err := os.ReadFile(opts.CAKeyFile)
	if err != nil {
		return nil, err
	}
	a, err := newAuthority(certPEM, keyPEM, opts)
	if err != nil {
		return nil, err
	}
	a.source = opts.CACertFile
	return a, nil
}

// newAuthority checks certificate, key and chain against each other and the
// clock.
func newAuthority(certPEM, keyPEM []byte, opts Options) (*authority, error) {
	certs, _, err := parseCertificates(certPEM)
	if err != nil {
		return nil, err
	}
	key, err := parsePrivateKey(keyPEM)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, cert: certs[0], direct: !mayIssue(certs[0])}
	if !samePublicKey(key.Public(), a.cert.PublicKey) {
		return nil, keyMismatch(key, certs)
	}
	if err := strongEnough(key.Public()); err != nil {
		return nil, err
	}
	if err := checkChain(certs, opts.Clock()); err != nil {
		return nil, err
	}
	for _, cert := range certs {
		if !selfSigned(cert) {
			a.above = append(a.above, cert)
		}
	}
	if a.root, err = deriveRoot(key); err != nil {
		return nil, err
	}
	if a.direct {
		return a, checkDirect(a, opts.Algorithm)
	}
	return a, nil
}

// mayIssue reports whether registries accept certificates that this one signed.
// The rule is that of crypto/x509, which they use: the CA flag, or a version 1
// certificate, which has no flags; and no key usage that forbids it.
func mayIssue(cert *x509.Certificate) bool {
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return false
	}
	if cert.BasicConstraintsValid {
		return cert.IsCA
	}
	return cert.Version < 3
}

func keyMismatch(key crypto.Signer, certs []*x509.Certificate) error {
	for i, cert := range certs[1:] {
		if samePublicKey(key.Public(), cert.PublicKey) {
			return fmt.Errorf("the key belongs to certificate %d of the file; its own certificate must come first", i+2)
		}
	}
	return fmt.Errorf("the key does not belong to the certificate (subject %q); they must be the two files of one pair", certs[0].Subject)
}

// checkChain refuses expired certificates and a file whose certificates do not
// follow from leaf to root, because each token would carry the wrong chain and
// no registry would say why it fails.
func checkChain(certs []*x509.Certificate, now time.Time) error {
	for i, cert := range certs {
		if now.After(cert.NotAfter) {
			return fmt.Errorf("certificate %d (subject %q) expired at %s; renew it and mount the new one in every registry",
				i+1, cert.Subject, cert.NotAfter.UTC().Format(time.RFC3339))
		}
		if now.Before(cert.NotBefore) {
			return fmt.Errorf("certificate %d (subject %q) is not valid before %s; is the clock right?",
				i+1, cert.Subject, cert.NotBefore.UTC().Format(time.RFC3339))
		}
		if i > 0 && !issued(cert, certs[i-1]) {
			return fmt.Errorf("certificate %d (subject %q) did not issue certificate %d; the file must hold one chain, from the signing certificate up",
				i+1, cert.Subject, i)
		}
	}
	return nil
}

// issued reports whether child names parent as its issuer and bears its signature.
func issued(parent, child *x509.Certificate) bool {
	return bytes.Equal(parent.RawSubject, child.RawIssuer) && child.CheckSignatureFrom(parent) == nil
}

// checkDirect sees to it that a certificate which may not issue others can sign
// tokens of the wanted algorithm itself.
func checkDirect(a *authority, want Algorithm) error {
	got, err := algorithmOf(a.cert.PublicKey)
	if err == nil && got != want {
		err = fmt.Errorf("its key signs %s tokens and tokens.algorithm is %s", got, want)
	}
	if err != nil {
		return fmt.Errorf("the certificate is not a CA (no CA:TRUE), so it must sign the tokens itself, but %w; "+
			"set tokens.algorithm to fit, or make a CA with `openssl req -newkey rsa:4096 -nodes -x509 -days 365`", err)
	}
	return nil
}

// makeAuthority makes a CA of our own and keeps it in the file.
func makeAuthority(path string, opts Options) (*authority, error) {
	a, err := newOwnCA(path, opts)
	if err != nil {
		return nil, err
	}
	return a, keepAuthority(a, opts)
}

// newOwnCA makes a CA, which is in no file yet. It is ECDSA P-256 whatever the
// token algorithm: every registry version verifies a chain of mixed types, and a
// 2.8 registry crashes on an Ed25519 root.
func newOwnCA(path string, opts Options) (*authority, error) {
	key, err := generateP256()
	if err != nil {
		return nil, fmt.Errorf("make the signing CA: %w", err)
	}
	now := opts.Clock()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Drawbridge token signing CA"},
		NotBefore:             now.Add(-certBackdate),
		NotAfter:              now.Add(ownCALife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	cert, err := sign(template, nil, key, key, opts.Rand)
	if err != nil {
		return nil, fmt.Errorf("make the signing CA: %w", err)
	}
	root, err := deriveRoot(key)
	return &authority{key: key, cert: cert, source: path, root: root}, err
}

// keepAuthority writes a CA of our own to its file.
func keepAuthority(a *authority, opts Options) error {
	content, err := encodePair(a.key, a.cert)
	if err == nil {
		err = writeFile(a.source, content, modePrivate)
	}
	if err != nil {
		return fmt.Errorf("keep the signing CA: %w", err)
	}
	opts.Log.Info("made a signing CA", "file", a.source, "expires", a.cert.NotAfter.UTC())
	return nil
}

// sign issues a certificate for key; parent nil makes it self-signed.
func sign(template, parent *x509.Certificate, key, parentKey crypto.Signer, random io.Reader) (*x509.Certificate, error) {
	serial, err := newSerial(random)
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func newSerial(random io.Reader) (*big.Int, error) {
	b := make([]byte, (serialBits+1)/8)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	b[0] &= 0x7f
	b[len(b)-1] |= 1 // never zero
	return new(big.Int).SetBytes(b), nil
}
