package robot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// MaxSecrets is how many secrets a robot has at most.
const MaxSecrets = 2

// Robot is a machine account.
type Robot struct {
	// Name is without the prefix of the username.
	Name string
	// Owner is the group that answers for the robot, qualified: corp/payments-leads.
	// It grants nothing.
	Owner       string
	Description string
	// CIDRs are the networks the robot may come from; none: from anywhere.
	CIDRs     []netip.Prefix
	CreatedAt time.Time
	// CreatedBy is who made it, as audit events name an actor.
	CreatedBy string
	// ExpiresAt ends the robot and all its secrets. It is never zero.
	ExpiresAt time.Time
	Disabled  bool
	// Secrets are at most [MaxSecrets], the newest last.
	Secrets []Secret
}

// Secret is what is known of a secret: not its text.
type Secret struct {
	// ID names the secret to people.
	ID        string
	Hash      Hash
	CreatedAt time.Time
	ExpiresAt time.Time
	// LastUsedAt is zero, and LastAddress empty, until the first login. They lag
	// behind by a minute or so.
	LastUsedAt  time.Time
	LastAddress string
}

// Version stands for everything about the robot that people change, and not for
// when it was used.
func (r Robot) Version() string {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%q %q %v %d %d %t", r.Owner, r.Description, r.CIDRs, r.CreatedAt.UnixMilli(), r.ExpiresAt.UnixMilli(), r.Disabled)
	for _, s := range r.Secrets {
		_, _ = fmt.Fprintf(sum, " %q %d", s.ID, s.ExpiresAt.UnixMilli())
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// State is what an administrator wants to know first.
type State string

// The states. Only active and expiring robots log in.
const (
	Active   State = "active"
	Expiring State = "expiring" // within ExpiringWithin
	Expired  State = "expired"
	Disabled State = "disabled"
)

// ExpiringWithin is how long before its end a robot counts as [Expiring].
const ExpiringWithin = 14 * 24 * time.Hour

func states() []State { return []State{Active, Expiring, Expired, Disabled} }

// State returns the robot's state at that time.
func (r Robot) State(now time.Time) State {
	switch {
	case !now.Before(r.ExpiresAt):
		return Expired
	case r.Disabled:
		return Disabled
	case !now.Add(ExpiringWithin).Before(r.ExpiresAt):
		return Expiring
	}
	return Active
}

// Live returns the secrets that are not over.
func (r Robot) Live(now time.Time) []Secret {
	return slices.DeleteFunc(slices.Clone(r.Secrets), func(s Secret) bool { return !now.Before(s.ExpiresAt) })
}

// LastUsed returns when and from where any of the secrets was used last; the zero
// time is never.
func (r Robot) LastUsed() (at time.Time, address string) {
	for _, s := range r.Secrets {
		if s.LastUsedAt.After(at) {
			at, address = s.LastUsedAt, s.LastAddress
		}
	}
	return at, address
}

// parseAddress reads a caller's address; it is invalid where there is none.
// ::ffff:10.0.0.1 is 10.0.0.1 on a socket for both, and a zone is no part of a
// network.
func parseAddress(text string) netip.Addr {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// allows reports whether the robot may come from the address. An invalid one is in
// no network.
func (r Robot) allows(addr netip.Addr) bool {
	return len(r.CIDRs) == 0 || slices.ContainsFunc(r.CIDRs, func(p netip.Prefix) bool { return p.Contains(addr) })
}
