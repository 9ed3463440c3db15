package breakglass

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"strings"
	"time"

	"drawbridge/audit"
	"drawbridge/connectors"
	"drawbridge/identity"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

var _ connectors.Owner = (*Connector)(nil)

// Connector lets in who shows the password of the arming in force.
type Connector struct {
	watch *Watch
	clock func() time.Time
	audit Recorder
	log   *slog.Logger
}

// New returns a connector for the armings that the watch knows.
func New(w *Watch) *Connector {
	return &Connector{watch: w, clock: w.clock, audit: w.audit, log: w.log}
}

// Name implements [connectors.Connector].
func (*Connector) Name() string { return ConnectorName }

// Owns implements [connectors.Owner].
func (*Connector) Owns(cred identity.Credential) bool { return Owns(cred) }

// Owns reports whether a credential is the account's by its form, armed or not.
// Directories fold case.
func Owns(cred identity.Credential) bool {
	return strings.EqualFold(cred.Username, Username) || strings.HasPrefix(cred.Password.Reveal(), SecretPrefix)
}

// Authenticate implements [connectors.Connector]. It asks the store for none but the
// right password.
func (c *Connector) Authenticate(ctx context.Context, cred identity.Credential) connectors.Outcome {
	hash := sha256.Sum256([]byte(cred.Password.Reveal()))
	known, armed := c.watch.Armed()
	right := subtle.ConstantTimeCompare(hash[:], known.Hash[:]) == 1
	switch {
	case cred.Username != Username:
		return connectors.Denied(connectors.UnknownOrWrong)
	case !armed:
		return connectors.Denied(connectors.NotArmed)
	case !right:
		return connectors.Denied(connectors.WrongPassword).About(Identity().String())
	}
	now, _, err := c.watch.source.BreakGlass(ctx)
	if err != nil {
		return connectors.Unavailable(err)
	}
	if now.ID != known.ID || !now.InForce(c.clock()) || subtle.ConstantTimeCompare(hash[:], now.Hash[:]) != 1 {
		c.watch.Changed()
		return connectors.Denied(connectors.NotArmed).About(Identity().String())
	}
	c.log.WarnContext(ctx, "break-glass is used", "address", cred.Address, "armed_by", now.By, "reason", now.Reason, "until", now.ExpiresAt)
	c.audit.Record(audit.Event{
		Time: c.clock().UTC(), Action: audit.BreakglassUsed, Outcome: audit.Success,
		Personal: audit.Personal{User: Identity().String(), Target: now.By, SourceIP: cred.Address},
		Note:     now.Reason, Connector: ConnectorName, Method: string(identity.MethodPassword),
	})
	return connectors.Granted(Identity())
}

// Register has the registry show whether break-glass is armed.
func (w *Watch) Register(reg prometheus.Registerer) {
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "drawbridge_break_glass_armed", Help: "Whether the account breakglass may administer (1) or not (0).",
	}, func() float64 {
		if _, ok := w.Armed(); ok {
			return 1
		}
		return 0
	})
}
