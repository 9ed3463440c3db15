package cache

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"drawbridge/identity"
	"drawbridge/trust"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// The bounds on what a Redis that is slow or gone may cost.
const (
	// DefaultTimeout covers one whole operation as a caller sees it: the wait for
	// a free connection, a dial, the write and the read. A dial that takes longer
	// goes on in the background and serves the next operation.
	DefaultTimeout = 250 * time.Millisecond
	// dialTimeout covers the TCP and the TLS handshake.
	dialTimeout = 500 * time.Millisecond
	// probeTimeout covers a probe, which may dial, shake hands and ask a sentinel.
	probeTimeout = time.Second
	// probeEvery is the pace of the probes while Redis is down.
	probeEvery = time.Second
)

// keyPrefix is before every key, so that Drawbridge can share a Redis.
const keyPrefix = "drawbridge:"

// RedisOptions says which Redis to use and how: see [ParseRedisURL].
type RedisOptions struct {
	// Addrs are host:port of the server, of the sentinels, or of some nodes of
	// the cluster.
	Addrs    []string
	Username string
	Password identity.Secret
	DB       int

	// TLS turns on TLS 1.2 or later; CAFile is a PEM bundle to trust instead of
	// the system's.
	TLS    bool
	CAFile string

	// MasterName is the name that the sentinels know the master by; setting it
	// makes Addrs those of sentinels.
	MasterName       string
	SentinelUsername string
	SentinelPassword identity.Secret

	// Cluster says that Addrs are nodes of a Redis Cluster.
	Cluster bool

	// Timeout bounds one operation. Zero means [DefaultTimeout].
	Timeout time.Duration

	// Log receives a line when Redis goes down and when it is back. Nil means
	// no log.
	Log *slog.Logger
}

func (o RedisOptions) validate() error {
	switch {
	case len(o.Addrs) == 0:
		return errHost
	case o.Cluster && o.MasterName != "":
		return errMode
	case o.Cluster && o.DB != 0:
		return errClusterN
	case len(o.Addrs) > 1 && !o.Cluster && o.MasterName == "":
		return errSeveral
	case o.MasterName == "" && (o.SentinelUsername != "" || !o.SentinelPassword.Empty()):
		return errSentinel
	case o.CAFile != "" && !o.TLS:
		return errors.New("a CA file is set but the URL does not begin with rediss://: the connection would not be encrypted")
	}
	return nil
}

// mode names the kind of installation for the log.
func (o RedisOptions) mode() string {
	switch {
	case o.Cluster:
		return "cluster"
	case o.MasterName != "":
		return "sentinel"
	}
	return "single"
}

// client returns the library's client. It does not connect.
func (o RedisOptions) client() (redis.UniversalClient, error) {
	dialer, err := o.dialer()
	if err != nil {
		return nil, err
	}
	return redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:            o.Addrs,
		DB:               o.DB,
		Username:         o.Username,
		Password:         o.Password.Reveal(),
		MasterName:       o.MasterName,
		SentinelUsername: o.SentinelUsername,
		SentinelPassword: o.SentinelPassword.Reveal(),
		IsClusterMode:    o.Cluster,
		Dialer:           dialer,

		DialTimeout:           dialTimeout,
		ReadTimeout:           o.Timeout,
		WriteTimeout:          o.Timeout,
		PoolTimeout:           o.Timeout,
		ConnMaxIdleTime:       5 * time.Minute,
		ContextTimeoutEnabled: true,
		// A login does not wait for second attempts: the library's defaults are
		// four of each command and five of each dial.
		MaxRetries:    -1,
		DialerRetries: 1,

		// Neither CLIENT SETINFO nor CLIENT MAINT_NOTIFICATIONS: they cost round
		// trips, and rights that a narrow ACL does not give.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}), nil
}

// dialer returns how connections are made, to servers and sentinels alike. The
// library's own TLS dialer does not stop when the context ends.
func (o RedisOptions) dialer() (func(ctx context.Context, network, addr string) (net.Conn, error), error) {
	d := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	if !o.TLS {
		return d.DialContext, nil
	}
	roots, err := trust.Load(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("the Redis CA file: %w", err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	// It takes the server name to verify from the address.
	return (&tls.Dialer{NetDialer: d, Config: cfg}).DialContext, nil
}
