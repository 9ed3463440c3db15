package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"drawbridge/bridge/manage"
	"drawbridge/identity"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"

	"github.com/danielgtaylor/huma/v2"
)

const tokenPath = basePath + "/token"

// Keys signs tokens and verifies them; tokens.Keys is one.
type Keys interface {
	Mint(service string, c tokens.Claims) (string, error)
	Verify(token string) (tokens.Claims, error)
}

// Revocations knows which tokens were revoked; revocation.List is one.
type Revocations interface {
	Check(c tokens.Claims) error
}

// Bearer makes and reads the tokens of the administration. They are access tokens
// for an audience that no registry has, and grant nothing there; a registry's is
// none of them. All fields are required.
type Bearer struct {
	Keys        Keys
	Revocations Revocations
	// Audience and Issuer are in every token, as Audience and Issuer make them.
	Audience, Issuer string
	TTL              time.Duration
	NewID            func() string
	Clock            func() time.Time
}

// bearerOf returns the token of a request that has one (RFC 6750 section 2.1).
func bearerOf(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// enter lets in who shows a token. Whose it is has the rights of now and not of
// when it was made.
func (b *Bearer) enter(ctx context.Context, door *manage.Door, a manage.Actor, token string) (manage.Actor, error) {
	refused := &identity.Error{
		Kind: identity.Unauthenticated, Message: "The token is not good for the administration, or not any more; get another one at " + tokenPath + ".",
	}
	claims, err := b.Keys.Verify(token)
	switch {
	case err != nil && identity.AsError(err).Kind == identity.Unavailable:
		return a, err
	case err != nil, claims.Audience != b.Audience, claims.Issuer != b.Issuer, len(claims.Access) > 0:
		return a, refused
	}
	err = b.Revocations.Check(claims)
	if _, revoked := errors.AsType[*revocation.RevokedError](err); revoked {
		return a, refused
	}
	if err != nil {
		return a, &identity.Error{
			Kind: identity.Unavailable, Message: "It is not known at the moment what was revoked. Try again in a few seconds.", Err: err,
		}
	}
	who, err := manage.ParseWho(claims.Subject)
	if err != nil {
		return a, refused
	}
	return door.Return(ctx, a, who)
}

// mint makes a token for the actor, who has just shown the password.
func (b *Bearer) mint(a manage.Actor) (text string, claims tokens.Claims, err error) {
	now := b.Clock()
	claims = tokens.Claims{
		Issuer: b.Issuer, Audience: b.Audience, Subject: a.Name, ID: b.NewID(), IssuedAt: now, TTL: b.TTL, AuthTime: now,
	}
	if !a.VerifiedAt.IsZero() {
		claims.AuthTime = a.VerifiedAt // may be remembered, from before a revocation
	}
	text, err = b.Keys.Mint(b.Audience, claims)
	return text, claims, err
}

// tokenAnswer is that of RFC 6749 section 5.1.
type tokenAnswer struct {
	Body struct {
		AccessToken string `json:"access_token" doc:"Show it as Authorization: Bearer."`
		TokenType   string `json:"token_type" enum:"Bearer"`
		ExpiresIn   int64  `json:"expires_in" doc:"Seconds."`
		ID          string `json:"jti" doc:"By which it can be revoked."`
	}
}

func (h *Handler) registerToken(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "make-token", Method: http.MethodPost, Path: tokenPath, Tags: []string{"Access"},
		Summary:     "A short-lived token to show instead of the password",
		Description: "It has the rights that its owner has at each use. POST /oauth2/revoke ends it before its time.",
		Security:    []map[string][]string{{"basic": {}}},
	}, func(ctx context.Context, _ *struct{}) (*tokenAnswer, error) {
		a := actor(ctx)
		// What a token could not be used for is not made.
		if _, err := (&manage.Door{Desk: h.Desk}).Return(ctx, a, a.Identity); err != nil {
			if identity.AsError(err).Kind == identity.Unauthenticated {
				err = &identity.Error{
					Kind: identity.Conflict, Message: "Your connector tells your groups only at a login, so that a token would have no rights; show the password with each request.",
				}
			}
			return nil, h.problem(err)
		}
		text, claims, err := h.Bearer.mint(a)
		if err != nil {
			return nil, h.problem(err)
		}
		h.Desk.TokenMade(ctx, a, claims.ID, claims.Audience)
		answer := &tokenAnswer{}
		answer.Body.AccessToken, answer.Body.TokenType, answer.Body.ID = text, "Bearer", claims.ID
		answer.Body.ExpiresIn = int64(h.Bearer.TTL / time.Second)
		return answer, nil
	})
}
