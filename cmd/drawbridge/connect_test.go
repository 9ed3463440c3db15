package main

import (
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"drawbridge/configs"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// Every metric of a connector is in docs/connectors.md, and what stands there is
// measured.
func TestConnectorMetricsAreDocumented(t *testing.T) {
	a := &app{cfg: &configs.Config{}, log: slog.New(slog.DiscardHandler), metrics: prometheus.NewRegistry()}
	defer a.close()
	for _, cfg := range []configs.Connector{
		{Name: "corp", Type: configs.TypeLDAP, LDAP: configs.LDAP{
			URLs: []string{"ldaps://ldap.invalid"}, User: configs.LDAPUser{BaseDN: "dc=x", Filter: "(uid={username})"},
			Groups: configs.LDAPGroups{Mode: configs.GroupsNone},
		}},
		{Name: "sso", Type: configs.TypeOIDC, OIDC: configs.OIDC{IssuerURL: "https://127.0.0.1:1", ClientID: "c", UsernameClaim: "sub"}},
		{Name: "hr", Type: configs.TypeExec, Exec: configs.Exec{Command: []string{"/bin/cat"}}},
	} {
		if _, err := a.openConnector(cfg, nil); err != nil {
			t.Fatal(err)
		}
	}
	descs := make(chan *prometheus.Desc)
	go func() { defer close(descs); a.metrics.Describe(descs) }()
	measured := map[string]bool{}
	name := regexp.MustCompile(`drawbridge_(?:ldap|oidc|exec)_[a-z_]+`)
	for d := range descs {
		measured[name.FindString(d.String())] = true
	}
	page, err := os.ReadFile("../../docs/connectors.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, found := range name.FindAllString(string(page), -1) {
		documented[found] = true
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(measured)), slices.Sorted(maps.Keys(documented))); diff != "" {
		t.Errorf("(-measured +documented):\n%s", diff)
	}
}
