package sessions

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"strings"

	"drawbridge/identity"
)

// Prefix begins every refresh token. It is ours alone, so that secret scanners can
// look for dbrt_[0-9A-Za-z]{49} and dbrt_[0-9A-Za-z]{92}.
const Prefix = "dbrt_"

const (
	idBytes     = 16 // 128 bits
	idText      = 22 // characters of base 62 for 128 bits
	secretBytes = 32 // 256 bits
	secretText  = 43 // characters of base 62 for 256 bits
	checkText   = 6  // characters of base 62 for 32 bits
	base        = 62
)

// Hash is SHA-256 of a token's part in the URL-safe base64 alphabet; empty stands
// for no such part.
type Hash string

// Is compares in constant time.
func (h Hash) Is(other Hash) bool { return subtle.ConstantTimeCompare([]byte(h), []byte(other)) == 1 }

// token is a refresh token in its parts.
type token struct {
	session    identity.Secret
	generation identity.Secret // empty where the session does not rotate
}

// Format implements fmt.Formatter without the secrets, which fmt would print: it
// calls no method of a field that is not exported.
func (token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// errNoToken is all that is said of a text that is no token: it may be a password
// that was typed in the wrong place.
var errNoToken = errors.New("this is no refresh token")

// newToken draws a token, of a rotating session where rotating is set.
func newToken(rand io.Reader, rotating bool) (token, error) {
	session, err := newSecret(rand)
	if err != nil || !rotating {
		return token{session: session}, err
	}
	return token{session: session}.next(rand)
}

// next draws the following generation.
func (t token) next(rand io.Reader) (token, error) {
	var err error
	t.generation, err = newSecret(rand)
	return t, err
}

// newID draws a session's ID. Base 62 has no dash, with which a command line would
// take it for a flag.
func newID(rand io.Reader) (string, error) {
	var raw [idBytes]byte
	if _, err := io.ReadFull(rand, raw[:]); err != nil {
		return "", fmt.Errorf("make a session ID: %w", err)
	}
	return base62(new(big.Int).SetBytes(raw[:]), idText), nil
}

func newSecret(rand io.Reader) (identity.Secret, error) {
	var raw [secretBytes]byte
	if _, err := io.ReadFull(rand, raw[:]); err != nil {
		return identity.Secret{}, fmt.Errorf("make a refresh token: %w", err)
	}
	return identity.NewSecret(base62(new(big.Int).SetBytes(raw[:]), secretText)), nil
}

// parse reads what a client shows. It knows only the form; whether the token was
// ever issued is the store's to say.
func parse(shown identity.Secret) (token, error) {
	text, ok := strings.CutPrefix(shown.Reveal(), Prefix)
	if !ok || len(text) != secretText+checkText && len(text) != 2*secretText+checkText {
		return token{}, errNoToken
	}
	if strings.ContainsFunc(text, notBase62) {
		return token{}, errNoToken
	}
	secrets, check := text[:len(text)-checkText], text[len(text)-checkText:]
	if check != checksum(secrets) {
		return token{}, errNoToken
	}
	return token{identity.NewSecret(secrets[:secretText]), identity.NewSecret(secrets[secretText:])}, nil
}

// text is the token as a client stores it.
func (t token) text() identity.Secret {
	secrets := t.session.Reveal() + t.generation.Reveal()
	return identity.NewSecret(Prefix + secrets + checksum(secrets))
}

// sessionHash finds the session.
func (t token) sessionHash() Hash { return hash(t.session) }

// generationHash tells one generation of the session from another.
func (t token) generationHash() Hash { return hash(t.generation) }

func hash(secret identity.Secret) Hash {
	if secret.Empty() {
		return ""
	}
	sum := sha256.Sum256([]byte(secret.Reveal()))
	return Hash(base64.RawURLEncoding.EncodeToString(sum[:]))
}

// checksum guards against torn and mistyped tokens. It is no secret: whoever
// guesses can compute it.
func checksum(secrets string) string {
	sum := crc32.ChecksumIEEE([]byte(Prefix + secrets))
	return base62(new(big.Int).SetUint64(uint64(sum)), checkText)
}

// base62 writes the number with leading zeros up to the width.
func base62(n *big.Int, width int) string {
	text := n.Text(base)
	return strings.Repeat("0", width-len(text)) + text
}

func notBase62(r rune) bool {
	switch {
	case '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
		return false
	}
	return true
}
