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

	"drawbridge/store/feed"
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
	// Store tells other processes of our keys and us of theirs; nil: nobody is told.
	Store Store
	// Announce is told of the changes that an order has put into the feed, such as
	// feed.Writer's method; nil: others find them in the store.
	Announce func(ctx context.Context, stored ...feed.Change)
	// Replica names this process in the store, for people.
	Replica string
	// Existing makes nothing that a server would have made: it is for commands,
	// which would otherwise make a CA in a directory that no server ever opens.
	Existing bool
	Clock    func() time.Time // nil: time.Now
	Rand     io.Reader        // serial numbers; nil: crypto/rand
	Log      *slog.Logger     // nil: nothing is logged
}

// Keys holds the signing keys. Its methods may be called concurrently; minting
// and verifying take no lock, unless a token names a key that nobody here knows.
type Keys struct {
	opts   Options
	state  atomic.Pointer[state]
	shared shared

	rotating sync.Mutex    // one turn at a time in this process
	warned   time.Time     // of an authority that ends soon; guarded by rotating
	wake     chan struct{} // asks Run for a turn now
}

// state is what this process signs with. It is replaced as a whole and never
// changed.
type state struct {
	ring    *ring
	leaf    *signer
	statics map[string]*signer // by service
	signers map[string]*signer // every service's that has a key
	waiting map[string]error   // why a kid service has none yet
	retired []retiredLeaf
}

// publicKey is what verifies.
type publicKey struct {
	key     crypto.PublicKey
	jwk     jwk
	service string    // a static key speaks for one service only
	until   time.Time // from when on it verifies no more; zero for a key of ours that signs
}

// Open reads the keys, or makes what is missing, and writes the public files
// that registries mount. Processes that open one directory at the same time get
// the same keys. Every error says what to do about it; Open never replaces a key
// it cannot read. A store that does not answer is no error: [Keys.Run] publishes
// later.
func Open(opts Options) (*Keys, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	k := &Keys{opts: opts, shared: newShared(), wake: make(chan struct{}, 1)}
	if opts.Existing {
		return k, k.read()
	}
	if err := os.MkdirAll(opts.Dir, modeDir); err != nil { // #nosec G301 -- registries mount the public files
		return nil, fmt.Errorf("make the key directory: %w", err)
	}
	later, err := k.refresh(context.Background(), false)
	if err != nil {
		return nil, err
	}
	if later != nil {
		k.ask() // Run tries again at once
	}
	return k, nil
}

// read is Open for a command: it finds out what there is and makes nothing.
func (k *Keys) read() error {
	if _, err := os.Stat(k.opts.Dir); err != nil {
		return fmt.Errorf("there are no signing keys: name the server's configuration with --config, and run this where its data_dir is: %w", err)
	}
	unlock, err := lockDir(context.Background(), k.opts.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	s := &state{statics: make(map[string]*signer), waiting: make(map[string]error)}
	if s.ring, err = loadRing(k.opts, nil); err != nil {
		return err
	}
	leaf, err := readLeaf(s.ring.authority, k.opts)
	if s.ring.authority.direct {
		leaf, err = directLeaf(s.ring.authority)
	}
	if err != nil {
		return err
	}
	s.leaf, s.retired = leaf.current, leaf.live(k.opts.Clock())
	for _, r := range k.opts.Registries {
		if r.Form != FormKID {
			continue
		}
		static, err := readStatic(filepath.Join(k.opts.Dir, staticStem(r.Service, k.opts.Algorithm)+".pem"), r.Service)
		if err != nil {
			return err
		}
		if static != nil {
			s.statics[r.Service] = static
		}
	}
	return k.publish(s)
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

// install makes a new state the one in force and tells readers.
func (k *Keys) install(s *state) error {
	s.signers = make(map[string]*signer)
	for _, r := range k.opts.Registries {
		if r.Form != FormKID {
			s.signers[r.Service] = s.leaf
		} else if static := s.statics[r.Service]; static != nil {
			s.signers[r.Service] = static
		}
	}
	if err := k.publish(s); err != nil {
		return err
	}
	if err := exportFile(filepath.Join(k.opts.Dir, caExportName), s.ring.bundle()); err != nil {
		return fmt.Errorf("export the signing CA: %w", err)
	}
	if err := exportFile(filepath.Join(k.opts.Dir, jwksName), k.JWKS()); err != nil {
		return fmt.Errorf("export the JWKS: %w", err)
	}
	return nil
}
