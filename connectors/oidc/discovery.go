package oidc

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	retryMin     = time.Second      // between two tries, also of logins that find no metadata
	retryMax     = 30 * time.Second // of the background loop
	refreshEvery = time.Hour
)

// metadata is what is used of the discovery document (OpenID Connect Discovery
// 1.0 section 3).
type metadata struct {
	Issuer      string   `json:"issuer"`
	TokenURL    string   `json:"token_endpoint"`
	JWKSURL     string   `json:"jwks_uri"`
	UserInfoURL string   `json:"userinfo_endpoint"`
	Algorithms  []string `json:"id_token_signing_alg_values_supported"`
	AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	GrantTypes  []string `json:"grant_types_supported"`
}

// provider is the metadata and the keys of one issuer, kept up to date.
type provider struct {
	issuer  string
	client  *client
	clock   func() time.Time
	log     *slog.Logger
	life    context.Context // ends with Close; what fetches outlives the login that caused it
	timeout time.Duration   // of one fetch

	flight singleflight.Group
	mu     sync.Mutex
	meta   *metadata // the last good ones; nil before the first
	keys   *keySet   // of meta
	tried  time.Time
	err    error // of the last try
}

// get returns the metadata and keys. It fetches them only if there are none yet,
// and at most once in retryMin: a login flood does not hold a provider down.
func (p *provider) get(ctx context.Context) (*metadata, *keySet, error) {
	p.mu.Lock()
	meta, keys, err := p.meta, p.keys, p.err
	recent := p.clock().Sub(p.tried) < retryMin
	p.mu.Unlock()
	switch {
	case meta != nil:
		return meta, keys, nil
	case err != nil && recent:
		return nil, nil, err
	}
	select {
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("wait for discovery: %w", ctx.Err())
	case <-p.flight.DoChan("", p.refresh):
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.meta == nil {
		return nil, nil, p.err
	}
	return p.meta, p.keys, nil
}

// keep fetches the metadata until it succeeds and then hourly, until Close.
func (p *provider) keep() {
	delay := retryMin
	for {
		_, err, _ := p.flight.Do("", p.refresh)
		wait := refreshEvery
		if err != nil {
			wait, delay = delay, min(2*delay, retryMax)
		} else {
			delay = retryMin
		}
		timer := time.NewTimer(wait)
		select {
		case <-p.life.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// refresh fetches once. Only one runs at a time.
func (p *provider) refresh() (any, error) {
	ctx, cancel := context.WithTimeout(p.life, p.timeout)
	defer cancel()
	meta, err := p.fetch(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life.Err() == nil {
		p.logChange(meta, err)
	}
	p.tried, p.err = p.clock(), err
	if err != nil {
		return nil, err
	}
	// The key set outlives a refresh: so do its cooldown and its memory of bad
	// key IDs.
	if p.keys == nil || p.keys.url != meta.JWKSURL {
		p.keys = newKeySet(p, meta.JWKSURL)
	}
	p.meta = meta
	return nil, nil
}

// logChange reports the first failure of a row and the end of it.
func (p *provider) logChange(meta *metadata, err error) {
	switch {
	case err != nil && (p.err == nil || p.err.Error() != err.Error()):
		p.log.Warn("the identity provider cannot be reached or used; trying on", "issuer", p.issuer, "error", err)
	case err == nil && (p.meta == nil || p.err != nil):
		p.log.Info("the identity provider is known", "issuer", p.issuer)
		if len(meta.GrantTypes) > 0 && !slices.Contains(meta.GrantTypes, "password") {
			p.log.Warn("the identity provider does not list the password grant; logins may fail", "issuer", p.issuer)
		}
	}
}

func (p *provider) fetch(ctx context.Context) (*metadata, error) {
	meta := new(metadata)
	from := strings.TrimSuffix(p.issuer, "/") + "/.well-known/openid-configuration"
	if err := p.client.getJSON(ctx, opDiscovery, from, meta); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	// Discovery 1.0 section 4.3: they must be identical, or one tenant could
	// speak for another.
	if meta.Issuer != p.issuer {
		return nil, misconfigured("discovery: the provider calls itself %q; set issuer_url to exactly that if it is right", meta.Issuer)
	}
	endpoints := map[string]string{"token_endpoint": meta.TokenURL, "jwks_uri": meta.JWKSURL}
	if meta.UserInfoURL != "" {
		endpoints["userinfo_endpoint"] = meta.UserInfoURL
	}
	for name, endpoint := range endpoints {
		if err := p.client.checkURL(endpoint); err != nil {
			return nil, misconfigured("discovery: the provider's %s: %w", name, err)
		}
	}
	return meta, nil
}
