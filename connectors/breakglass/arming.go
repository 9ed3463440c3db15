package breakglass

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"drawbridge/identity"
)

// Username is what one logs in as while it is armed; in any case it is nobody's.
const Username = "breakglass"

// ConnectorName is what logs and metrics call the connector. No entry of the
// configuration may have the name.
const ConnectorName = "breakglass"

// SecretPrefix begins every password, for programs that look for secrets in the
// wrong places.
const SecretPrefix = "dbglass_"

// The bounds of an arming.
const (
	MinFor = time.Minute
	MaxFor = 4 * time.Hour

	maxReason   = 512
	secretBytes = 32
)

// Arming is one time of being armed, as the store has it.
type Arming struct {
	ID string
	// Hash is the password's SHA-256.
	Hash      [sha256.Size]byte
	ArmedAt   time.Time
	ExpiresAt time.Time
	// By is who armed it, as audit events name an actor, and Reason their word for
	// why.
	By, Reason string
	// EndedAt is zero unless it was ended before its time; EndedBy is who did.
	EndedAt time.Time
	EndedBy string
}

// InForce reports whether somebody may log in with it.
func (a Arming) InForce(now time.Time) bool {
	return a.ID != "" && a.EndedAt.IsZero() && !now.Before(a.ArmedAt.Add(-clockSkew)) && now.Before(a.ExpiresAt) &&
		a.ExpiresAt.Sub(a.ArmedAt) <= MaxFor
}

// clockSkew is by how much the host that armed it may be ahead.
const clockSkew = time.Minute

// Identity is who logs in with an arming.
func Identity() identity.Identity {
	return identity.Identity{Kind: identity.BreakGlass, Connector: ConnectorName, Name: Username, Method: identity.MethodPassword}
}

// Arm makes an arming and its password, which is nowhere else.
func Arm(now time.Time, howLong time.Duration, by, reason string, rand io.Reader) (Arming, identity.Secret, error) {
	switch {
	case howLong < MinFor || howLong > MaxFor:
		return Arming{}, identity.Secret{}, fmt.Errorf("--for is %s; it is between %s and %s", howLong, MinFor, MaxFor)
	case strings.TrimSpace(reason) == "":
		return Arming{}, identity.Secret{}, errors.New("--reason is empty; say for the audit log why the directory is not enough")
	case len(reason) > maxReason, !utf8.ValidString(reason), strings.ContainsFunc(reason, unicode.IsControl):
		return Arming{}, identity.Secret{}, fmt.Errorf("--reason has at most %d bytes, on one line", maxReason)
	}
	var random [secretBytes + 8]byte
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		return Arming{}, identity.Secret{}, fmt.Errorf("make a password: %w", err)
	}
	text := SecretPrefix + base64.RawURLEncoding.EncodeToString(random[:secretBytes])
	now = now.UTC().Truncate(time.Millisecond) // as the store keeps it
	return Arming{
		ID: base64.RawURLEncoding.EncodeToString(random[secretBytes:]), Hash: sha256.Sum256([]byte(text)),
		ArmedAt: now, ExpiresAt: now.Add(howLong), By: by, Reason: reason,
	}, identity.NewSecret(text), nil
}
