package doctor

import (
	"context"
	"fmt"
)

// Checks returns what to look at: first what stands behind Drawbridge, then itself,
// then each registry.
func Checks(o Options, local *Local) ([]Check, error) {
	u, err := parseURL(o.Server.URL)
	if err != nil {
		return nil, fmt.Errorf("server.external_url: %w", err)
	}
	server := newServerSite(o, u)
	checks := append(local.Checks(), server.checks()...)
	if o.RegistryConfig != nil {
		checks = append(checks, (&registryFile{o.RegistryConfig, o, server.site}).checks()...)
	}
	for _, r := range o.Registries {
		if r.URL == "" {
			checks = append(checks, Check{Name: "registry", Subject: r.Service, Run: notNamed})
			continue
		}
		x, err := newExam(o, r, server.site)
		if err != nil {
			return nil, fmt.Errorf("the URL of the registry %q: %w", r.Service, err)
		}
		checks = append(checks, x.checks()...)
	}
	return checks, nil
}

// notNamed is for a registry whose address nobody has told.
func notNamed(context.Context) Outcome {
	return skipped("its entry in registries has no url: add one, or give --registry URL")
}
