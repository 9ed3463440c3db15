package tokens

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How a token names the key that verifies it: the token_form of a registry.
const (
	FormX5C = "x5c" // the header carries the leaf's certificate chain
	FormKID = "kid" // the header names a key that the registry has in a file
)

const (
	jwksName           = "jwks.json"
	defaultRotateEvery = 30 * 24 * time.Hour
)

// Registry is one service that tokens are made for.
type Registry struct {
	Service string // the registry's `service` setting and the tokens' audience
	Form    string // FormX5C or FormKID; empty is FormX5C
}

// Options configures [Open]. Dir, Registries and LongestTTL are required.
type Options struct {
	// Dir is data_dir/keys. It is made if it does not exist.
	Dir string
	// Algorithm signs tokens; empty is ES256.
	Algorithm Algorithm
	// CACertFile and CAKeyFile are the operator's certificate (PEM, a chain may
	// follow) and key. Both empty: a CA is made in Dir.
	CACertFile, CAKeyFile string
	// RotateEvery is the age at which a leaf is replaced; zero is 30 days.
	RotateEvery time.Duration
	// LongestTTL is the longest lifetime [Keys.Mint] accepts. Leaves outlive it.
	LongestTTL time.Duration
	Registries []Registry
	Clock      func() time.Time // nil: time.Now
	Rand       io.Reader        // serial numbers; nil: crypto/rand
	Log        *slog.Logger     // nil: nothing is logged
}

// Keys holds the signing keys. Its methods may be called concurrently; minting
// and verifying take no lock.
type Keys struct {
	opts      Options
	authority *authority
	state     atomic.Pointer[state]

	rotating sync.Mutex // one rotation at a time in this process
	warned   time.Time  // of an authority that ends soon; guarded by rotating
}

// state is replaced as a whole and never changed.
type state struct {
	leaf    *signer
	statics map[string]*signer // by service
	signers map[string]*signer // every service's
	public  map[string]publicKey
	retired []retiredLeaf
	jwks    []byte
}

type publicKey struct {
	key     crypto.PublicKey
	alg     Algorithm
	service string // a static key speaks for one service only
}

// Open reads the keys, or makes what is missing, and writes the public files
// that registries mount. Processes that open one directory at the same time get
// the same keys. Every error says what to do about it; Open never replaces a key
// it cannot read.
func Open(opts Options) (*Keys, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opts.Dir, modeDir); err != nil { // #nosec G301 -- registries mount the public files
		return nil, fmt.Errorf("make the key directory: %w", err)
	}
	unlock, err := lockDir(context.Background(), opts.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := sweep(opts.Dir); err != nil {
		return nil, fmt.Errorf("clean up the key directory: %w", err)
	}
	k := &Keys{opts: opts}
	if k.authority, err = loadAuthority(opts); err != nil {
		return nil, err
	}
	if err := exportFile(filepath.Join(opts.Dir, caExportName), k.SigningCA()); err != nil {
		return nil, fmt.Errorf("export the signing CA: %w", err)
	}
	statics := make(map[string]*signer)
	for _, r := range opts.Registries {
		if r.Form == FormKID {
			if statics[r.Service], err = loadStatic(r.Service, opts); err != nil {
				return nil, err
			}
		}
	}
	leaf, err := k.currentLeaf(false)
	if err != nil {
		return nil, err
	}
	return k, k.install(leaf, statics)
}

// complete fills in defaults and refuses options that contradict each other.
func (o Options) complete() (Options, error) {
	if o.Algorithm == "" {
		o.Algorithm = ES256
	}
	if o.RotateEvery == 0 {
		o.RotateEvery = defaultRotateEvery
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if _, err := o.Algorithm.method(); err != nil {
		return o, err
	}
	switch {
	case o.Dir == "":
		return o, errors.New("no key directory was given")
	case o.LongestTTL < time.Second:
		return o, fmt.Errorf("the longest token lifetime is %s; at least one second is needed", o.LongestTTL)
	case o.RotateEvery < 0:
		return o, fmt.Errorf("tokens.rotate_every is %s; it must be positive", o.RotateEvery)
	}
	var err error
	o.Registries, err = completeRegistries(o.Registries)
	return o, err
}

// completeRegistries returns a copy with the form of each registry filled in.
func completeRegistries(registries []Registry) ([]Registry, error) {
	registries = slices.Clone(registries)
	seen := make(map[string]bool)
	for i := range registries {
		r := &registries[i]
		if r.Form == "" {
			r.Form = FormX5C
		}
		switch {
		case r.Service == "":
			return nil, fmt.Errorf("registry %d has no service", i+1)
		case seen[r.Service]:
			return nil, fmt.Errorf("service %q is listed twice; a token could not tell which registry it is for", r.Service)
		case r.Form != FormX5C && r.Form != FormKID:
			return nil, fmt.Errorf("service %q: token_form %q is neither x5c nor kid", r.Service, r.Form)
		}
		seen[r.Service] = true
	}
	return registries, nil
}

// install computes everything readers need and swaps it in.
func (k *Keys) install(leaf leafFile, statics map[string]*signer) error {
	s := &state{
		leaf: leaf.current, statics: statics, retired: leaf.retired,
		signers: make(map[string]*signer),
		public:  make(map[string]publicKey),
	}
	set := []jwk{leaf.current.jwk}
	for _, r := range k.opts.Registries {
		s.signers[r.Service] = leaf.current
		if static := statics[r.Service]; static != nil {
			s.signers[r.Service] = static
			s.public[static.jwk.KeyID] = static.public()
			set = append(set, static.jwk)
		}
	}
	s.public[leaf.current.jwk.KeyID] = leaf.current.public()
	for _, old := range leaf.retired {
		key, err := publicJWK(old.cert.PublicKey)
		if err != nil {
			return fmt.Errorf("read a retired leaf: %w", err)
		}
		if _, known := s.public[key.KeyID]; !known {
			s.public[key.KeyID] = publicKey{key: old.cert.PublicKey, alg: key.Algorithm}
			set = append(set, key)
		}
	}
	var err error
	if s.jwks, err = keySet(set); err != nil {
		return err
	}
	if err := exportFile(filepath.Join(k.opts.Dir, jwksName), s.jwks); err != nil {
		return fmt.Errorf("export the JWKS: %w", err)
	}
	k.state.Store(s)
	return nil
}
