package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"drawbridge/connectors"
	"drawbridge/identity"
)

// tokenResponse is the answer of the token endpoint, good (RFC 6749 section 5.1)
// or not (section 5.2).
type tokenResponse struct {
	IDToken     string `json:"id_token"`
	AccessToken string `json:"access_token"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// passwordGrant sends the credential to the provider, once. net/http does not
// repeat a POST whose request was written.
func (c *Connector) passwordGrant(ctx context.Context, meta *metadata, cred identity.Credential) (*tokenResponse, error) {
	req, err := c.tokenRequest(ctx, meta, cred)
	if err != nil {
		return nil, err
	}
	status, _, body, err := c.provider.client.do(opToken, req)
	if err != nil {
		return nil, err
	}
	// The body may hold tokens, so it is in no error, nor is the decoder's.
	var answer tokenResponse
	if json.Unmarshal(body, &answer) != nil {
		return nil, fmt.Errorf("the token endpoint answered HTTP status %d: %w", status, errNotJSON)
	}
	if status != http.StatusOK || answer.Error != "" {
		return nil, c.refusal(status, &answer, cred)
	}
	if answer.IDToken == "" {
		return nil, misconfigured("the token endpoint issued no ID token; is openid among the scopes, and the client an OpenID Connect one?")
	}
	return &answer, nil
}

// tokenRequest makes the request of RFC 6749 section 4.3.2 with the client
// authentication that the provider supports.
func (c *Connector) tokenRequest(ctx context.Context, meta *metadata, cred identity.Credential) (*http.Request, error) {
	form := url.Values{
		"grant_type": {"password"},
		"username":   {cred.Username},
		"password":   {cred.Password.Reveal()},
		"scope":      {strings.Join(c.scopes, " ")},
	}
	basic := false
	switch methods := meta.AuthMethods; {
	case c.secret.Empty(): // a public client
		form.Set("client_id", c.clientID)
	case len(methods) == 0 || slices.Contains(methods, "client_secret_basic"):
		basic = true
	case slices.Contains(methods, "client_secret_post"):
		form.Set("client_id", c.clientID)
		form.Set("client_secret", c.secret.Reveal())
	default:
		return nil, misconfigured("the provider authenticates clients by %q only; client_secret_basic or client_secret_post is needed", methods)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, meta.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic { // form-encoded first: RFC 6749 section 2.3.1
		req.SetBasicAuth(url.QueryEscape(c.clientID), url.QueryEscape(c.secret.Reveal()))
	}
	return req, nil
}

// refusal turns an error of the token endpoint into ours. Only codes that are
// known to speak of the person deny; see the table in the package comment.
func (c *Connector) refusal(status int, answer *tokenResponse, cred identity.Credential) error {
	said := fmt.Sprintf("the token endpoint answered HTTP status %d, error %q: %q",
		status, c.scrub(answer.Error, cred), c.scrub(answer.Description, cred))
	if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
		return errors.New(said)
	}
	switch answer.Error {
	case "invalid_grant":
		return invalidGrant(answer.Description, said)
	case "access_denied": // Dex's word for a wrong password
		return denied(connectors.UnknownOrWrong)
	case "interaction_required", "mfa_required", "login_required":
		return denied(connectors.InteractionNeeded)
	case "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "consent_required":
		return misconfigured("%s", said)
	}
	return errors.New(said)
}

// invalidGrant finds out what providers mean by it beside a wrong password. Only
// the beginning of the description counts: the rest may hold the username, with
// which a caller could choose the outcome.
func invalidGrant(description, said string) error {
	if code, ok := strings.CutPrefix(description, "AADSTS"); ok { // Entra ID
		code, _, _ = strings.Cut(code, ":")
		switch code {
		case "50072", "50074", "50076", "50079", "50158", "53003":
			return denied(connectors.InteractionNeeded)
		case "50053":
			return denied(connectors.AccountLocked)
		case "50055":
			return denied(connectors.PasswordExpired)
		case "50057":
			return denied(connectors.AccountDisabled)
		case "65001":
			return misconfigured("%s", said)
		}
	}
	switch description { // Keycloak
	case "Account is not fully set up":
		return denied(connectors.InteractionNeeded)
	case "Account disabled":
		return denied(connectors.AccountDisabled)
	case "Account temporarily disabled":
		return denied(connectors.AccountLocked)
	}
	return denied(connectors.UnknownOrWrong)
}

// maxSaid bounds how much of a provider's text gets into a log, in bytes.
const maxSaid = 200

// scrub takes what is secret out of a provider's text and shortens it. Providers
// quote the username, and people type passwords into that field.
func (c *Connector) scrub(text string, cred identity.Credential) string {
	for _, secret := range []string{cred.Password.Reveal(), cred.Username, c.secret.Reveal()} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "...")
		}
	}
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "") + "..."
	}
	return text
}
