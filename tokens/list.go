package tokens

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Role is what a key is for.
type Role string

// The roles, in the order of [Keys.List].
const (
	RoleCA     Role = "ca"     // signs leaves; the trust anchor
	RoleLeaf   Role = "leaf"   // signs x5c tokens
	RoleStatic Role = "static" // signs the kid tokens of one service
)

// The states that [KeyInfo] tells apart.
const (
	ShownNext      = "next"      // will sign: registries may be told already
	ShownSigning   = "signing"   // signs
	ShownVerifying = "verifying" // signs no more; its tokens may be alive
	ShownRevoked   = "revoked"   // its tokens are refused
)

// KeyInfo describes a key for people and for metrics.
type KeyInfo struct {
	KeyID     string // RFC 7638; empty for a CA whose key type has no token algorithm
	Role      Role
	Service   string // of a static key
	Algorithm Algorithm
	Replica   string // which process made it; empty where it was not published
	State     string // one of the Shown constants
	NotBefore time.Time
	NotAfter  time.Time
	// Until is when the last token of a verifying key is over; zero for others.
	Until     time.Time
	RevokedAt time.Time
	// Fingerprint is the SHA-256 of a CA's certificate, in hex, as `openssl x509
	// -fingerprint -sha256` computes it.
	Fingerprint string
}

// KeyExpiry lists what this process signs with, and the CA that is to follow, with
// the end of their certificates.
func (k *Keys) KeyExpiry() []KeyInfo {
	s := k.state.Load()
	infos := s.ring.infos()
	if s.leaf != nil {
		infos = append(infos, s.leaf.info())
	}
	for _, service := range slices.Sorted(maps.Keys(s.statics)) {
		infos = append(infos, s.statics[service].info())
	}
	return infos
}

// List returns the keys of all processes that share the store: CAs, then leaves,
// then static keys; revoked ones until their certificate ends. The error is the
// store's, and then the list has this directory's own.
func (k *Keys) List(ctx context.Context) ([]KeyInfo, error) {
	s := k.state.Load()
	known, err := k.load(ctx, s.ring)
	now := k.opts.Clock()
	found := make(map[string]KeyInfo)
	for _, info := range k.KeyExpiry() {
		found[info.KeyID+info.Fingerprint] = info
	}
	for _, old := range s.retired {
		if info, err := old.info(); err == nil && now.Before(old.until) {
			found[info.KeyID] = info
		}
	}
	for kid, r := range known.rows {
		// What somebody else has written is not fit to be shown.
		if _, ours := known.keys[kid]; ours && (r.live(now) || r.revoked() && now.Before(r.NotAfter)) {
			found[kid] = r.info()
		}
	}
	infos := slices.Collect(maps.Values(found))
	slices.SortFunc(infos, func(a, b KeyInfo) int {
		return cmp.Or(cmp.Compare(a.Role.rank(), b.Role.rank()), cmp.Compare(a.Service, b.Service),
			a.NotBefore.Compare(b.NotBefore), cmp.Compare(a.KeyID, b.KeyID), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return infos, err
}

func (r Role) rank() int { return slices.Index([]Role{RoleCA, RoleLeaf, RoleStatic}, r) }

// infos describes the authority and the next one.
func (g *ring) infos() []KeyInfo {
	var infos []KeyInfo
	for i, a := range g.authorities() {
		sum := sha256.Sum256(a.cert.Raw)
		info := KeyInfo{
			Role: RoleCA, State: ShownSigning, NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
			Fingerprint: hex.EncodeToString(sum[:]),
		}
		if i > 0 {
			info.State = ShownNext
		}
		if key, err := publicJWK(a.cert.PublicKey); err == nil {
			info.KeyID, info.Algorithm = key.KeyID, key.Algorithm
		}
		infos = append(infos, info)
	}
	return infos
}

func (s *signer) info() KeyInfo {
	info := KeyInfo{
		KeyID: s.jwk.KeyID, Role: RoleLeaf, Service: s.service, Algorithm: s.alg, State: ShownSigning,
		NotBefore: s.cert.NotBefore, NotAfter: s.cert.NotAfter,
	}
	if s.service != "" {
		info.Role = RoleStatic
	}
	return info
}

func (r retiredLeaf) info() (KeyInfo, error) {
	key, err := r.public()
	if err != nil {
		return KeyInfo{}, fmt.Errorf("describe a retired leaf: %w", err)
	}
	return KeyInfo{
		KeyID: key.jwk.KeyID, Role: RoleLeaf, Algorithm: key.jwk.Algorithm, State: ShownVerifying,
		NotBefore: r.cert.NotBefore, NotAfter: r.cert.NotAfter, Until: r.until,
	}, nil
}

func (r *Record) info() KeyInfo {
	info := KeyInfo{
		KeyID: r.KeyID, Role: RoleLeaf, Service: r.Service, Algorithm: r.Algorithm, Replica: r.Replica,
		State: ShownSigning, NotBefore: r.NotBefore, NotAfter: r.NotAfter, RevokedAt: r.RevokedAt,
	}
	if r.static() {
		info.Role = RoleStatic
	}
	switch {
	case r.revoked():
		info.State = ShownRevoked
	case r.State == StateNext:
		info.State = ShownNext
	case r.State == StateRetired:
		info.State, info.Until = ShownVerifying, r.Until
	}
	return info
}
