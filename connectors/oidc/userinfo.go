package oidc

import (
	"context"
	"fmt"
	"mime"
	"net/http"
)

// userinfo asks the userinfo endpoint about the person (OpenID Connect Core 1.0
// section 5.3). Its sub must be that of the ID token (section 5.3.4), else a
// token of one person would be answered with the groups of another.
func (c *Connector) userinfo(ctx context.Context, meta *metadata, accessToken, subject string) (claims, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, meta.UserInfoURL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	status, header, body, err := c.provider.client.do(opUserinfo, req)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return nil, misconfigured("userinfo: %w: it refuses an access token that it issued; check the client's scopes", &statusError{status})
	case status != http.StatusOK:
		return nil, fmt.Errorf("userinfo: %w", &statusError{status})
	}
	if kind, _, err := mime.ParseMediaType(header.Get("Content-Type")); err == nil && kind == "application/jwt" {
		return nil, misconfigured("userinfo: the answer is signed; let the provider send plain JSON for this client")
	}
	info, err := decodeClaims(body)
	if err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	if info["sub"] != subject {
		return nil, misconfigured("userinfo: sub is not that of the ID token; the answer speaks of somebody else and is not used")
	}
	return info, nil
}
