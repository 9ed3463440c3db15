package identity

import "log/slog"

// Credential is what a caller showed at the token endpoint.
type Credential struct {
	// Username is the name as it was typed. It is not trustworthy and, since
	// people type passwords into the username field, not logged above debug.
	Username string
	// Password is what came with it.
	Password Secret
	// Address is where the caller is, for limits; empty when unknown.
	Address string
	// Fresh asks that the backend itself looks at the credential now, and that
	// nothing remembered stands in for it: what begins here lasts for weeks.
	Fresh bool
}

const redacted = "[redacted]"

// Secret is a string that no formatter, logger or encoder prints.
type Secret struct{ text string }

// NewSecret wraps the text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text.
func (s Secret) Reveal() string { return s.text }

// Empty reports whether there is no text.
func (s Secret) Empty() bool { return s.text == "" }

// String implements fmt.Stringer without the text.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer without the text.
func (s Secret) GoString() string { return redacted }

// LogValue implements slog.LogValuer without the text.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler without the text, which covers
// JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Secret) UnmarshalText(text []byte) error {
	s.text = string(text)
	return nil
}
