package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"drawbridge/identity"
)

const registryPath = "/v2/"

// exam is one registry that is looked at.
type exam struct {
	Options
	*site
	entry     Registry
	challenge challenge
	server    *site
}

func newExam(o Options, entry Registry, server *site) (*exam, error) {
	u, err := parseURL(entry.URL)
	if err != nil {
		return nil, err
	}
	u.Path = "" // clients know a registry by host and port alone
	return &exam{Options: o, entry: entry, server: server, site: &site{net: o.Net, url: u, path: registryPath, right: isRegistry}}, nil
}

// parseURL parses the URL of a server, with the path below which it is. One without a
// scheme is meant as https.
func parseURL(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if strings.Contains(text, "@") { // which is not repeated
		return nil, errors.New("a URL with a name or password in it; give host and port alone, such as https://registry.example.com:5000")
	}
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("%q is no URL such as https://registry.example.com:5000", text)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}, nil
}

// checks are those of one registry, in the order in which a pull meets what they
// look at.
func (x *exam) checks() []Check {
	subject := x.String()
	key := func(name string) string { return Check{Name: name, Subject: subject}.Key() }
	check := func(name string, run func(context.Context) Outcome, needs ...string) Check {
		return Check{Name: name, Subject: subject, Needs: needs, Run: run}
	}
	reach, secure, asks := key("registry answers"), key("registry TLS"), key("registry asks for a token")
	return []Check{
		check("registry answers", x.reach),
		check("registry TLS", x.secureUnlessPlain, reach),
		check("registry asks for a token", x.asks, reach, secure),
		check("realm", x.realm, reach, secure, asks),
		check("headers reach the registry", x.headers, reach, secure, asks),
		check("clocks", x.clocks, reach, secure, asks),
		check("registry accepts our tokens", x.accepts, reach, secure, asks, key("headers reach the registry"), "signing keys"),
		check("upload", x.upload, reach, secure, asks, key("registry accepts our tokens")),
		check("pages of other origins", x.origins, reach, secure, asks),
	}
}

// secureUnlessPlain counts plain HTTP as fine where docker does, and as what the
// operator has chosen elsewhere.
func (x *exam) secureUnlessPlain(ctx context.Context) Outcome {
	o := x.secure(ctx)
	if !x.plain() {
		return o
	}
	if identity.Loopback(x.url.Hostname()) {
		return okay("plain HTTP, which docker accepts on this machine")
	}
	return okay("plain HTTP: each docker needs { \"insecure-registries\": [%q] } in daemon.json", x.hostPort())
}

// asks looks at the registry's challenge.
func (x *exam) asks(ctx context.Context) Outcome {
	a, err := x.get(ctx, registryPath, "")
	if err != nil {
		return unsure("%s", cause(err))
	}
	x.challenge = challengeOf(a)
	if i := slices.IndexFunc(x.Entries, func(r Registry) bool { return r.Service == x.challenge.service }); i >= 0 && x.entry.Guessed {
		x.entry = x.Entries[i]
	}
	paste := x.Settings(x.entry.Service)
	switch {
	case a.status == http.StatusTooManyRequests:
		return unsure("the registry, or a proxy before it, answers 429: too many requests")
	case a.status == http.StatusOK:
		return found("", finding(NoChallenge, "GET /v2/ without a token is answered 200.", append([]string{"Put this into the registry's config.yml and restart it:"}, paste...)...))
	case x.challenge.scheme != "bearer":
		return found("", finding(OtherChallenge, fmt.Sprintf("GET /v2/ is answered with the challenge %q, not Bearer.", x.challenge.scheme),
			append([]string{"Remove the registry's auth.htpasswd, or the proxy's own login (nginx: auth_basic), and put this into config.yml:"}, paste...)...))
	case x.challenge.realm == "":
		return found("", finding(RealmElsewhere, "The challenge names no realm.", append([]string{"Put this into the registry's config.yml and restart it:"}, paste...)...))
	}
	if x.challenge.service != x.entry.Service {
		return okay("service %q (configured: %q)", x.challenge.service, x.entry.Service)
	}
	return okay("service %q", x.challenge.service)
}

// realm looks whether clients find Drawbridge where the challenge sends them.
func (x *exam) realm(ctx context.Context) Outcome {
	realm, err := url.Parse(x.challenge.realm)
	if err != nil || realm.Host == "" {
		return found("", finding(RealmElsewhere, fmt.Sprintf("The realm %q is no URL.", x.challenge.realm), x.realmFix()...))
	}
	var warnings []Finding
	if ip, err := netip.ParseAddr(realm.Hostname()); err == nil && realm.Host != x.url.Host && (ip.IsPrivate() || ip.IsLoopback()) {
		warnings = append(warnings, finding(RealmRefused, fmt.Sprintf("The realm %s is a private address on another host than the registry's.", x.challenge.realm),
			append([]string{"Give server.external_url a DNS name, and the registry the realm that follows:"}, x.realmFix()...)...))
	} else if realm.Scheme == "http" && (x.url.Scheme == "https" || !identity.Loopback(realm.Hostname())) {
		warnings = append(warnings, finding(RealmRefused, fmt.Sprintf("The realm %s is plain HTTP: clients would send passwords in the clear.", x.challenge.realm), x.realmFix()...))
	}
	base, ok := aboveToken(realm)
	if !ok {
		return found("", append(warnings, finding(RealmElsewhere, fmt.Sprintf("The realm's path is %q, and Drawbridge answers at %s/token.", realm.Path, x.server.url.Path), x.realmFix()...))...)
	}
	if sameOrigin(base, x.server.url) && base.Path == x.server.url.Path {
		return found("is "+x.challenge.realm, warnings...)
	}
	return x.otherRealm(ctx, base, warnings)
}

// aboveToken is the URL of the Drawbridge whose token endpoint the realm is; ok is
// false where it is none.
func aboveToken(realm *url.URL) (base *url.URL, ok bool) {
	base = &url.URL{Scheme: realm.Scheme, Host: realm.Host}
	path := strings.TrimSuffix(realm.Path, "/")
	for _, endpoint := range []string{"/token", "/auth"} {
		if base.Path, ok = strings.CutSuffix(path, endpoint); ok {
			return base, true
		}
	}
	return nil, false
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && withPort(a) == withPort(b) }

// otherRealm looks at a realm that is not below server.external_url: base may be
// another name of the same server.
func (x *exam) otherRealm(ctx context.Context, base *url.URL, warnings []Finding) Outcome {
	there := newServerSite(x.Options, base)
	o := there.reach(ctx)
	if o.State == OK {
		o = there.secureServer(ctx)
	}
	if o.State == Fail {
		return found("", append(warnings, x.lostRealm(base, o.Findings[0]))...)
	}
	if same, err := there.sameKeys(ctx, x.Server.SigningCA); err != nil || !same {
		return found("", append(warnings, finding(RealmElsewhere,
			fmt.Sprintf("The realm %s is of a Drawbridge with other keys than this one (%s).", x.challenge.realm, x.server), x.realmFix()...))...)
	}
	return found(fmt.Sprintf("is %s, another name of %s", x.challenge.realm, x.server), warnings...)
}

// lostRealm is the finding of a realm that leads nowhere, for the reason that why is.
func (x *exam) lostRealm(base *url.URL, why Finding) Finding {
	if why.ID == NoDrawbridge && sameOrigin(base, x.server.url) {
		return finding(RealmElsewhere, fmt.Sprintf("The realm is %s, and Drawbridge is below %s: the path before /token is %q, and must be %q. %s",
			x.challenge.realm, x.server, base.Path, x.server.url.Path, why.What), x.realmFix()[0])
	}
	id := RealmDead
	if why.ID == NoDrawbridge {
		id = RealmElsewhere
	}
	return finding(id, fmt.Sprintf("The realm is %s, server.external_url is %s, and of the first: %s", x.challenge.realm, x.server, why.What),
		append(x.realmFix(), why.Fix...)...)
}

func (x *exam) realmFix() []string {
	return []string{
		"In the registry's config.yml, and restart it:  auth: { token: { realm: \"" + x.server.at("/token") + "\" } }",
		"If clients are to use the other name, set server.external_url to it.",
	}
}
