package doctor

import (
	"net/http"
	"regexp"
	"strings"
)

// challenge is what a registry answers to who has no token, or one it refuses
// (RFC 6750 section 3, distribution's auth/token).
type challenge struct {
	scheme                string // lower case; empty: there is none
	realm, service, fault string
}

// param finds name="value", with what is escaped in the value.
func param(header, name string) string {
	m := regexp.MustCompile(`(?i)[ ,]` + name + `="((?:[^"\\]|\\.)*)"`).FindStringSubmatch(header)
	if m == nil {
		return ""
	}
	return regexp.MustCompile(`\\(.)`).ReplaceAllString(m[1], "$1")
}

// challengeOf prefers a Bearer challenge where there are several.
func challengeOf(a answer) challenge {
	var first challenge
	for _, header := range a.header.Values("WWW-Authenticate") {
		scheme, _, _ := strings.Cut(header, " ")
		c := challenge{
			scheme: strings.ToLower(scheme), realm: param(header, "realm"), service: param(header, "service"), fault: param(header, "error"),
		}
		if c.scheme == "bearer" {
			return c
		}
		if first.scheme == "" {
			first = c
		}
	}
	return first
}

// isRegistry says that an answer to /v2/ is a registry's: its own header, or a
// challenge.
func isRegistry(a answer) bool {
	switch a.status {
	case http.StatusOK, http.StatusUnauthorized, http.StatusTooManyRequests:
		return strings.HasPrefix(a.header.Get("Docker-Distribution-Api-Version"), "registry/2") || challengeOf(a).scheme != ""
	}
	return false
}
