package tokens

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// caNextName is the CA that follows the one in ca.pem. It is there only while
// registries are being told of it; see [Keys.NewCA].
const caNextName = "ca-next.pem"

// ring is what vouches for keys: the authority that issues leaves and, while the
// CA is being changed, the one that will. It is immutable.
type ring struct {
	authority *authority
	next      *authority // nil outside of a change
	sealers   []*sealer  // the authority's first

	files [2][]byte // what the CA was read from, to notice a change; nil for the operator's
}

func newRing(authority, next *authority) (*ring, error) {
	g := &ring{authority: authority, next: next}
	for _, a := range g.authorities() {
		s, err := newSealer(a)
		if err != nil {
			return nil, fmt.Errorf("derive secrets from the signing key: %w", err)
		}
		g.sealers = append(g.sealers, s)
	}
	return g, nil
}

// authorities returns the authority and the next one, if there is one.
func (g *ring) authorities() []*authority {
	if g.next == nil {
		return []*authority{g.authority}
	}
	return []*authority{g.authority, g.next}
}

// bundle is signing-ca.pem: what registries are to trust.
func (g *ring) bundle() []byte {
	var certs []byte
	for _, a := range g.authorities() {
		certs = append(certs, encodeCert(a.cert)...)
	}
	return certs
}

// loadRing reads the authorities, or makes the first one. The operator's files are
// read at the start only; a CA of ours again in each turn, because a command may
// have changed it. The caller holds the directory's lock.
func loadRing(opts Options, old *ring) (*ring, error) {
	if opts.operatorCA() {
		if old != nil {
			return old, nil
		}
		a, err := operatorAuthority(opts)
		if err != nil {
			return nil, fmt.Errorf("tokens.ca_cert_file and tokens.ca_key_file: %w", err)
		}
		return newRing(a, nil)
	}
	var files [2][]byte
	for i, name := range []string{caName, caNextName} {
		data, err := readPrivate(filepath.Join(opts.Dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the signing CA: %w", err)
		}
		files[i] = data
	}
	if old != nil && bytes.Equal(files[0], old.files[0]) && bytes.Equal(files[1], old.files[1]) {
		return old, nil
	}
	return ownRing(files, opts, old == nil)
}

// ownRing parses ca.pem and ca-next.pem. Only where mayMake is set, and nothing
// hints at a CA that got lost, a missing one is made.
func ownRing(files [2][]byte, opts Options, mayMake bool) (*ring, error) {
	path, nextPath := filepath.Join(opts.Dir, caName), filepath.Join(opts.Dir, caNextName)
	var current, next *authority
	var err error
	switch {
	case files[0] != nil:
		current, err = ownAuthority(path, files[0], opts)
	case files[1] != nil:
		err = fmt.Errorf("there is %s and no %s; to go on with the new CA, rename it", nextPath, caName)
	case !mayMake || opts.Existing:
		err = fmt.Errorf("there is no signing CA in %s: name the server's configuration with --config, and run this where "+
			"its data_dir is", opts.Dir)
	default:
		if current, err = makeAuthority(path, opts); err == nil {
			files[0], err = os.ReadFile(path) // #nosec G304 -- just written
		}
	}
	if err == nil && files[1] != nil {
		next, err = ownAuthority(nextPath, files[1], opts)
	}
	if err != nil {
		return nil, err
	}
	g, err := newRing(current, next)
	if err != nil {
		return nil, err
	}
	g.files = files
	return g, nil
}

func ownAuthority(path string, data []byte, opts Options) (*authority, error) {
	a, err := newAuthority(data, data, opts)
	if err != nil {
		return nil, fmt.Errorf("the signing CA in %s: %w; to start over, remove the file, restart, and mount the new %s in every registry",
			path, err, caExportName)
	}
	a.source = path
	return a, nil
}
