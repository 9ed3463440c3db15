// Package console is the web console at /console/: what package bridge/manage
// offers to administrators, as pages.
//
// # Pages
//
// Every page is made on the server and works without JavaScript, also to write:
// the one small script adds line numbers, a jump to a faulty line and copying to
// the clipboard. Every filter lies in the URL. A page that refuses a form shows
// again what was typed. Nothing comes from another origin, and nothing is inline,
// as the Content-Security-Policy demands.
//
// # Sessions
//
// Somebody signs in with the credentials of a registry login, verified afresh by
// the same connectors under the same limits. The session is a sealed cookie,
//
//	__Host-drawbridge = base64url(nonce || AES-256-GCM(claims))
//
// under a key that every replica derives from the signing authority, so that no
// replica keeps anything. It is bound to the person by their stable ID, has a random
// ID of its own, made at the sign-in, and ends after [IdleLimit] without a request
// or [AbsoluteLimit] after the sign-in. It holds no rights: at every request
//
//   - the list of revocations is asked for the session and for the person, and
//     nothing is shown while that list is not fresh;
//   - the connector that vouched is asked whether it still does, and for today's
//     groups. A grant is remembered no longer than a verified password is
//     (cache.credential_ttl). A connector that cannot tell without a password
//     vouches for [UncheckedLimit];
//   - the capabilities are worked out from the policy in force.
//
// A sign-out revokes the session's ID, so that a copy of the cookie is worthless on
// every replica.
//
// # What a request has to show
//
// Whatever changes something is a POST of the console's own origin
// (http.CrossOriginProtection) that carries the session's form token. The form for
// signing in has a token in a cookie of its own. What the caller may do is for
// manage.Desk to say; the route's own [audience] is a second look.
package console
