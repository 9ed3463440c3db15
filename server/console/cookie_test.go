package console

import (
	"bytes"
	"encoding/base64"
	"testing"
	"time"

	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

func testSealer(t testing.TB, key byte) sealer {
	t.Helper()
	s, err := newSealer(bytes.Repeat([]byte{key}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeal(t *testing.T) {
	claims := session{
		ID: "c-1", Person: identity.Identity{Kind: identity.User, Connector: "corp", Name: "jürgen", StableID: "42"}, Version: "v", Rechecks: true,
		VerifiedAt: time.UnixMilli(1).UTC(), SeenAt: time.UnixMilli(2).UTC(), FormToken: "token",
	}
	s := testSealer(t, 1)
	first, err := s.seal(claims)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.seal(claims)
	if err != nil || first == second {
		t.Errorf("twice the same: %v", err)
	}
	got, err := s.open(first)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(claims, got); diff != "" {
		t.Error(diff)
	}
	if _, err := testSealer(t, 2).open(first); err == nil {
		t.Error("it opens under another key")
	}
	other := base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, []byte("{}"), []byte("another use")))
	if _, err := s.open(other); err == nil {
		t.Error("what was sealed for another use opens")
	}
	claims.Person.Groups = make([]string, 5000)
	if _, err := s.seal(claims); err == nil {
		t.Error("a session that no browser keeps is sealed")
	}
}

func FuzzOpen(f *testing.F) {
	s := testSealer(f, 1)
	sealed, err := s.seal(session{ID: "c-1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if claims, err := s.open(text); err == nil && claims.ID != "c-1" {
			t.Errorf("%q opens as %+v", text, claims)
		}
	})
}
