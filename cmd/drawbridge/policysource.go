package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"

	"drawbridge/authz"
	"drawbridge/bridge"
	"drawbridge/configs"
	"drawbridge/store"
)

// policySource is where the policy document comes from: a file, or the newest
// revision in the store.
type policySource struct {
	file  string
	store *store.Store // nil: the file
	opts  authz.Options
}

// configuredPolicy returns the policy that the configuration means. close closes
// the store, if one was opened.
func configuredPolicy(ctx context.Context, cfg *configs.Config, opts authz.Options, log *slog.Logger) (_ *policySource, closeStore func(), err error) {
	if cfg.Policy.File != "" {
		return &policySource{file: cfg.Policy.File, opts: opts}, func() {}, nil
	}
	m, err := openManagedStore(ctx, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	return &policySource{store: m, opts: opts}, func() { _ = m.Close() }, nil
}

// name is what problems call the document.
func (s *policySource) name() string {
	if s.store != nil {
		return "policy"
	}
	return s.file
}

// read returns the document and what audit events call it.
func (s *policySource) read(ctx context.Context) (id string, text []byte, err error) {
	if s.store == nil {
		if text, err = os.ReadFile(s.file); err != nil {
			return "", nil, err
		}
		sum := sha256.Sum256(text)
		return "sha256:" + hex.EncodeToString(sum[:6]), text, nil
	}
	newest, err := s.store.NewestPolicy(ctx)
	if err == nil && newest.Number == 0 {
		err = errors.New("the store holds no policy yet: start the server once, or save one with `drawbridge policy apply FILE`")
	}
	return newest.ID(), []byte(newest.Text), err
}

func compileOptions(cfg *configs.Config) authz.Options {
	return authz.Options{HomeConnector: configs.HomeConnector(cfg)}
}

// strictOptions also refuse subjects and registries that are not configured.
// They are for checks: a server accepts such a document, since one document may
// serve several installations and what is not configured grants nothing.
func strictOptions(cfg *configs.Config) authz.Options {
	opts := compileOptions(cfg)
	for _, c := range cfg.Connectors {
		opts.Connectors = append(opts.Connectors, c.Name)
	}
	for _, r := range cfg.Registries {
		opts.Registries = append(opts.Registries, r.Service)
	}
	return opts
}

// load reads, checks and compiles the document; its tests have to pass.
func (s *policySource) load(ctx context.Context) (bridge.Revision, error) {
	id, text, err := s.read(ctx)
	if err != nil {
		return bridge.Revision{}, err
	}
	policy, err := s.compile(s.name(), text)
	if err != nil {
		return bridge.Revision{}, err
	}
	return bridge.Revision{ID: id, Policy: policy, Text: string(text)}, nil
}

func (s *policySource) compile(name string, text []byte) (*authz.Policy, error) {
	doc, err := authz.Parse(name, text)
	if err != nil {
		return nil, err
	}
	return doc.Compile(s.opts)
}

// watchedFiles are the files whose change calls for a reload.
func watchedFiles(cfg *configs.Config) []string {
	var files []string
	if cfg.Policy.File != "" {
		files = append(files, cfg.Policy.File)
	}
	if cfg.Server.TLS.Mode == configs.TLSFiles {
		files = append(files, cfg.Server.TLS.CertFile, cfg.Server.TLS.KeyFile)
	}
	for _, c := range cfg.Connectors {
		for _, file := range []string{c.HTPasswd.File, c.HTPasswd.GroupsFile} {
			if file != "" {
				files = append(files, file)
			}
		}
	}
	return files
}
