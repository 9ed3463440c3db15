package tokens

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

const (
	leafName = "leaf.pem"

	// leafMargin is how long a leaf outlives the last token signed with it. A
	// registry gives an expired leaf no leeway, so this is also the time an
	// operator has to repair a rotation that fails.
	leafMargin = 7 * 24 * time.Hour

	// headerRetired is the PEM header of a certificate that signs no more but
	// whose tokens may still be alive until the time it names.
	headerRetired = "Retired-Until"
)

// leafFile is what leaf.pem holds: the current leaf and the public half of those
// before it, for as long as their tokens live. It is one file, so that one
// rename replaces all of it.
type leafFile struct {
	current *signer
	retired []retiredLeaf
}

type retiredLeaf struct {
	cert  *x509.Certificate
	until time.Time
}

// public returns what a verifier needs to know of the key.
func (r retiredLeaf) public() (publicKey, error) {
	key, err := publicJWK(r.cert.PublicKey)
	if err != nil {
		return publicKey{}, fmt.Errorf("read a retired leaf: %w", err)
	}
	return publicKey{key: r.cert.PublicKey, jwk: key, until: r.until}, nil
}

// leafDue reports whether a leaf must be replaced: it has served its time, the
// clock was set back, or a changed setting makes its remaining life too short.
// A leaf cut to its CA's end is not too short: another one would be no longer.
func leafDue(cert *x509.Certificate, a *authority, opts Options) bool {
	now := opts.Clock()
	served := !now.Before(cert.NotBefore.Add(certBackdate + opts.RotateEvery))
	short := cert.NotAfter.Before(now.Add(opts.LongestTTL+leafMargin)) && cert.NotAfter.Before(a.cert.NotAfter)
	return served || short || now.Before(cert.NotBefore)
}

// issueLeaf makes a key and a certificate for it under the authority.
func issueLeaf(a *authority, opts Options) (*signer, error) {
	key, err := opts.Algorithm.generate()
	if err != nil {
		return nil, err
	}
	now := opts.Clock()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Drawbridge token signing"},
		NotBefore:             now.Add(-certBackdate),
		NotAfter:              now.Add(opts.RotateEvery + opts.LongestTTL + leafMargin),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true, // and IsCA false: a stolen leaf cannot issue others
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	cert, err := sign(template, a.cert, key, a.key, opts.Rand)
	if err != nil {
		return nil, fmt.Errorf("issue a leaf under %s: %w", a.source, err)
	}
	s, err := newSigner(key, append([]*x509.Certificate{cert}, a.above...))
	if err != nil {
		return nil, err
	}
	s.cert = cert
	return s, nil
}

// readLeaf reads leaf.pem. A missing file is an empty one. A leaf of another
// authority or algorithm comes back as retired, since a setting was changed
// while its tokens live.
func readLeaf(a *authority, opts Options) (leafFile, error) {
	path := filepath.Join(opts.Dir, leafName)
	data, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return leafFile{}, nil
	}
	if err != nil {
		return leafFile{}, fmt.Errorf("read the leaf key: %w", err)
	}
	file, err := parseLeaf(data, a, opts)
	if err != nil {
		return leafFile{}, fmt.Errorf("read the leaf key in %s: %w; remove the file to have a new one made", path, err)
	}
	return file, nil
}

func parseLeaf(data []byte, a *authority, opts Options) (leafFile, error) {
	key, err := parsePrivateKey(data)
	if err != nil {
		return leafFile{}, err
	}
	certs, headers, err := parseCertificates(data)
	if err != nil {
		return leafFile{}, err
	}
	cert := certs[0]
	if !samePublicKey(key.Public(), cert.PublicKey) {
		return leafFile{}, errors.New("its key does not belong to its certificate")
	}
	var file leafFile
	for i, old := range certs[1:] {
		until, err := time.Parse(time.RFC3339, headers[i+1][headerRetired])
		if err != nil {
			return leafFile{}, fmt.Errorf("certificate %d: %w", i+2, err)
		}
		file.retired = append(file.retired, retiredLeaf{old, until})
	}
	alg, err := algorithmOf(key.Public())
	if a.direct || err != nil || alg != opts.Algorithm || !issued(a.cert, cert) {
		return file.retire(cert, opts), nil
	}
	if file.current, err = newSigner(key, append([]*x509.Certificate{cert}, a.above...)); err != nil {
		return leafFile{}, err
	}
	file.current.cert = cert
	return file, nil
}

// retire returns the file without a current leaf, with cert among the retired
// ones and without those whose last token is over.
func (f leafFile) retire(cert *x509.Certificate, opts Options) leafFile {
	now := opts.Clock()
	until := now.Add(opts.LongestTTL + Leeway).Truncate(time.Second)
	return leafFile{retired: append([]retiredLeaf{{cert, until}}, f.live(now)...)}
}

// live returns the retired leaves whose tokens may still be alive.
func (f leafFile) live(now time.Time) []retiredLeaf {
	var kept []retiredLeaf
	for _, old := range f.retired {
		if now.Before(old.until) {
			kept = append(kept, old)
		}
	}
	return kept
}

// knows reports whether the certificate is the current leaf or a retired one.
func (f leafFile) knows(cert *x509.Certificate) bool {
	return f.current.cert.Equal(cert) ||
		slices.ContainsFunc(f.retired, func(old retiredLeaf) bool { return old.cert.Equal(cert) })
}

// write stores the file.
func (f leafFile) write(dir string) error {
	content, err := encodePair(f.current.key, f.current.cert)
	if err != nil {
		return err
	}
	for _, old := range f.retired {
		content = append(content, pem.EncodeToMemory(&pem.Block{
			Type:    blockCert,
			Headers: map[string]string{headerRetired: old.until.UTC().Format(time.RFC3339)},
			Bytes:   old.cert.Raw,
		})...)
	}
	return writeFile(filepath.Join(dir, leafName), content, modePrivate)
}
