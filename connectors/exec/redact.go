package exec

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"drawbridge/identity"
)

const redacted = "[redacted]"

// redactor removes one credential's password from a text, in the forms in which
// a program most likely lets it slip: as it is, line by line, as JSON, as base64
// and as the value of a Basic authorization (RFC 7617), which curl -v prints.
type redactor struct{ replacer *strings.Replacer }

func newRedactor(cred identity.Credential) redactor {
	password := cred.Password.Reveal()
	if password == "" {
		return redactor{strings.NewReplacer()}
	}
	forms := []string{
		password,
		base64.StdEncoding.EncodeToString([]byte(password)),
		base64.StdEncoding.EncodeToString([]byte(cred.Username + ":" + password)),
	}
	if quoted, err := json.Marshal(password); err == nil {
		forms = append(forms, strings.Trim(string(quoted), `"`))
	}
	forms = append(forms, strings.FieldsFunc(password, func(r rune) bool { return r == '\n' || r == '\r' })...)
	forms = slices.DeleteFunc(forms, func(f string) bool { return f == "" })
	// The longest first: a part that is replaced before the whole leaves a rest.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, redacted)
	}
	return redactor{strings.NewReplacer(pairs...)}
}

func (r redactor) redact(text string) string {
	if r.replacer == nil {
		return text
	}
	return r.replacer.Replace(text)
}

// clip makes a text of a program fit for the log: printable and bounded.
func clip(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "..."
}
