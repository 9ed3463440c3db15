package console

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"drawbridge/identity"
)

const (
	// The prefix has browsers refuse the cookie unless it is Secure, of the whole
	// host and set by the host itself (RFC 6265bis section 4.1.3.2), so that nobody
	// on a sibling domain can plant a session.
	sessionCookie = "__Host-drawbridge"
	// sealedFor is authenticated with each session: what is sealed under the same
	// key for another use does not open as one.
	sealedFor = "drawbridge console session, version 1"
	// maxCookie is what browsers keep.
	maxCookie = 4096
)

// session is what the cookie says. Nothing in it is a right.
type session struct {
	// ID names the session in audit events and revocations.
	ID string `json:"id"`
	// Person is without groups, which are asked for anew, and could be too many.
	Person identity.Identity `json:"person"`
	// Version is the connector's word for which password was proved, where Rechecks.
	Version  string `json:"version,omitempty"`
	Rechecks bool   `json:"rechecks,omitempty"`
	// VerifiedAt is when the verification began that the sign-in rests on.
	VerifiedAt time.Time `json:"verified_at"`
	SeenAt     time.Time `json:"seen_at"`
	// FormToken is in every form of the session's pages.
	FormToken string `json:"form_token"`
}

// errNoSession is for a request that shows no session, or none that is ours.
var errNoSession = errors.New("no session")

// sealer seals sessions. It is made anew for each request, since the key follows
// the signing authority.
type sealer struct{ aead cipher.AEAD }

func newSealer(key []byte) (sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead}, err
}

func (s sealer) seal(claims session) (string, error) {
	plain, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	sealed := s.aead.Seal(nil, nil, plain, []byte(sealedFor)) // #nosec G407 -- this AEAD draws its own nonce and wants none
	text := base64.RawURLEncoding.EncodeToString(sealed)
	if len(text) > maxCookie-len(sessionCookie)-100 {
		return "", errors.New("the session is too long for a cookie")
	}
	return text, nil
}

func (s sealer) open(text string) (claims session, err error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return session{}, errNoSession
	}
	plain, err := s.aead.Open(nil, nil, sealed, []byte(sealedFor))
	if err != nil {
		return session{}, errNoSession
	}
	if err := json.Unmarshal(plain, &claims); err != nil {
		return session{}, errNoSession
	}
	return claims, nil
}

// setCookie sets a cookie as the prefix __Host- demands. Empty removes it.
func setCookie(w http.ResponseWriter, name, value string) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
