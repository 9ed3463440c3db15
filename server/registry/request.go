package registry

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"drawbridge/authz"
	"drawbridge/bridge"
	"drawbridge/identity"
)

// Limits on one request. What is over them is answered 4xx before any work.
const (
	maxBody        = 64 << 10 // bytes of a POST form
	maxScopes      = 100      // resources asked for in one request
	maxScopeLength = 2 << 10  // bytes of one scope
	maxField       = 1 << 10  // bytes of service, client_id, account
)

// The two grant types of the OAuth2 variant.
const (
	grantPassword = "password"
	grantRefresh  = "refresh_token"
)

// rotationField is ours: a client that takes a new refresh token at each use says so
// when it asks for the first one.
const rotationField = "refresh_token_rotation"

// parse reads a token request of either method. tokenUsernames are the usernames
// that mean "the password is a refresh token".
func parse(w http.ResponseWriter, r *http.Request, tokenUsernames []string) (bridge.Request, error) {
	form, err := fields(w, r)
	if err != nil {
		return bridge.Request{}, err
	}
	req := bridge.Request{
		Service:   form.Get("service"),
		ClientID:  form.Get("client_id"),
		Offline:   form.Get("offline_token") == "true", // the GET's word
		Rotating:  form.Get(rotationField) == "true",
		UserAgent: r.UserAgent(),
	}
	if r.Method == http.MethodPost {
		req.Offline = form.Get("access_type") == "offline"
	}
	for name, value := range map[string]string{"service": req.Service, "client_id": req.ClientID} {
		if len(value) > maxField {
			return req, invalid("The field %q is longer than %d bytes.", name, maxField)
		}
	}
	if req.Scopes, err = scopes(form["scope"]); err != nil {
		return req, err
	}
	if r.Method == http.MethodPost {
		err = formCredential(r, &req)
	} else {
		err = basicCredential(r, &req)
	}
	if err != nil {
		return req, err
	}
	if slices.Contains(tokenUsernames, req.Credential.Username) {
		req.RefreshToken, req.Credential = req.Credential.Password, identity.Credential{}
		if req.RefreshToken.Empty() { // and not the anonymous caller
			return req, &identity.Error{
				Kind: identity.Unauthenticated, Message: "The identity token is empty; log in again with your password.",
			}
		}
	}
	return req, nil
}

// fields returns the query of a GET and the form of a POST. A POST's query is
// not read: a password in a URL ends up in somebody's access log.
func fields(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		form, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, invalid("The query string is malformed; encode it as application/x-www-form-urlencoded.")
		}
		return form, nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, invalid("Send the form as Content-Type application/x-www-form-urlencoded.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, &identity.Error{
				Kind: identity.TooLarge, Message: fmt.Sprintf("The request body is larger than %d bytes.", maxBody),
			}
		}
		return nil, invalid("The form is malformed; encode it as application/x-www-form-urlencoded.")
	}
	return r.PostForm, nil
}

// scopes bounds what the parser has to look at, then parses.
func scopes(values []string) ([]authz.Scope, error) {
	count := 0
	for _, value := range values {
		for one := range strings.FieldsSeq(value) {
			if count++; count > maxScopes {
				return nil, invalid("More than %d scopes are asked for in one request.", maxScopes)
			}
			if len(one) > maxScopeLength {
				return nil, invalid("A scope is longer than %d bytes.", maxScopeLength)
			}
		}
	}
	return authz.ParseScopes(values), nil
}

// basicCredential reads HTTP Basic (RFC 7617). Empty username and password
// together are the anonymous caller; an empty username alone marks a refresh
// token, which is what containerd sends after a failed POST.
func basicCredential(r *http.Request, req *bridge.Request) error {
	if r.Header.Get("Authorization") == "" {
		return nil
	}
	username, password, ok := r.BasicAuth()
	if !ok {
		return &identity.Error{
			Kind:    identity.Unauthenticated,
			Message: "The Authorization header is not HTTP Basic; send a username and a password.",
		}
	}
	setPassword(req, username, password)
	return nil
}

// formCredential reads the OAuth2 form. Some clients send the form without a
// grant type and the credential as HTTP Basic; that is accepted.
func formCredential(r *http.Request, req *bridge.Request) error {
	form := r.PostForm
	switch form.Get("grant_type") {
	case grantPassword:
		setPassword(req, form.Get("username"), form.Get("password"))
	case grantRefresh:
		req.RefreshToken = identity.NewSecret(form.Get("refresh_token"))
		if req.RefreshToken.Empty() {
			return invalid("The form has no refresh_token.")
		}
	case "":
		if r.Header.Get("Authorization") == "" {
			return invalid("The form has no grant_type; use password or refresh_token.")
		}
		return basicCredential(r, req)
	default:
		return &identity.Error{
			Kind:    identity.Unsupported,
			Message: "This grant_type is not supported; use password or refresh_token.",
		}
	}
	return nil
}

func setPassword(req *bridge.Request, username, password string) {
	switch {
	case username == "" && password == "":
		// Anonymous: docker sends "Og==" for an empty auth entry.
	case username == "":
		req.RefreshToken = identity.NewSecret(password)
	default:
		req.Credential = identity.Credential{Username: username, Password: identity.NewSecret(password)}
	}
}

func invalid(format string, args ...any) error {
	return &identity.Error{Kind: identity.Invalid, Message: fmt.Sprintf(format, args...)}
}
