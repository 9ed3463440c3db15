package configs

import (
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"drawbridge/server"
)

// DefaultIssuer and DefaultService are what the embedded default's one registry
// is called. They are the names in the classic docker_auth example, so that a
// registry set up after it needs no change.
const (
	DefaultService = "Docker registry"
	DefaultIssuer  = "Acme auth server"
)

// The token algorithms.
const (
	AlgorithmES256 = "ES256"
	AlgorithmRS256 = "RS256"
	AlgorithmEdDSA = "EdDSA"
)

// Default returns the embedded default, which `drawbridge serve` runs without
// any file: HTTPS with a self-signed certificate on port 5001, keys and store in
// ./data, one registry, and one htpasswd connector whose file is made in the
// data directory at the first start. Every scalar in it is also the default of a
// file that leaves the key out; the two lists are not.
func Default() *Config {
	file := embeddedFile()
	c := baseDefaults()
	c.Embedded = true
	for _, r := range file.Registries {
		full := registryDefaults(r.For)
		full.Service, full.Issuer = r.Service, r.Issuer
		c.Registries = append(c.Registries, full)
	}
	for _, conn := range file.Connectors {
		full := connectorDefaults(conn.Type)
		full.Name, full.Type = conn.Name, conn.Type
		c.Connectors = append(c.Connectors, full)
	}
	c.derive()
	return c
}

// embeddedFile is what the embedded default would be if it were a file.
func embeddedFile() *Config {
	return &Config{
		Registries: []Registry{{Service: DefaultService, Issuer: DefaultIssuer}},
		Connectors: []Connector{{Name: "local", Type: TypeHTPasswd}},
	}
}

// baseDefaults returns the defaults of everything but the lists.
func baseDefaults() *Config {
	return &Config{
		Server: Server{
			Addr:          ":5001",
			TLS:           TLS{Mode: TLSSelfSigned},
			TelemetryAddr: "127.0.0.1:5002",
		},
		DataDir: "./data",
		Tokens: Tokens{
			AccessTTL:   5 * time.Minute,
			RefreshTTL:  720 * time.Hour,
			Algorithm:   AlgorithmES256,
			RotateEvery: 720 * time.Hour,
		},
		Robots: Robots{MaxTTL: 8760 * time.Hour},
		Cache:  Cache{LookupTTL: 5 * time.Minute, CredTTL: time.Minute},
		Limits: Limits{LoginFailuresPerMinute: 10, Connections: 4096},
		Audit:  Audit{File: "-", Store: true, Retention: 90 * 24 * time.Hour, MaxEvents: 5_000_000},
		Log:    Log{Level: "info", Format: "json"},

		Tracing: Tracing{SampleRatio: 1},
	}
}

// registryDefaults returns the defaults of a registry entry with that preset.
func registryDefaults(preset string) Registry {
	form := FormX5C
	if preset == ForDistribution3JWKS || preset == ForZot {
		form = FormKID
	}
	if preset == "" {
		preset = ForDistribution3
	}
	return Registry{For: preset, TokenForm: form, DenyResponse: DenyFilter, RefreshTokens: true}
}

// connectorDefaults returns the defaults of a connector entry of that type.
func connectorDefaults(typ string) Connector {
	c := Connector{OnUnavailable: OnUnavailableStop}
	switch typ {
	case TypeLDAP:
		c.Timeout, c.Grace = 5*time.Second, 15*time.Minute
		c.LDAP.User = LDAPUser{
			Filter:   "(&(objectClass=inetOrgPerson)(uid={username}))",
			NameAttr: "uid",
			MailAttr: "mail",
		}
		c.LDAP.Groups = LDAPGroups{Mode: GroupsNone, NameAttr: "cn"}
	case TypeOIDC:
		c.Timeout, c.Grace = 5*time.Second, 15*time.Minute
		c.OIDC.Scopes = []string{"openid", "profile", "email", "groups"}
		c.OIDC.UsernameClaim = "preferred_username"
		c.OIDC.GroupsClaim = "groups"
	case TypeExec:
		c.Timeout, c.Grace = 5*time.Second, 15*time.Minute
		c.Exec.Mode, c.Exec.PoolSize = ExecPerLogin, 4
	}
	return c
}

// fillDefaults adds the defaults that depend on another key of the same entry:
// those of a registry on its preset, those of a connector on its type.
func fillDefaults(tree map[string]any) {
	eachEntry(tree, "registries", func(_ string, entry map[string]any) {
		preset, _ := entry["for"].(string)
		fill(entry, settings(reflect.ValueOf(registryDefaults(preset))))
	})
	eachEntry(tree, "connectors", func(_ string, entry map[string]any) {
		typ, _ := entry["type"].(string)
		fill(entry, settings(reflect.ValueOf(connectorDefaults(typ))))
		if groups, ok := entry["groups"].(map[string]any); ok && groups["mode"] == GroupsSearch {
			fill(groups, map[string]any{"filter": "(member={dn})"})
		}
	})
}

// eachEntry visits the entries of a list with their paths.
func eachEntry(tree map[string]any, list string, visit func(path string, entry map[string]any)) {
	entries, _ := tree[list].([]any)
	for i, e := range entries {
		if entry, ok := e.(map[string]any); ok {
			visit(index(list, i), entry)
		}
	}
}

// derive fills in what follows from other settings.
func (c *Config) derive() {
	if c.Embedded && c.Connectors[0].HTPasswd.File == "" {
		c.Connectors[0].HTPasswd.File = filepath.Join(c.DataDir, "htpasswd")
	}
	if c.Server.ExternalURL != "" {
		return
	}
	if strings.HasPrefix(c.Server.Addr, server.UnixPrefix) || strings.HasPrefix(c.Server.Addr, server.SystemdPrefix) {
		return // a socket says nothing of the URL
	}
	scheme, host := "https", "localhost"
	if c.Server.TLS.Mode == TLSOff {
		scheme = "http"
	}
	// A port of 0 is chosen by the system at the start, so it is not in the URL.
	if _, port, err := net.SplitHostPort(c.Server.Addr); err == nil && port != "0" && port != "" {
		host = net.JoinHostPort(host, port)
	}
	c.Server.ExternalURL = scheme + "://" + host
}
