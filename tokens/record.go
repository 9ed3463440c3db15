package tokens

import (
	"context"
	"errors"
	"time"

	"drawbridge/store/feed"
)

// KeyState is what a key is used for now.
type KeyState string

// The states. A revoked key has a state like any other, and [Record.RevokedAt].
const (
	// StateNext is a static key whose registry is to learn of it before it signs.
	StateNext KeyState = "next"
	// StateSigning is a key that signs.
	StateSigning KeyState = "signing"
	// StateAsked is a leaf whose owner is asked to make a new one. It signs until
	// the owner has seen that.
	StateAsked KeyState = "asked"
	// StateRetired is a key that signs no more. It verifies until [Record.Until].
	StateRetired KeyState = "retired"
)

// Record is a signing key as the processes that share a store tell each other of
// it. Everything in it but RevokedAt and Version is under the seals, see [Seal].
type Record struct {
	KeyID     string // RFC 7638
	Service   string // whose static key it is; empty for a leaf
	Algorithm Algorithm
	Public    string // the public key as a JWK (RFC 7517)
	Replica   string // which process made it, for people
	State     KeyState
	// NotBefore and NotAfter are those of the certificate.
	NotBefore, NotAfter time.Time
	// Until is when the last of its tokens is over: from then on it verifies none.
	Until time.Time
	// RevokedAt is when its tokens were revoked; zero for a key in good standing.
	// It counts whatever the seals say, and is never taken back.
	RevokedAt time.Time
	Seals     []Seal
	// Version is handed out by the store: zero for a record that is new there.
	Version int64
}

// Seal vouches for a [Record] under one signing authority. Whoever can write the
// store but does not have the authority's private key can make no seal, so that
// they cannot add a key that [Keys.Verify] accepts.
type Seal struct {
	// Authority names it by the SHA-256 of its public key (SPKI), in hex.
	Authority string `json:"authority"`
	// MAC is HMAC-SHA256 over the record and Private.
	MAC []byte `json:"mac"`
	// Private is a static key with its certificate, encrypted (AES-256-GCM).
	Private []byte `json:"private,omitempty"`
}

// ErrConflict is what a [Store] returns, wrapped, when a record was changed by
// somebody else in the meantime: read again and decide again.
var ErrConflict = errors.New("the record was changed by another process")

// Store is where processes that share the signing authority tell each other of
// their keys. Whatever error it returns, the keys that are known go on.
type Store interface {
	// Keys returns all records.
	Keys(ctx context.Context) ([]Record, error)
	// SaveKeys writes records and appends to the feed in one step, or does
	// nothing and returns ErrConflict. A record with Version zero is new; another
	// replaces the one of that version. The changes come back with their numbers.
	SaveKeys(ctx context.Context, records []Record, changes ...feed.Change) ([]feed.Change, error)
	// PruneKeys removes the leaves whose certificate and tokens were over before now.
	PruneKeys(ctx context.Context, now time.Time) (int64, error)
}

// static reports whether the record is of a key of one service.
func (r *Record) static() bool { return r.Service != "" }

// revoked reports whether the key's tokens are refused.
func (r *Record) revoked() bool { return !r.RevokedAt.IsZero() }

// live reports whether tokens of the key may be alive.
func (r *Record) live(now time.Time) bool { return !r.revoked() && now.Before(r.Until) }
