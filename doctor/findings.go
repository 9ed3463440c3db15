package doctor

import (
	"fmt"
	"slices"
)

// roadFindings are about the way to the registry and to Drawbridge.
func roadFindings() []Entry {
	return []Entry{
		{NameUnknown, Problem, "The name cannot be resolved", "No client can find the host."},
		{Refused, Problem, "Nobody listens at this port", "Every login and every pull ends here."},
		{NoAnswer, Problem, "No answer comes", "Clients wait until they give up; a firewall that drops packets looks like this."},
		{PlainOnTLS, Problem, "Plain HTTP answers where HTTPS is expected", "Clients end with \"server gave HTTP response to HTTPS client\"."},
		{TLSOnPlain, Problem, "HTTPS answers where plain HTTP is expected", "Clients end with \"client sent an HTTP request to an HTTPS server\" or with EOF."},
		{ProxyInTheWay, Problem, "A proxy of the environment is in the way", "Programs that read HTTP_PROXY or HTTPS_PROXY send their requests there, docker's daemon among them if it has these."},
		{NoRegistry, Problem, "What answers is no registry", "The port is somebody else's, or a proxy sends /v2/ to the wrong place."},
		{NoDrawbridge, Problem, "What answers is not Drawbridge", "Clients are sent to this URL for their tokens."},
		{CertExpired, Problem, "The certificate has expired", "Every client refuses the connection."},
		{CertTooNew, Problem, "The certificate is not valid yet", "Every client refuses the connection; a wrong clock looks the same."},
		{CertName, Problem, "The certificate is for another name", "Every client refuses the connection."},
		{CertUnknown, Problem, "The certificate's authority is not trusted here", "docker, podman and containerd refuse the connection until they are told of it; they use the registry's trust settings for Drawbridge as well."},
		{TLSWeak, Problem, "The TLS is too weak", "Current clients refuse it."},
		{CertEnds, Warning, "The certificate ends soon", "From then on every client refuses the connection."},
		{NoChallenge, Problem, "The registry asks nobody for a token", "Whoever reaches it may pull and push everything."},
		{OtherChallenge, Problem, "The registry asks for something else than a token", "Clients never come to Drawbridge."},
		{RealmElsewhere, Problem, "The realm does not lead to this Drawbridge", "Clients fetch their tokens from wherever the realm leads."},
		{RealmDead, Problem, "The realm cannot be reached from here", "Clients that are where this machine is cannot fetch a token."},
		{RealmRefused, Warning, "Some clients refuse this realm", "crane, oras and helm do not follow a realm that may lead into somebody's network or sends passwords in the clear."},
		{RealmMadeUp, Problem, "The registry makes the realm up", "With autoredirect it sends clients to a path of its own host, whatever its realm says, and Drawbridge is not there."},
	}
}

// tokenFindings are about what the registry makes of a token.
func tokenFindings() []Entry {
	return []Entry{
		{KeysUnreadable, Problem, "The signing keys cannot be read", "Without them no token can be made; a server that runs goes on until its restart."},
		{KeysElsewhere, Problem, "The server signs with other keys than those here", "What registries were given from this data_dir does not verify its tokens."},
		{KeyEnds, Warning, "A signing certificate ends soon", "Registries refuse an expired certificate without any leeway."},
		{TrustAnchor, Problem, "The registry does not trust our signing CA", "It refuses every token, and docker reports \"unauthorized\" right after \"Login Succeeded\" or at the login."},
		{WrongIssuer, Problem, "The registry expects another issuer", "It refuses every token."},
		{WrongAudience, Problem, "The registry calls itself by another service", "It refuses tokens for any other service, and Drawbridge makes none for a service it does not know."},
		{WrongAlg, Problem, "The registry does not verify this algorithm", "It refuses every token."},
		{WrongForm, Problem, "The registry verifies tokens of the other form", "It refuses every token: one that follows certificates and one that has a list of keys read different headers."},
		{ClockWrong, Problem, "The clocks are too far apart", "The registry takes tokens for expired, or for not valid yet."},
		{ClockOff, Warning, "The clocks are apart", "Distribution allows 60 seconds and zot none; the rest is soon used up."},
		{AuthDroppedRegistry, Problem, "A proxy before the registry drops the Authorization header", "The registry never sees a token, and asks for one for ever."},
		{AuthDroppedServer, Problem, "A proxy before Drawbridge drops the Authorization header", "Everybody is anonymous."},
		{HeadersCut, Problem, "A proxy refuses long headers", "A token for several repositories is up to 7.5 KB; such requests fail, and small ones do not."},
		{UploadElsewhere, Problem, "The registry sends uploads to another address", "It builds the address from X-Forwarded-Proto and Host, and pushes fail while pulls work."},
		{BodyTooLarge, Problem, "A proxy limits how large a layer may be", "Pushes of larger layers fail with 413."},
	}
}

// localFindings are about what stands behind Drawbridge.
func localFindings() []Entry {
	return []Entry{
		{ConnectorDown, Problem, "A connector's backend cannot be reached", "Logins of its people are answered 503, except those within grace."},
		{ConnectorRefused, Problem, "The backend refuses our own account", "Nobody of this connector can log in."},
		{ConnectorSettings, Problem, "A connector's settings do not fit its backend", "People are not found, or their groups are not."},
		{PersonUnknown, Problem, "The person cannot log in", "No connector vouches for this username."},
		{PersonNoRights, Warning, "No binding gives the person anything", "The login succeeds, and every pull and push is denied."},
		{RedisDown, Warning, "Redis cannot be used", "Logins go on without it; caches and limits are each replica's own meanwhile."},
		{StoreDown, Problem, "The store cannot be used", "Logins go on for a while; nothing can be changed, and no session can be made."},
		{SecretOpen, Problem, "A secret is open to others on this machine", "Every user of the host can read it, or change it."},
		{FileUnreadable, Problem, "A file cannot be read", "The server does not start without it, or goes on with what it has read before."},
		{BindingEnds, Warning, "A binding ends soon or has ended", "What it grants ends with it."},
		{PolicyUnreadable, Problem, "The policy cannot be loaded", "The server goes on with the policy before, and does not start without one."},
		{OriginRefused, Problem, "Drawbridge does not let pages of this origin read its answers", "The browser hides the token from the web interface."},
		{RegistryNoCORS, Problem, "The registry does not let pages of this origin read its answers", "The browser hides the challenge from the web interface, so that it never asks for a token."},
		{RateLimited, Problem, "Requests from this address are being refused for their rate", "Clients behind the same address are answered 429 as well."},
		{LimitsBehindProxy, Warning, "The proxy in front is not a trusted one", "Everybody who comes through it has one address in limits, in robots' networks and in the audit log."},
	}
}

// finding fills in what the catalogue says.
func finding(id ID, what string, fix ...string) Finding {
	list := Catalogue()
	i := slices.IndexFunc(list, func(e Entry) bool { return e.ID == id })
	if i < 0 {
		panic(fmt.Sprintf("doctor: %s is not in the catalogue", id)) // a test finds each one
	}
	e := list[i]
	return Finding{ID: id, Severity: e.Severity, Title: e.Title, What: what, Why: e.Why, Fix: fix}
}
