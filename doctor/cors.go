package doctor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
)

// readable says whether a browser lets a page of the origin read the answer, which
// needs credentials where it has sent some.
func readable(a answer, origin string) bool {
	allowed := a.header.Get("Access-Control-Allow-Origin")
	return allowed == origin || allowed == "*"
}

// origins asks as a browser does before a page of another origin may send a login.
func (s *serverSite) origins(ctx context.Context) Outcome {
	if len(s.Origins) == 0 {
		return skipped("no server.cors.allowed_origins, and no --origin")
	}
	var findings []Finding
	for _, origin := range s.Origins {
		a, err := s.ask(ctx, http.MethodOptions, s.at("/token"), http.Header{
			"Origin": {origin}, "Access-Control-Request-Method": {http.MethodGet}, "Access-Control-Request-Headers": {"authorization"},
		}, nil)
		if err != nil {
			return unsure("%s", cause(err))
		}
		if !readable(a, origin) {
			findings = append(findings, finding(OriginRefused, fmt.Sprintf("A preflight for %s is answered %d without Access-Control-Allow-Origin.", origin, a.status),
				"In Drawbridge's configuration, and restart it:",
				fmt.Sprintf("server: { cors: { allowed_origins: [%q] } }", origin),
				"If it is there already, a proxy in front answers OPTIONS itself, or removes the headers: let it pass them on."))
		}
	}
	return found(fmt.Sprintf("%v", s.Origins), findings...)
}

// origins looks whether the registry's challenge can be read.
func (x *exam) origins(ctx context.Context) Outcome {
	if len(x.Origins) == 0 {
		return skipped("no server.cors.allowed_origins, and no --origin")
	}
	var refused []string
	for _, origin := range x.Origins {
		a, err := x.ask(ctx, http.MethodGet, x.at(registryPath), http.Header{"Origin": {origin}}, nil)
		if err != nil {
			return unsure("%s", cause(err))
		}
		if !readable(a, origin) {
			refused = append(refused, origin)
		}
	}
	if len(refused) == 0 {
		return okay("%v", x.Origins)
	}
	refused = slices.Compact(refused)
	return found("", finding(RegistryNoCORS, fmt.Sprintf("The answer to GET /v2/ has no Access-Control-Allow-Origin for %v.", refused),
		"In the registry's config.yml, and restart it (it can name one origin):",
		"http: { headers: { Access-Control-Allow-Origin: [\""+refused[0]+"\"], Access-Control-Allow-Methods: [\"HEAD\", \"GET\", \"OPTIONS\", \"DELETE\"],",
		"  Access-Control-Allow-Headers: [\"Authorization\", \"Accept\", \"Cache-Control\"], Access-Control-Expose-Headers: [\"Docker-Content-Digest\", \"WWW-Authenticate\"] } }"))
}
