// Package registry is the token endpoint: the realm that a registry names in its
// WWW-Authenticate: Bearer challenge. It implements the distribution project's
// token specification (https://distribution.github.io/distribution/spec/auth/token/)
// and its OAuth2 variant (…/auth/oauth/), as leniently as real clients need and no
// further.
//
//	GET  /token?service=S&scope=repository:app:pull,push&scope=…   with HTTP Basic
//	POST /token  grant_type=password&username=…&password=…&service=S&scope=…
//	POST /token  grant_type=refresh_token&refresh_token=…&service=S&scope=…
//
// The answer is {"token","access_token","expires_in","scope"}. `issued_at` is
// left out on purpose: it is optional, and clients with a skewed clock misread it.
// `refresh_token` is there for who asked for one (offline_token=true in a GET,
// access_type=offline in a POST) and after a refresh: then it is the one that was
// shown, because docker ignores another. A client that does take a new one at each
// use adds refresh_token_rotation=true to the request that asks for the first.
//
// HTTP Basic with an empty username, or with one of [DefaultTokenUsernames], is a
// refresh as well: the password is the refresh token.
//
// A failure is the registry's own error shape, {"errors":[{"code","message",
// "detail"}]}, never RFC 6749's, which docker cannot print. Bad credentials are
// 401 with a Basic challenge; a policy denial never is, since docker would ask for
// a login; an outage is 503 with Retry-After and never 401.
//
// What is over a limit (body, number of scopes, length of a scope) is 4xx.
package registry
