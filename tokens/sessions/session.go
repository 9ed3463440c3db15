package sessions

import (
	"strings"
	"time"

	"drawbridge/identity"
)

// Session is a login that lasts. It is what the store keeps, `session list` shows
// and a refresh needs.
type Session struct {
	// ID names the session in access tokens (sid), audit events and commands. It
	// is no secret and opens nothing.
	ID string `json:"id"`
	// Person is as the connector last described them. No right follows from it:
	// each use asks the connector again.
	Person identity.Identity `json:"person"`
	// Service is the only registry that the session is good for.
	Service string `json:"service"`
	// ClientID is what the client called itself at the login.
	ClientID string `json:"client_id,omitempty"`
	// Method is how the person proved at the login who they are.
	Method identity.Method `json:"method"`
	// Rotating says that the client takes a new refresh token at each use.
	Rotating bool `json:"rotating,omitempty"`

	// CreatedAt is when the verification of the login began.
	CreatedAt time.Time `json:"created_at"`
	// LastUsedAt is exact to a minute; at first it is CreatedAt.
	LastUsedAt time.Time `json:"last_used_at"`
	// ExpiresAt is when the session is over, however much it is used.
	ExpiresAt time.Time `json:"expires_at"`

	// Address and UserAgent are those of the login.
	Address   string `json:"address,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	// LastAddress and LastClientID are those of the last use.
	LastAddress  string `json:"last_address,omitempty"`
	LastClientID string `json:"last_client_id,omitempty"`

	// CredentialVersion is the connector's word for which password was proved. It
	// is shown to nobody.
	CredentialVersion string `json:"-"`

	// RevokedAt is when the session was ended; zero while it is not.
	RevokedAt     time.Time `json:"revoked_at,omitzero"`
	RevokedReason string    `json:"revoked_reason,omitempty"`
	// RevokedBy is who ended it; empty when Drawbridge did.
	RevokedBy string `json:"revoked_by,omitempty"`

	// Token is what is known of the refresh token. It is shown to nobody.
	Token TokenState `json:"-"`
}

// TokenState is what the store keeps of a refresh token.
type TokenState struct {
	// Session is the hash that finds the session.
	Session Hash
	// Current is the hash of the generation that is good now, Previous that of
	// the one it replaced, at RotatedAt. All are empty where nothing rotates.
	Current, Previous Hash
	RotatedAt         time.Time
}

// Live reports whether the session is neither over nor revoked.
func (s *Session) Live(now time.Time) bool { return s.RevokedAt.IsZero() && now.Before(s.ExpiresAt) }

// Bounds on what a session keeps of what others write, in bytes or entries.
const (
	maxClientID  = 128
	maxAddress   = 64
	maxUserAgent = 256
	maxMail      = 256
	// maxGroups keeps a row small for people in thousands of groups. What is cut
	// off is shown to nobody; decisions are made with what the connector says.
	maxGroups = 200
)

// MaxReason bounds an administrator's own words for an [End], in bytes.
const MaxReason = 256

// clip bounds a text that somebody else chose, and leaves whole characters.
func clip(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "")
}

// kept returns the person as a session keeps them.
func kept(who identity.Identity) identity.Identity {
	who.Mail = clip(who.Mail, maxMail)
	if len(who.Groups) > maxGroups {
		who.Groups = who.Groups[:maxGroups:maxGroups]
	}
	return who
}

// End is the end of a session before its time.
type End struct {
	At time.Time
	// Reason is a [Reason] or an administrator's own words.
	Reason string
	// By is who ended it, as audit events name an actor; empty is Drawbridge.
	By string
}

// Use is one use of a session, to be recorded.
type Use struct {
	ID                string
	At                time.Time
	Address, ClientID string
	// Person is as the connector described them at this use.
	Person identity.Identity
}

// Filter chooses sessions; its zero value is all live ones.
type Filter struct {
	// Subject is the qualified name, corp/alice; empty is everybody.
	Subject string
	// Ended includes those that are over or revoked and not yet forgotten.
	Ended bool
	// Service is a registry; empty is all.
	Service string
	// After continues a list behind one of its sessions; nil is from the beginning.
	After *Place
	// Limit bounds the answer; zero is no bound.
	Limit int
}

// Place is where a session stands in a list, also when it is no longer there.
type Place struct {
	Subject   string    `json:"s"`
	CreatedAt time.Time `json:"c"`
	ID        string    `json:"i"`
}

// Place returns the session's.
func (s *Session) Place() *Place { return &Place{s.Person.String(), s.CreatedAt, s.ID} }
