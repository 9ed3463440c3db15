package console

import (
	"crypto/subtle"
	"errors"
	"mime"
	"net/http"
	"strings"

	"drawbridge/identity"
)

// formToken is the field that every form has.
const formToken = "form_token"

// checkForm reads the form and refuses one without the token: the second line
// behind the check of the origin, which lets clients pass that tell no origin.
func (v *visit) checkForm(want string) error {
	if kind, _, err := mime.ParseMediaType(v.r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return &identity.Error{Kind: identity.Invalid, Message: "Send this as a form (application/x-www-form-urlencoded)."}
	}
	if err := v.r.ParseForm(); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return &identity.Error{Kind: identity.TooLarge, Message: "The form is too large for the console. Save a document of this size with `drawbridge policy apply`.", Err: err}
		}
		return &identity.Error{Kind: identity.Invalid, Message: "The form cannot be read.", Err: err}
	}
	if got := v.r.PostForm.Get(formToken); want == "" || subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return &identity.Error{
			Kind:    identity.Forbidden,
			Message: "This form was not sent from a page of your session, so nothing was changed. Open the page again and repeat what you did.",
		}
	}
	return nil
}

// field returns a value of the form.
func (v *visit) field(name string) string { return strings.TrimSpace(v.r.PostForm.Get(name)) }

// text returns a value of the form with the line ends of a Unix file: browsers send
// CRLF whatever was there before (HTML, "constructing the entry list").
func (v *visit) text(name string) string {
	return strings.ReplaceAll(v.r.PostForm.Get(name), "\r\n", "\n")
}

// query returns a parameter of the URL.
func (v *visit) query(name string) string { return strings.TrimSpace(v.r.URL.Query().Get(name)) }

// listed splits what was typed one a line.
func listed(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}
