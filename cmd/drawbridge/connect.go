package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"drawbridge/cache"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/exec"
	"drawbridge/connectors/htpasswd"
	"drawbridge/connectors/ldap"
	"drawbridge/connectors/oidc"
	"drawbridge/identity"
)

// openConnector opens one connector and gives it its place in the chain.
func (a *app) openConnector(cfg configs.Connector, people cache.Cache) (connectors.Link, error) {
	match, err := identity.ParseUsernamePattern(cfg.Match)
	if err != nil {
		return connectors.Link{}, err
	}
	c, err := a.openBackend(cfg, people)
	if err != nil {
		return connectors.Link{}, err
	}
	return connectors.Link{
		Connector: c, Match: match, NextOnUnavailable: cfg.OnUnavailable == configs.OnUnavailableNext,
	}, nil
}

func (a *app) openBackend(cfg configs.Connector, people cache.Cache) (connectors.Connector, error) {
	switch cfg.Type {
	case configs.TypeHTPasswd:
		c, err := htpasswd.Open(cfg, htpasswd.Deps{Log: a.log, Gate: a.gate})
		if err != nil {
			return nil, err
		}
		a.reloads.add("htpasswd file", c.Reload)
		return c, nil
	case configs.TypeLDAP:
		deps := ldap.Deps{Log: a.log, Clock: time.Now, Lookups: people, LookupTTL: a.cfg.Cache.LookupTTL, Forgets: a.forgets}
		if a.metrics != nil { // a command that opens connectors measures nothing
			deps.Metrics = ldap.NewMetrics(a.metrics, cfg.Name)
		}
		c, err := ldap.New(cfg, deps)
		if err != nil {
			return nil, err
		}
		a.closers = append(a.closers, func() error { c.Close(); return nil })
		return c, nil
	case configs.TypeOIDC:
		deps := oidc.Deps{Log: a.log, Clock: time.Now}
		if a.metrics != nil {
			deps.Metrics = oidc.NewMetrics(a.metrics, cfg.Name)
		}
		c, err := oidc.New(cfg, deps)
		if err != nil {
			return nil, err
		}
		a.closers = append(a.closers, c.Close)
		return c, nil
	case configs.TypeExec:
		return a.openExec(cfg)
	}
	return nil, fmt.Errorf("unknown type %q", cfg.Type)
}

// grace returns each connector's grace by its name.
func grace(cfgs []configs.Connector) func(string) time.Duration {
	by := make(map[string]time.Duration, len(cfgs))
	for _, c := range cfgs {
		by[c.Name] = c.Grace
	}
	return func(connector string) time.Duration { return by[connector] }
}

// openExec opens a connector that asks a program. Only where the configuration
// says that the program can look people up does the connector have that ability.
func (a *app) openExec(cfg configs.Connector) (connectors.Connector, error) {
	deps := exec.Deps{Log: a.log}
	if a.metrics != nil {
		deps.Metrics = exec.NewMetrics(a.metrics, cfg.Name)
	}
	c, err := exec.New(cfg, deps)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, c.Close)
	if cfg.Exec.Lookup {
		return exec.Looker{Connector: c}, nil
	}
	return c, nil
}

// generation stands for the connectors' settings, so that what was cached under
// others is not found. Secrets print as redacted and so do not change it: a new
// service password says nothing about people.
func generation(cfgs []configs.Connector) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", cfgs))
	return hex.EncodeToString(sum[:8])
}
