package configs

import (
	"time"
)

// maxYear bounds what nobody means to last longer.
const maxYear = 365 * 24 * time.Hour

func (c *check) tokens(t Tokens) {
	// expires_in is a whole number of at least 60 (PROTOCOL: clients read 0 as
	// 60 and cut fractions off), and unmodified registries know no revocation, so
	// that the longest token is the longest a revoked person stays in.
	c.between("tokens.access_ttl", t.AccessTTL, time.Minute, time.Hour)
	c.between("tokens.refresh_ttl", t.RefreshTTL, time.Hour, maxYear)
	for key, ttl := range map[string]time.Duration{"tokens.access_ttl": t.AccessTTL, "tokens.refresh_ttl": t.RefreshTTL} {
		if ttl%time.Second != 0 {
			c.fault(key, "%s is not a whole number of seconds", ttl)
		}
	}
	c.oneOf("tokens.algorithm", t.Algorithm, AlgorithmES256, AlgorithmRS256, AlgorithmEdDSA)
	// A key is published before it signs and stays until its last token has
	// expired; with less than this, registries would see nothing but change.
	if low := max(time.Hour, 4*t.AccessTTL); t.AccessTTL <= time.Hour {
		c.between("tokens.rotate_every", t.RotateEvery, low, maxYear)
	}
	switch {
	case t.CACertFile == "" && t.CAKeyFile == "":
	case t.CACertFile == "":
		c.fault("tokens.ca_cert_file", "is required with tokens.ca_key_file")
	case t.CAKeyFile == "":
		c.fault("tokens.ca_key_file", "is required with tokens.ca_cert_file")
	default:
		c.keyPair("tokens.ca_cert_file", t.CACertFile, "tokens.ca_key_file", t.CAKeyFile)
	}
}

// ownAudience keeps the tokens of registries apart from those of the API.
func (c *check) ownAudience(cfg *Config) {
	for i, r := range cfg.Registries {
		if r.Service == cfg.APIAudience() {
			c.fault(join(index("registries", i), "service"), "%q is the audience of the API's own tokens; give the registry another name", r.Service)
		}
	}
}

func (c *check) registries(list []Registry, t Tokens) {
	if len(list) == 0 {
		c.fault("registries", "at least one registry is required")
	}
	first := map[string]int{}
	for i, r := range list {
		at := index("registries", i)
		if c.required(join(at, "service"), r.Service) {
			if other, twice := first[r.Service]; twice {
				c.fault(join(at, "service"), "%q is already registries.%d; a service has one entry", r.Service, other)
			} else {
				first[r.Service] = i
			}
		}
		c.required(join(at, "issuer"), r.Issuer)
		c.oneOf(join(at, "for"), r.For, ForDistribution2, ForDistribution3, ForDistribution3JWKS, ForZot)
		c.oneOf(join(at, "deny_response"), r.DenyResponse, DenyFilter, DenyExplain)
		c.tokenForm(at, r)
		if r.For == ForDistribution2 && t.Algorithm == AlgorithmEdDSA {
			c.fault("tokens.algorithm", "EdDSA is not verified by distribution 2.8, which %s (service %q) is", at, r.Service)
		}
		if r.URL != "" {
			if u := c.origin(join(at, "url"), r.URL, "https", "http"); u != nil {
				c.bare(join(at, "url"), u)
			}
		}
	}
}

// tokenForm reports a form that the registry does not verify. These are
// measurements: a registry that finds an x5c header it cannot verify does not go
// on to the kid, so a wrong form fails every request.
func (c *check) tokenForm(at string, r Registry) {
	key := join(at, "token_form")
	c.oneOf(key, r.TokenForm, FormX5C, FormKID)
	switch {
	case r.TokenForm == FormX5C && r.For == ForDistribution3JWKS:
		c.fault(key, "a registry with nothing but a jwks file verifies no x5c; leave token_form out, or add a rootcertbundle and write for: distribution-3")
	case r.TokenForm == FormX5C && r.For == ForZot:
		c.fault(key, "zot verifies no x5c; leave token_form out")
	case r.TokenForm == FormKID && r.For == ForDistribution2:
		c.fault(key, "distribution 2.8 finds a rotating key by x5c only; leave token_form out")
	}
}
