package robot

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"drawbridge/identity"
)

// The form is what secret scanners are told to look for, and what is out there: it
// never changes.
func TestTheFormOfASecret(t *testing.T) {
	for _, tt := range []struct {
		random []byte
		want   string
	}{
		{make([]byte, 32), "dbrobot_0000000000000000000000000000000000000000000" + "2xC2hm"},
		{bytes.Repeat([]byte{0xff}, 32), "dbrobot_" + "YHJSKWDa6oz1al1yMhwzwM8llg7hJNUca2J5RoW8xP1" + "13oUXH"},
	} {
		secret, err := newSecret(bytes.NewReader(tt.random))
		if err != nil {
			t.Fatal(err)
		}
		if got := secret.Reveal(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
	scanner := regexp.MustCompile(`^dbrobot_[0-9A-Za-z]{49}$`)
	seen := map[string]bool{}
	for range 1000 {
		secret, err := newSecret(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		text := secret.Reveal()
		hash, ok := hashOf(secret)
		if !scanner.MatchString(text) || seen[text] || !ok || hash != sha256.Sum256([]byte(text)) {
			t.Fatalf("%s: well-formed %v", text, ok)
		}
		seen[text] = true
	}
	if _, err := newSecret(iotest.ErrReader(errors.New("no randomness"))); err == nil {
		t.Error("a secret was made without randomness")
	}
}

// Every single wrong character is a typing mistake, and so are the usual accidents
// of copying.
func TestTypingMistakes(t *testing.T) {
	secret, err := newSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	right := secret.Reveal()
	wrong := []string{
		"", "dbrobot_", right[1:], right[:len(right)-1], right + "0", right + "\n", " " + right, strings.ToUpper(right),
		strings.Replace(right, "dbrobot_", "dbrobot-", 1), right + right, right[:20] + right[21:] + "0",
	}
	for i := range right {
		for _, c := range []byte("0aZ_é") {
			if right[i] != c {
				wrong = append(wrong, right[:i]+string(rune(c))+right[i+1:])
			}
		}
	}
	for _, text := range wrong {
		if _, ok := hashOf(identity.NewSecret(text)); ok {
			t.Errorf("%q is taken for a secret", text)
		}
	}
}

func FuzzHashOf(f *testing.F) {
	f.Add("dbrobot_00000000000000000000000000000000000000000002xC2hm")
	f.Add("dbrobot_")
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := hashOf(identity.NewSecret(text)); ok && len(text) != 57 {
			t.Errorf("%q is taken for a secret", text)
		}
	})
}
