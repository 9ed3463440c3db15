package tokens

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// staticLife is the validity of a static key's certificate. Nobody checks it
// (the registries take the public key out of it), and the key never rotates.
const staticLife = 10 * 365 * 24 * time.Hour

// staticStem names a kid service's files: a readable part, and a hash that tells
// apart services whose readable parts are equal. The algorithm is in the name,
// so that changing tokens.algorithm and changing it back finds the old key.
func staticStem(service string, alg Algorithm) string {
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, service)
	if len(readable) > 40 {
		readable = readable[:40]
	}
	sum := sha256.Sum256([]byte(service))
	return fmt.Sprintf("static-%s-%s-%s", readable, hex.EncodeToString(sum[:4]), strings.ToLower(string(alg)))
}

// readStatic returns the key of a file, nil when there is none.
func readStatic(path, service string) (*signer, error) {
	data, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // documented: no file
	}
	var s *signer
	if err == nil {
		s, err = parseStatic(data, service)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

func parseStatic(data []byte, service string) (*signer, error) {
	key, err := parsePrivateKey(data)
	if err != nil {
		return nil, err
	}
	certs, _, err := parseCertificates(data)
	if err != nil {
		return nil, err
	}
	if !samePublicKey(key.Public(), certs[0].PublicKey) {
		return nil, errors.New("its key does not belong to its certificate")
	}
	s, err := newSigner(key, nil)
	if err != nil {
		return nil, err
	}
	s.cert, s.service = certs[0], service
	return s, nil
}

// newStatic makes a key, which is in no file yet.
func newStatic(service string, opts Options) (*signer, error) {
	key, err := opts.Algorithm.generate()
	if err != nil {
		return nil, err
	}
	now := opts.Clock()
	cert, err := sign(&x509.Certificate{
		Subject:               pkix.Name{CommonName: "Drawbridge static token signing"},
		NotBefore:             now.Add(-certBackdate),
		NotAfter:              now.Add(staticLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}, nil, key, key, opts.Rand)
	if err != nil {
		return nil, err
	}
	content, err := encodePair(key, cert)
	if err != nil {
		return nil, err
	}
	opts.Log.Warn("made a static signing key; its registry must read the new public key and be restarted",
		"service", service, "algorithm", string(opts.Algorithm))
	return parseStatic(content, service)
}
