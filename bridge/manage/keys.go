package manage

import (
	"context"
	"errors"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/tokens"
)

// Keys is what a [Desk] needs of the signing keys; tokens.Keys is one.
type Keys interface {
	List(ctx context.Context) ([]tokens.KeyInfo, error)
	// RollLeaves has every process make a new leaf, RevokeLeaves has the tokens of
	// the old ones refused as well.
	RollLeaves(ctx context.Context, o tokens.Order) ([]tokens.Record, error)
	RevokeLeaves(ctx context.Context, o tokens.Order) ([]tokens.Record, error)
}

// Key is a signing key of any replica.
type Key struct {
	KeyID     string      `json:"kid"`
	Use       tokens.Role `json:"use" enum:"ca,leaf,static"`
	State     string      `json:"state" enum:"next,signing,verifying,revoked"`
	Service   string      `json:"service,omitempty" doc:"Whose key of its own it is."`
	Algorithm string      `json:"algorithm,omitempty"`
	Replica   string      `json:"replica,omitempty" doc:"Which process made it."`
	NotBefore time.Time   `json:"not_before"`
	NotAfter  time.Time   `json:"not_after"`
	Until     *time.Time  `json:"until,omitempty" doc:"When the last token of a key that signs no more is over."`
	RevokedAt *time.Time  `json:"revoked_at,omitempty"`
	// Fingerprint is the SHA-256 of a CA's certificate, in hex.
	Fingerprint string `json:"fingerprint_sha256,omitempty" doc:"Of a CA's certificate."`
	// Mounted is the file that registries are given for it.
	Mounted string `json:"mounted,omitempty" doc:"The file on the server's host that registries are given."`
}

// ListKeys lists the signing keys of all replicas: CAs, leaves, static keys.
func (d *Desk) ListKeys(ctx context.Context, a Actor) ([]Key, error) {
	if err := a.need(authz.ReadAudit); err != nil {
		return nil, err
	}
	infos, err := d.Keys.List(ctx)
	if err != nil {
		return nil, failure(err)
	}
	list := make([]Key, 0, len(infos))
	for _, info := range infos {
		list = append(list, d.key(info))
	}
	return list, nil
}

func (d *Desk) key(info tokens.KeyInfo) Key {
	k := Key{
		KeyID: info.KeyID, Use: info.Role, State: info.State, Service: info.Service, Algorithm: string(info.Algorithm),
		Replica: info.Replica, NotBefore: info.NotBefore.UTC(), NotAfter: info.NotAfter.UTC(), Fingerprint: info.Fingerprint,
	}
	if d.Mounted != nil {
		k.Mounted = d.Mounted(info)
	}
	for _, at := range []struct {
		from time.Time
		to   **time.Time
	}{{info.Until, &k.Until}, {info.RevokedAt, &k.RevokedAt}} {
		if !at.from.IsZero() {
			utc := at.from.UTC()
			*at.to = &utc
		}
	}
	return k
}

// RotateKeys has every replica make a new leaf key now. In an emergency every token
// that the old ones have signed is refused as well. It returns the old ones: running
// replicas replace them within a second.
//
// Static keys and the CA are replaced on the host, with `drawbridge keys rotate`:
// registries have to be given files and restarted for them.
func (d *Desk) RotateKeys(ctx context.Context, a Actor, emergency bool, act Act) ([]string, error) {
	action := audit.KeyRotated
	if emergency {
		action = audit.KeyRevoked
	}
	kids, err := d.rotateKeys(ctx, a, emergency, act)
	if err != nil {
		d.refused(a, act, audit.Event{Action: action, Note: act.Reason}, err)
		return nil, failure(err)
	}
	if !act.DryRun {
		for _, kid := range kids {
			d.act(ctx, a, audit.Event{Action: action, Personal: audit.Personal{Target: kid}, Note: act.Reason})
		}
	}
	return kids, nil
}

func (d *Desk) rotateKeys(ctx context.Context, a Actor, emergency bool, act Act) ([]string, error) {
	if err := a.need(authz.WritePolicy); err != nil {
		return nil, err
	}
	if err := checkReason(act.Reason); err != nil {
		return nil, err
	}
	kids := []string{}
	if act.DryRun {
		infos, err := d.Keys.List(ctx)
		for _, info := range infos {
			if info.Role == tokens.RoleLeaf && (info.State == tokens.ShownSigning || emergency && info.State == tokens.ShownVerifying) {
				kids = append(kids, info.KeyID)
			}
		}
		return kids, err
	}
	roll := d.Keys.RollLeaves
	if emergency {
		roll = d.Keys.RevokeLeaves
	}
	leaves, err := roll(ctx, tokens.Order{By: a.Name, Reason: act.Reason})
	for _, leaf := range leaves {
		kids = append(kids, leaf.KeyID)
	}
	if err != nil && !errors.Is(err, store.ErrUnavailable) {
		err = &identity.Error{Kind: identity.Conflict, Message: "The keys were not replaced: " + err.Error() + ".", Err: err}
	}
	return kids, err
}
