package sessions

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"drawbridge/identity"
)

func TestTokenForms(t *testing.T) {
	for rotating, form := range map[bool]string{false: `^dbrt_[0-9A-Za-z]{49}$`, true: `^dbrt_[0-9A-Za-z]{92}$`} {
		token, err := newToken(rand.Reader, rotating)
		if err != nil {
			t.Fatal(err)
		}
		text := token.text().Reveal()
		if !regexp.MustCompile(form).MatchString(text) {
			t.Errorf("rotating %v: %q does not look like %s", rotating, text, form)
		}
		back, err := parse(identity.NewSecret(text))
		if err != nil || back != token {
			t.Errorf("rotating %v: read back as another token: %v", rotating, err)
		}
		if (token.generationHash() == "") == rotating {
			t.Errorf("rotating %v: generation %q", rotating, token.generationHash())
		}
		if printed := fmt.Sprintf("%v %+v %#v %x %s", token, token, &token, token, token.text()); strings.Contains(printed, text[10:20]) {
			t.Errorf("the token prints as %s", printed)
		}
	}
}

// The format is a contract with tokens that lie in people's files.
func TestTokenIsStable(t *testing.T) {
	seed := bytes.NewReader(bytes.Repeat([]byte{7}, 64))
	token, err := newToken(seed, true)
	if err != nil {
		t.Fatal(err)
	}
	const want = "dbrt_1FjJKKPE9pItW9ksULa8gHCT30VzZ4hPDq5C5B9Cpf11FjJKKPE9pItW9ksULa8gHCT30VzZ4hPDq5C5B9Cpf12GcmNP"
	if got := token.text().Reveal(); got != want {
		t.Errorf("got %s", got)
	}
	if got, want := token.sessionHash(), Hash("rbLL_ykFjYXbwlwWVcJakorIcasimTZOy-5Z08LpK7Q"); got != want {
		t.Errorf("the hash is %s", got)
	}
	if next, err := token.next(bytes.NewReader(bytes.Repeat([]byte{8}, 32))); err != nil || next.sessionHash() != token.sessionHash() || next.generationHash() == token.generationHash() {
		t.Errorf("the next generation: %v", err)
	}
}

func TestSmallNumbersKeepTheirWidth(t *testing.T) {
	token, err := newToken(bytes.NewReader(make([]byte, 64)), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parse(token.text()); err != nil {
		t.Error(err)
	}
}

func TestParseRefuses(t *testing.T) {
	token, err := newToken(rand.Reader, false)
	if err != nil {
		t.Fatal(err)
	}
	good := token.text().Reveal()
	for name, text := range map[string]string{
		"empty": "", "the prefix alone": Prefix, "a password": "hunter2", "no prefix": good[len(Prefix):],
		"torn": good[:len(good)-1], "longer": good + "0", "a space": good + " ", "another prefix": "dbr_" + good[len(Prefix):],
		"a changed character": strings.Replace(good, good[20:21], string('0'+(good[20]-'0'+1)%10), 1),
		"not ASCII":           good[:20] + "é" + good[22:], "a NUL": good[:20] + "\x00" + good[21:],
		"long": Prefix + strings.Repeat("a", 1<<20),
	} {
		if _, err := parse(identity.NewSecret(text)); !errors.Is(err, errNoToken) {
			t.Errorf("%s is taken for a token: %v", name, err)
		}
	}
}

// A source of randomness that runs dry makes no token.
func TestNoRandomnessNoToken(t *testing.T) {
	for have := range 64 {
		if _, err := newToken(bytes.NewReader(make([]byte, have)), true); err == nil {
			t.Fatalf("a token of %d bytes", have)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, rotating := range []bool{false, true} {
		token, err := newToken(rand.Reader, rotating)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(token.text().Reveal())
	}
	f.Add("")
	f.Add(Prefix + strings.Repeat("0", 49))
	f.Fuzz(func(t *testing.T, text string) {
		token, err := parse(identity.NewSecret(text))
		if err != nil {
			return
		}
		if got := token.text().Reveal(); got != text {
			t.Errorf("%q was read as %q", text, got)
		}
		if len(text) >= 1<<10 || token.sessionHash() == "" {
			t.Errorf("%q was taken", text)
		}
	})
}
