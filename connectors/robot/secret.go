package robot

import (
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"strings"

	"drawbridge/identity"
)

// SecretPrefix begins every secret, for people and for programs that look for
// secrets in the wrong places.
const SecretPrefix = "dbrobot_"

// The parts of a secret after the prefix.
const (
	secretBytes = 32 // of randomness
	bodyLen     = 43 // characters that hold them in base 62
	checksumLen = 6  // characters that hold a CRC-32
	base62      = 62
)

// Hash is the SHA-256 of a secret's text.
type Hash [sha256.Size]byte

// newSecret makes a secret.
func newSecret(rand io.Reader) (identity.Secret, error) {
	var random [secretBytes]byte
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		return identity.Secret{}, fmt.Errorf("make a robot's secret: %w", err)
	}
	body := SecretPrefix + digits(new(big.Int).SetBytes(random[:]), bodyLen)
	return identity.NewSecret(body + checksum(body)), nil
}

func checksum(body string) string {
	return digits(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(body)))), checksumLen)
}

// digits writes n in base 62 with leading zeros.
func digits(n *big.Int, length int) string {
	text := n.Text(base62)
	return strings.Repeat("0", length-len(text)) + text
}

// hashOf returns the hash by which a secret is found, and false for a text that is
// none of ours or has a typing mistake.
func hashOf(secret identity.Secret) (Hash, bool) {
	text := secret.Reveal()
	if len(text) != len(SecretPrefix)+bodyLen+checksumLen || !strings.HasPrefix(text, SecretPrefix) {
		return Hash{}, false
	}
	body, sum := text[:len(text)-checksumLen], text[len(text)-checksumLen:]
	return sha256.Sum256([]byte(text)), checksum(body) == sum
}
