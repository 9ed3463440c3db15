package configs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// conns makes a list from words such as "ldap:corp!next@*-x": type, name, next on
// an outage, and the route.
func conns(words ...string) []Connector {
	var list []Connector
	for _, word := range words {
		word, match, _ := strings.Cut(word, "@")
		word, isNext := strings.CutSuffix(word, "!next")
		typ, name, _ := strings.Cut(word, ":")
		c := Connector{Name: name, Type: typ, Match: match, OnUnavailable: OnUnavailableStop}
		if isNext {
			c.OnUnavailable = OnUnavailableNext
		}
		list = append(list, c)
	}
	return list
}

func TestTheOrderOfTheChain(t *testing.T) {
	const (
		order  = "an htpasswd connector comes before"
		oidc   = "an oidc connector cannot tell"
		next   = "next is refused"
		noNext = "there is no next connector"
	)
	for _, tt := range []struct {
		name  string
		chain []Connector
		want  []string // key and the message's beginning
	}{
		{"one", conns("ldap:a"), nil},
		{"local first", conns("htpasswd:a", "ldap:b", "ldap:c", "oidc:d"), nil},
		{"local after ldap", conns("ldap:a", "htpasswd:b"), []string{"connectors.1 " + order}},
		{"local after a routed oidc", conns("oidc:a@*-x", "htpasswd:b"), []string{"connectors.1 " + order}},
		{"local after exec", conns("exec:a", "htpasswd:b"), []string{"connectors.1 " + order}},
		{"exec before ldap", conns("exec:a", "ldap:b"), nil},
		{"exec with break-glass", conns("exec:a!next", "htpasswd:b"), nil},
		{"next from exec to a directory", conns("exec:a!next", "ldap:b"), []string{"connectors.0.on_unavailable " + next}},
		{"break-glass", conns("ldap:a!next", "htpasswd:b"), nil},
		{"break-glass after two", conns("ldap:a", "ldap:b!next", "htpasswd:c"), nil},
		{"break-glass not last", conns("ldap:a!next", "htpasswd:b", "ldap:c"), []string{"connectors.1 " + order}},
		{"break-glass of another", conns("ldap:a!next", "ldap:b", "htpasswd:c"), []string{
			"connectors.0.on_unavailable " + next, "connectors.2 " + order,
		}},
		{"oidc before ldap", conns("oidc:a", "ldap:b"), []string{"connectors.0 " + oidc}},
		{"oidc with a route before ldap", conns("oidc:a@*-x", "ldap:b"), nil},
		{"a route of stars is none", conns("oidc:a@**", "ldap:b"), []string{"connectors.0 " + oidc}},
		{"two oidc", conns("oidc:a", "oidc:b"), []string{"connectors.0 " + oidc}},
		{"oidc with break-glass", conns("oidc:a!next", "htpasswd:b"), nil},
		{"oidc with a file after it", conns("oidc:a", "htpasswd:b"), []string{"connectors.0 " + oidc, "connectors.1 " + order}},
		{"next at the end", conns("ldap:a!next"), []string{"connectors.0.on_unavailable " + noNext}},
		{"next to a directory", conns("ldap:a!next", "ldap:b"), []string{"connectors.0.on_unavailable " + next}},
		{"next to a directory with other people", conns("ldap:a!next@x-*", "ldap:b@y-*"), nil},
		{"next to one with the same people further on", conns("ldap:a!next@x-*", "ldap:b@y-*", "ldap:c"), []string{"connectors.0.on_unavailable " + next}},
		{"only one side routed", conns("ldap:a!next", "ldap:b@y-*"), []string{"connectors.0.on_unavailable " + next}},
		{"overlapping routes", conns("ldap:a!next@a*", "ldap:b@*b"), []string{"connectors.0.on_unavailable " + next}},
		{"next from a file to a directory", conns("htpasswd:a!next", "ldap:b"), []string{"connectors.0.on_unavailable " + next}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c check
			c.chain(tt.chain)
			var got []string
			for i, p := range c.found {
				line := p.Key + " " + p.Message
				if i < len(tt.want) && strings.HasPrefix(line, tt.want[i]) {
					line = tt.want[i]
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHomeConnector(t *testing.T) {
	for _, tt := range []struct {
		chain []Connector
		want  string
	}{
		{nil, ""},
		{conns("htpasswd:a", "htpasswd:b"), "a"},
		{conns("htpasswd:a", "ldap:b", "oidc:c"), "b"},
		{conns("oidc:a!next", "htpasswd:b"), "a"},
	} {
		if got := HomeConnector(&Config{Connectors: tt.chain}); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.chain, got, tt.want)
		}
	}
}
