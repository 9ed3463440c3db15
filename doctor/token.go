package doctor

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"drawbridge/tokens"
)

// trial is the token that the server would make for this registry.
func (x *exam) trial() tokens.Trial {
	return tokens.Trial{
		Service: x.entry.Service, Issuer: x.entry.Issuer, Audience: x.entry.Service, Form: x.entry.Form,
		Algorithm: x.Algorithm, IssuedAt: x.net.Clock(),
	}
}

// try says whether the registry accepts the token. A repository without any manifest
// is 404 to who may pull it, and 401 to all others.
func (x *exam) try(ctx context.Context, keys Minter, t tokens.Trial) (bool, error) {
	token, err := keys.Trial(t)
	if err != nil {
		return false, err
	}
	a, err := x.get(ctx, registryPath+tokens.TrialRepository+"/manifests/none", token)
	if err != nil {
		return false, err
	}
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return false, nil
	case http.StatusOK, http.StatusNotFound:
		return true, nil
	}
	return false, fmt.Errorf("the registry answers %d", a.status)
}

// accepts tries a token of ours, and others until the reason of a refusal is known.
func (x *exam) accepts(ctx context.Context) Outcome {
	ours := x.trial()
	good, err := x.try(ctx, x.Keys, ours)
	if err != nil {
		return unsure("%s", cause(err))
	}
	renamed := x.challenge.service != x.entry.Service
	if good && !renamed {
		return okay("a %s token by %q is accepted", ours.Algorithm, ours.Issuer)
	}
	var findings []Finding
	if renamed {
		findings = append(findings, x.audience())
		ours.Audience = x.challenge.service
		if good, err = x.try(ctx, x.Keys, ours); err != nil {
			return unsure("%s", cause(err))
		}
	}
	if good {
		return found("", findings...)
	}
	f, err := x.explain(ctx, ours)
	if err != nil {
		return unsure("%s", cause(err))
	}
	return found("", append(findings, f)...)
}

// audience is the finding of a registry that says another service than we have.
func (x *exam) audience() Finding {
	return finding(WrongAudience,
		fmt.Sprintf("The registry's challenge says service %q, and the configuration has %q for it. Tokens are compared letter by letter.", x.challenge.service, x.entry.Service),
		"Either in Drawbridge's configuration, and restart it:",
		fmt.Sprintf("registries: [ { service: %q, issuer: %q } ]", x.challenge.service, x.entry.Issuer),
		"or in the registry's config.yml, and restart it:",
		fmt.Sprintf("auth: { token: { service: %q } }", x.entry.Service))
}

// variant is a token with one thing changed, and what it means if that is accepted.
type variant struct {
	keys  Minter
	trial tokens.Trial
	means func() Finding
}

// explain changes one thing after the other.
func (x *exam) explain(ctx context.Context, refused tokens.Trial) (Finding, error) {
	for _, v := range slices.Concat(x.times(refused), x.issuers(refused), x.forms(refused), x.algorithms(refused), x.anchors(refused)) {
		accepted, err := x.try(ctx, v.keys, v.trial)
		if err != nil && ctx.Err() != nil {
			return Finding{}, err
		}
		if err == nil && accepted { // a token that cannot be made tells nothing
			return v.means(), nil
		}
	}
	return finding(TrustAnchor,
		fmt.Sprintf("It refuses a token by %q for %q, and each one with another algorithm, form, time or a likely issuer. "+
			"Two reasons remain: it trusts another CA, or its issuer is none of those tried.", refused.Issuer, refused.Audience),
		append([]string{
			"Its log tells: \"untrusted issuer\" is the issuer; \"signed by unknown authority\" (2.8) or \"failed to verify token\" (3.x) is the CA. It reads the file at its start only:",
			"compare what it has mounted with " + x.entry.TrustFile + ", and restart it.",
			"If its config.yml has another issuer, run: drawbridge doctor --issuer ISSUER",
			"The registry's config.yml is to have:",
		}, x.Settings(x.entry.Service)...)...), nil
}

func (x *exam) times(refused tokens.Trial) []variant {
	wide := refused
	wide.Wide = true
	return []variant{{x.Keys, wide, func() Finding {
		return finding(ClockWrong, "A token that begins a day ago and ends in a day is accepted, and one that is made now is not. "+x.dateText(), clockFix()...)
	}}}
}

func (x *exam) issuers(refused tokens.Trial) []variant {
	origin := strings.TrimSuffix(x.server.url.String(), "/")
	candidates := slices.Clone(x.Issuers)
	for _, r := range x.Entries {
		candidates = append(candidates, r.Issuer, r.Service)
	}
	candidates = append(candidates, x.challenge.service, "Acme auth server", "Auth Service", "docker-auth", "auth-service", "drawbridge",
		origin, origin+"/", x.challenge.realm, x.server.url.Host, x.server.url.Hostname(), x.url.Host, x.url.Hostname())
	var out []variant
	tried := map[string]bool{"": true, refused.Issuer: true}
	for _, issuer := range candidates {
		if tried[issuer] {
			continue
		}
		tried[issuer] = true
		t := refused
		t.Issuer = issuer
		out = append(out, variant{x.Keys, t, func() Finding {
			return finding(WrongIssuer, fmt.Sprintf("A token by %q is accepted, and one by %q, which is configured, is not.", issuer, refused.Issuer),
				"Either in Drawbridge's configuration, and restart it:",
				fmt.Sprintf("registries: [ { service: %q, issuer: %q } ]", x.entry.Service, issuer),
				"or in the registry's config.yml, and restart it:",
				fmt.Sprintf("auth: { token: { issuer: %q } }", refused.Issuer))
		}})
	}
	return out
}

func (x *exam) forms(refused tokens.Trial) []variant {
	t := refused
	use, has := "for: distribution-3-jwks", "a list of keys (jwks)"
	if t.Form = tokens.FormKID; refused.Form == tokens.FormKID {
		t.Form, use, has = tokens.FormX5C, "for: distribution-3", "certificates (rootcertbundle)"
	}
	return []variant{{x.Keys, t, func() Finding {
		return finding(WrongForm, fmt.Sprintf("A token of the form %s is accepted, and one of the form %s is not: the registry has %s.", t.Form, refused.Form, has),
			"Either in the registry's entry of Drawbridge's configuration, and restart both, the registry with the file that registry-config then names:  "+use,
			"or give the registry "+x.entry.TrustFile+", as drawbridge registry-config prints it, and restart it.")
	}}}
}

func (x *exam) algorithms(refused tokens.Trial) []variant {
	var out []variant
	for _, alg := range []tokens.Algorithm{tokens.ES256, tokens.RS256, tokens.EdDSA} {
		if alg == refused.Algorithm {
			continue
		}
		t := refused
		t.Algorithm = alg
		out = append(out, variant{x.Keys, t, func() Finding {
			return finding(WrongAlg, fmt.Sprintf("An %s token under the same CA is accepted, and an %s one is not.", alg, refused.Algorithm),
				"Either in Drawbridge's configuration, and restart it:  tokens: { algorithm: "+string(alg)+" }",
				fmt.Sprintf("or, for a registry 3.x, in its config.yml, and restart it:  auth: { token: { signingalgorithms: [%s] } }", refused.Algorithm),
				"A registry 2.8 verifies ES256 and RS256, and never EdDSA.")
		}})
	}
	return out
}

func (x *exam) anchors(refused tokens.Trial) []variant {
	var out []variant
	for _, what := range slices.Sorted(maps.Keys(x.OtherKeys)) {
		out = append(out, variant{x.OtherKeys[what], refused, func() Finding {
			return finding(TrustAnchor, "It accepts a token under "+what+", and none under the signing CA in force.",
				"Give the registry "+x.entry.TrustFile+", and restart it: it reads the file at its start only.")
		}})
	}
	return out
}
