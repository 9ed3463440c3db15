package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"drawbridge/authz"
	"drawbridge/cache"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/doctor"
	"drawbridge/identity"
	"drawbridge/store"
)

// local is what stands behind the server.
func (d *doctorCommand) local() *doctor.Local {
	l := &doctor.Local{Secrets: d.secrets(), Connectors: d.connectors(), Store: d.store, Policy: d.policy, Clock: time.Now}
	l.StoreName = filepath.Join(d.cfg.DataDir, store.SQLiteName)
	if !d.cfg.Store.URL.Empty() {
		l.StoreName = "PostgreSQL"
	}
	if !d.cfg.Cache.RedisURL.Empty() {
		l.Redis = d.redis
	}
	if d.flags.user != "" {
		l.Person = &doctor.Person{Name: d.flags.user, Ask: d.person}
	}
	return l
}

// secrets are the files that nobody else may read: keys, the store, the files that the
// configuration names, and itself where a secret stands in it.
func (d *doctorCommand) secrets() []string {
	var files []string
	for _, pattern := range []string{"keys/*.pem", "tls/server.key", store.SQLiteName} {
		found, _ := filepath.Glob(filepath.Join(d.cfg.DataDir, pattern)) // the patterns are well-formed
		for _, file := range found {
			if filepath.Base(file) != "signing-ca.pem" { // public
				files = append(files, file)
			}
		}
	}
	named := []string{d.cfg.Server.TLS.KeyFile, d.cfg.Tokens.CAKeyFile, d.cfg.Cache.RedisURLFile, d.cfg.Store.URLFile}
	inline := []identity.Secret{d.cfg.Cache.RedisURL, d.cfg.Store.URL}
	for _, c := range d.cfg.Connectors {
		named = append(named, c.LDAP.BindPasswordFile, c.LDAP.ClientKeyFile, c.OIDC.ClientSecretFile)
		inline = append(inline, c.LDAP.BindPassword, c.OIDC.ClientSecret)
	}
	for _, file := range named {
		if file != "" {
			files = append(files, file)
		}
	}
	text, err := os.ReadFile(d.path)
	for _, secret := range inline {
		if d.path != "" && err == nil && !secret.Empty() && bytes.Contains(text, []byte(secret.Reveal())) {
			files = append(files, d.path)
		}
	}
	return files
}

// existing refuses to make a SQLite store: no server would know of it.
func (d *doctorCommand) existing() error {
	if !d.cfg.Store.URL.Empty() {
		return nil
	}
	if _, err := os.Stat(filepath.Join(d.cfg.DataDir, store.SQLiteName)); err != nil {
		return fmt.Errorf("there is no store in data_dir yet, or this is not where the server runs: %w", err)
	}
	return nil
}

func (d *doctorCommand) store(ctx context.Context) error {
	if err := d.existing(); err != nil {
		return err
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	s, err := openManagedStore(ctx, d.cfg, d.log)
	if err != nil {
		return err
	}
	return s.Close()
}

func (d *doctorCommand) redis(ctx context.Context) error {
	return cache.Try(ctx, d.cfg.Cache.RedisURL, d.cfg.Cache.RedisCAFile, d.flags.timeout)
}

func (d *doctorCommand) policy(ctx context.Context) ([]doctor.Binding, error) {
	if d.cfg.Policy.File == "" {
		if err := d.existing(); err != nil {
			return nil, err
		}
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	source, closeStore, err := configuredPolicy(ctx, d.cfg, compileOptions(d.cfg), d.log)
	if err != nil {
		return nil, err
	}
	defer closeStore()
	revision, err := source.load(ctx)
	if err != nil {
		return nil, err
	}
	var out []doctor.Binding
	for _, b := range revision.Policy.Document().Bindings {
		out = append(out, doctor.Binding{Name: b.Name, Ends: b.Expires})
	}
	return out, nil
}

// person looks somebody up as login-test does.
func (d *doctorCommand) person(ctx context.Context) (doctor.Standing, error) {
	report, err := testLogin(ctx, d.cfg, identity.Credential{Username: d.flags.user}, false, io.Discard)
	if err != nil {
		return doctor.Standing{}, err
	}
	s := doctor.Standing{Sure: true, Known: report.Outcome == connectors.KindGranted.String(), Why: report.Outcome}
	for _, step := range report.Connectors {
		if step.Answer != connectors.NotRouted && step.Answer != connectors.NotAsked {
			s.Why = fmt.Sprintf("connector %s: %s", step.Name, strings.TrimSuffix(string(step.Answer)+": "+step.Detail, ": "))
		}
	}
	switch report.Outcome {
	case connectors.KindGranted.String(), connectors.KindNotMine.String(), connectors.KindDenied.String():
	default: // down, or only a login would tell
		s.Sure = false
	}
	if report.Person != nil {
		s.Subject = report.Person.Subject
		for _, g := range report.Person.Groups {
			s.Groups = append(s.Groups, g.Subject)
		}
	}
	for _, b := range report.Bindings {
		if !b.Expired {
			s.Rights = append(s.Rights, right(b))
		}
	}
	return s, nil
}

// right is what a binding gives somebody, in words.
func right(b authz.Holding) string {
	text := b.Role
	if len(b.Repositories) > 0 {
		text += " on " + strings.Join(b.Repositories, ", ")
	}
	return text + " through " + strings.Join(b.Through, ", ")
}

// connectors are those of the configuration; of a directory each server by itself.
func (d *doctorCommand) connectors() []doctor.Connector {
	var out []doctor.Connector
	for _, c := range d.cfg.Connectors {
		parts := []configs.Connector{c}
		if c.Type == configs.TypeLDAP && len(c.LDAP.URLs) > 1 {
			parts = nil
			for _, url := range c.LDAP.URLs {
				one := c
				one.LDAP.URLs = []string{url}
				parts = append(parts, one)
			}
		}
		for _, part := range parts {
			name := strings.TrimSpace(part.Name + " " + strings.Join(part.LDAP.URLs, " ") + part.OIDC.IssuerURL)
			out = append(out, doctor.Connector{Name: name, Ask: func(ctx context.Context) (*doctor.Trouble, string) { return d.examine(ctx, part) }})
		}
	}
	return out
}
