package trust

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// Certificate is a certificate with the headers of its PEM block.
type Certificate struct {
	*x509.Certificate
	Headers map[string]string
}

// BlockType is the PEM type of a certificate.
const BlockType = "CERTIFICATE"

// Load reads the authorities in a file; nil, which stands for the system's, if the
// name is empty.
func Load(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("read the certificate authorities: %w", err)
	}
	certs, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s %w", file, err)
	}
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert.Certificate)
	}
	return pool, nil
}

// Parse returns the certificates of a PEM file in their order, at least one. The
// error reads as what the file is like: "holds no PEM certificate".
func Parse(data []byte) ([]Certificate, error) {
	var certs []Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != BlockType {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("holds a certificate that cannot be used: number %d%s: %w", len(certs)+1, subjectOf(block.Bytes), err)
		}
		certs = append(certs, Certificate{cert, block.Headers})
	}
	if len(certs) > 0 {
		return certs, nil
	}
	if _, err := x509.ParseCertificate(data); err == nil {
		return nil, errors.New("holds a certificate in DER form, not PEM; convert it with `openssl x509 -inform der -in FILE -out NEW`")
	}
	return nil, errors.New("holds no PEM certificate")
}

// maxSubject bounds how much of a subject is in an error, in characters.
const maxSubject = 200

// subjectOf reads the subject of a certificate that crypto/x509 refuses, as text for
// an error; empty where it cannot be read (RFC 5280 section 4.1).
func subjectOf(der []byte) string {
	var cert struct {
		TBS struct {
			Version                                        int `asn1:"optional,explicit,default:0,tag:0"`
			Serial, Algorithm, Issuer, Validity, SubjectDN asn1.RawValue
		}
	}
	var names pkix.RDNSequence
	if _, err := asn1.Unmarshal(der, &cert); err != nil {
		return ""
	}
	if _, err := asn1.Unmarshal(cert.TBS.SubjectDN.FullBytes, &names); err != nil || len(names) == 0 {
		return ""
	}
	subject := []rune(names.String())
	return fmt.Sprintf(" (%q)", string(subject[:min(len(subject), maxSubject)]))
}
