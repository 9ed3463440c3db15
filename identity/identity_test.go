package identity_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestStringIsTheQualifiedName(t *testing.T) {
	for _, tt := range []struct {
		id   identity.Identity
		want string
	}{
		{identity.Identity{}, ""},
		{identity.Identity{Kind: identity.User, Connector: "corp", Name: "alice"}, "corp/alice"},
		{identity.Identity{Kind: identity.Robot, Name: "ci"}, "robot:ci"},
		{identity.Identity{Name: "a name without a kind is nobody"}, ""},
	} {
		if got := tt.id.String(); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.id, got, tt.want)
		}
	}
}

func TestNormalizeGroups(t *testing.T) {
	got := identity.NormalizeGroups([]string{"b", "", "a", "b"})
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	const text = "hunter2"
	cred := identity.Credential{Username: "alice", Password: identity.NewSecret(text)}
	asJSON, err := json.Marshal(cred)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(cred)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		fmt.Sprint(cred), fmt.Sprintf("%+v %#v %s %q", cred, cred, cred.Password, cred.Password),
		string(asJSON), string(asYAML), cred.Password.LogValue().String(),
	} {
		if strings.Contains(out, text) {
			t.Errorf("the secret is in %q", out)
		}
	}
	if cred.Password.Reveal() != text {
		t.Error("Reveal does not return the text")
	}
}

func TestAsErrorHidesWhatNobodyClassified(t *testing.T) {
	cause := errors.New("dial tcp 10.0.0.1:636: refused")
	got := identity.AsError(cause)
	if got.Kind != identity.Internal || strings.Contains(got.Message, "10.0.0.1") {
		t.Errorf("got %+v", got)
	}
	if !errors.Is(got, cause) {
		t.Error("the cause is lost")
	}
	known := &identity.Error{Kind: identity.TooLarge, Message: "Too large."}
	if identity.AsError(fmt.Errorf("wrapped: %w", known)) != known {
		t.Error("a classified error is not found through wrapping")
	}
}

func TestUsernamePattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, username string
		want              bool
	}{
		{"", "anyone", true},
		{"*", "", true},
		{"*@example.com", "bob@example.com", true},
		{"*@example.com", "bob@EXAMPLE.com", true},
		{"*@example.com", "bob@example.com.evil", false},
		{"*@example.com", "bob", false},
		{"svc-*-ci", "svc-a-ci", true},
		{"svc-*-ci", "svc-ci", false},
		{"svc-*-ci", "svc--ci", true},
		{"alice", "Alice", true},
		{"alice", "alice2", false},
		{"a*b*c", "aXbXbXc", true},
		{strings.Repeat("a*", 50) + "b", strings.Repeat("a", 1000), false},
	} {
		p, err := identity.ParseUsernamePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(tt.username); got != tt.want {
			t.Errorf("%q matches %q: got %v", tt.pattern, tt.username, got)
		}
	}
	for _, bad := range []string{" *", "*\n", "a\x00b"} {
		if _, err := identity.ParseUsernamePattern(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestUsernamePatternDisjoint(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"*@example.com", "*@example.org", true},
		{"*@example.com", "*", false},
		{"*@example.com", "", false},
		{"svc-*", "user-*", true},
		{"svc-*", "*-ci", false},
		{"*@example.com", "*.com", false},
		{"alice", "bob", true},
		{"alice", "a*", false},
		{"alice", "b*", true},
	} {
		a, _ := identity.ParseUsernamePattern(tt.a)
		b, _ := identity.ParseUsernamePattern(tt.b)
		if got := a.Disjoint(b); got != tt.want || b.Disjoint(a) != got {
			t.Errorf("%q and %q: got %v, want %v both ways", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST.": true, "registry.localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "localhost.example.com": false, "notlocalhost": false, "10.0.0.1": false, "128.0.0.1": false, "::2": false, "0.0.0.0": false,
	} {
		if got := identity.Loopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "Jürgen Müller, 東京": "Jürgen Müller, 東京", "a\x1b[2Kb": "a?[2Kb", "x\r\ny\tz": "x??y?z", "\u202eevil\u009b": "?evil?", "line\u2028two": "line?two",
	} {
		if got := identity.Printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
