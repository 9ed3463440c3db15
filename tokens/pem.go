package tokens

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"drawbridge/trust"
)

const (
	blockCert = trust.BlockType
	blockKey  = "PRIVATE KEY" // PKCS#8
)

// parsePrivateKey returns the first private key of a PEM file, in PKCS#8, PKCS#1
// or SEC 1 form. Other blocks (EC PARAMETERS, certificates) are passed over, so
// that a file holding key and certificate together works.
func parsePrivateKey(data []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, errors.New("the private key is encrypted with a passphrase, which a server cannot type: " +
				"decrypt it with `openssl pkey -in KEY -out NEW` and keep the file at mode 0600")
		}
		return parseKeyBlock(block)
	}
	return nil, errors.New("there is no PEM block with a private key")
}

func parseKeyBlock(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("read the %q block: %w", block.Type, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}

// parseCertificates returns the certificates of a PEM file in their order, with
// the PEM headers that [leafFile] keeps beside them.
func parseCertificates(data []byte) ([]*x509.Certificate, []map[string]string, error) {
	found, err := trust.Parse(data)
	if err != nil {
		return nil, nil, fmt.Errorf("the certificate file %w", err)
	}
	certs, headers := make([]*x509.Certificate, len(found)), make([]map[string]string, len(found))
	for i, cert := range found {
		certs[i], headers[i] = cert.Certificate, cert.Headers
	}
	return certs, headers, nil
}

// encodePair puts key and certificate into one file, so that the rename that
// replaces it can never leave a key beside another key's certificate.
func encodePair(key crypto.Signer, cert *x509.Certificate) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), encodeCert(cert)...), nil
}

func encodeCert(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockCert, Bytes: cert.Raw})
}

// samePublicKey reports whether two public keys are one.
func samePublicKey(a, b crypto.PublicKey) bool {
	x, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && x.Equal(b)
}

// selfSigned reports whether a certificate was signed with its own key. It does
// not ask for the CA flag, which a self-signed leaf lacks.
func selfSigned(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawIssuer, cert.RawSubject) &&
		cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}
