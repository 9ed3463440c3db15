package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"
)

// defaultTimeout bounds a login if the configuration does not.
const defaultTimeout = 5 * time.Second

// Deps is what a connector needs from its surroundings.
type Deps struct {
	// Log receives changes of the provider's state. Required.
	Log *slog.Logger
	// Clock is time.Now, or a test's.
	Clock func() time.Time
	// HTTPClient, if set, replaces the transport, in tests. Its other fields are
	// not used.
	HTTPClient *http.Client
	// Metrics takes what is measured; nil is nowhere.
	Metrics Metrics
}

// Connector verifies passwords at one OpenID Connect provider. It implements
// [connectors.Connector]. Close ends its background work.
type Connector struct {
	name          string
	clientID      string
	secret        identity.Secret
	scopes        []string
	usernameClaim string
	groupsClaim   string
	overage       *overage // nil: people with too many groups for a token are refused
	timeout       time.Duration
	provider      *provider

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// New makes the connector and begins to look for the provider, in the background:
// it fails on unusable settings alone, never because the provider is down.
func New(cfg configs.Connector, deps Deps) (*Connector, error) {
	o := cfg.OIDC
	c := &Connector{
		name:          cfg.Name,
		clientID:      o.ClientID,
		secret:        o.ClientSecret,
		scopes:        slices.Clone(o.Scopes),
		usernameClaim: o.UsernameClaim,
		groupsClaim:   o.GroupsClaim,
		timeout:       cfg.Timeout,
	}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if !slices.Contains(c.scopes, "openid") {
		c.scopes = append([]string{"openid"}, c.scopes...)
	}
	p, err := c.newProvider(o, deps)
	if err != nil {
		return nil, fmt.Errorf("connector %s: %w", cfg.Name, err)
	}
	c.provider = p
	if deps.Metrics != nil {
		deps.Metrics.Watch(c.Stats)
	}
	p.life, c.cancel = context.WithCancel(context.Background())
	c.done.Go(p.keep)
	return c, nil
}

func (c *Connector) newProvider(o configs.OIDC, deps Deps) (*provider, error) {
	if o.ClientID == "" || o.UsernameClaim == "" {
		return nil, errors.New("client_id and username_claim are required")
	}
	client, err := newClient(o.IssuerCAFile, o.Insecure, c.timeout, deps.HTTPClient)
	if err != nil {
		return nil, err
	}
	client.metrics = deps.Metrics
	if err := client.checkURL(o.IssuerURL); err != nil {
		return nil, fmt.Errorf("issuer_url: %w", err)
	}
	if c.overage, err = parseOverage(o.GroupsOverageURL, client); err != nil {
		return nil, fmt.Errorf("groups_overage_url: %w", err)
	}
	clock := deps.Clock
	if clock == nil {
		clock = time.Now
	}
	return &provider{
		issuer:  o.IssuerURL,
		client:  client,
		clock:   clock,
		log:     deps.Log.With("connector", c.name),
		timeout: c.timeout,
	}, nil
}

// Close stops the background work and what it has under way. Logins after it are
// Unavailable if the provider was never reached.
func (c *Connector) Close() error {
	c.cancel()
	c.done.Wait()
	c.provider.client.http.CloseIdleConnections()
	return nil
}

// Name returns the connector's name from the configuration.
func (c *Connector) Name() string { return c.name }

// Authenticate verifies a password at the provider. It is never NotMine; see the
// tables in the package comment.
func (c *Connector) Authenticate(ctx context.Context, cred identity.Credential) connectors.Outcome {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	id, err := c.login(ctx, cred)
	if err != nil {
		return outcomeOf(fmt.Errorf("log in at %s: %w", c.provider.issuer, err))
	}
	return connectors.Granted(id)
}

func (c *Connector) login(ctx context.Context, cred identity.Credential) (identity.Identity, error) {
	meta, keys, err := c.provider.get(ctx)
	if err != nil {
		return identity.Identity{}, err
	}
	tokens, err := c.passwordGrant(ctx, meta, cred)
	if err != nil {
		return identity.Identity{}, err
	}
	subject, token, err := c.verify(ctx, meta, keys, tokens.IDToken)
	if err != nil {
		return identity.Identity{}, err
	}
	all, err := c.collect(ctx, meta, tokens.AccessToken, subject, token)
	if err != nil {
		return identity.Identity{}, err
	}
	id := identity.Identity{Kind: identity.User, Connector: c.name, StableID: subject, Method: identity.MethodPassword}
	if id.Name, err = all.username(c.usernameClaim); err != nil {
		return identity.Identity{}, err
	}
	if id.Groups, err = all.groups(c.groupsClaim); err != nil {
		return identity.Identity{}, err
	}
	mail, _ := all.find("email")
	id.Mail, _ = mail.(string)
	return id, nil
}

// collect returns the claims to read: those of the ID token, if a wanted one is
// absent there those of userinfo, and before both the groups that the provider left
// out and tells so.
func (c *Connector) collect(ctx context.Context, meta *metadata, accessToken, subject string, token claims) (sources, error) {
	all, over := sources{token}, token.overage(c.groupsClaim)
	_, named := token.find(c.usernameClaim)
	_, grouped := token.find(c.groupsClaim)
	complete := named && (grouped || over || c.groupsClaim == "")
	if over && c.overage == nil {
		return nil, errOverage
	}
	if !complete && meta.UserInfoURL != "" && accessToken != "" {
		info, err := c.userinfo(ctx, meta, accessToken, subject)
		if err != nil {
			return nil, err
		}
		all, over = append(all, info), over || info.overage(c.groupsClaim)
	}
	if !over {
		return all, nil
	}
	if c.overage == nil || c.groupsClaim != entraGroups {
		return nil, errOverage
	}
	groups, err := c.fetchOverage(ctx, accessToken)
	if err != nil {
		return nil, err
	}
	return append(sources{{entraGroups: groups}}, all...), nil
}
