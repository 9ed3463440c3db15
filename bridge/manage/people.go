package manage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/connectors"
	"drawbridge/store/feed"
	"drawbridge/tokens/revocation"
)

// ForgetPerson has every server drop what it has cached about somebody: the groups,
// the verified password, refusals, and grace for an outage. who is corp/alice, or
// alice for the person of that name in every connector.
func (d *Desk) ForgetPerson(ctx context.Context, a Actor, who string, act Act) error {
	event := audit.Event{Action: audit.UserForgotten, Personal: audit.Personal{Target: who}, Note: act.Reason}
	err := d.forget(ctx, a, who, act)
	if err != nil {
		d.refused(a, act, event, err)
	} else if !act.DryRun {
		d.act(ctx, a, event)
	}
	return failure(err)
}

func (d *Desk) forget(ctx context.Context, a Actor, who string, act Act) error {
	if err := a.need(authz.WritePolicy); err != nil {
		return err
	}
	if err := d.checkForget(who); err != nil {
		return invalid(err)
	}
	if err := checkReason(act.Reason); err != nil || act.DryRun {
		return err
	}
	now := d.Clock().UTC()
	err := d.Changes.Append(ctx, feed.Change{
		Kind: feed.Forget, Value: who, At: now, By: a.Name, Reason: act.Reason, ExpiresAt: now.Add(connectors.ForgetFor),
	})
	if err != nil {
		return fmt.Errorf("forget %s: %w", who, err)
	}
	return nil
}

// checkForget refuses a name that means nobody by mistake: somebody would believe
// that it was forgotten.
func (d *Desk) checkForget(name string) error {
	if len(name) > connectors.MaxUsername || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) ||
		strings.TrimSpace(name) != name || name == "" {
		return errors.New("the name is empty, too long or not a name")
	}
	connector, rest, qualified := strings.Cut(name, "/")
	if !qualified {
		return nil
	}
	known := make([]string, 0, len(d.Connectors))
	for _, c := range d.Connectors {
		known = append(known, c.Name)
	}
	if rest == "" || !slices.Contains(known, strings.ToLower(connector)) {
		return fmt.Errorf("%q: %q is no connector of the configuration; they are %s", name, connector, strings.Join(known, ", "))
	}
	return nil
}

// RevokeToken ends one access token, by its jti. That there is no such token, or
// it was revoked before, is no error.
func (d *Desk) RevokeToken(ctx context.Context, a Actor, id string, act Act) error {
	event := audit.Event{Action: audit.TokenRevoked, DecisionID: id, Note: act.Reason}
	err := d.revokeToken(ctx, a, id, act)
	if err != nil {
		d.refused(a, act, event, err)
	} else if !act.DryRun {
		d.act(ctx, a, event)
	}
	return failure(err)
}

func (d *Desk) revokeToken(ctx context.Context, a Actor, id string, act Act) error {
	if err := a.need(authz.WritePolicy); err != nil {
		return err
	}
	if strings.Contains(id, ".") {
		return invalid(errors.New("this is no ID of a token: it has a dot, as a token itself has"))
	}
	if err := checkReason(act.Reason); err != nil {
		return err
	}
	writer := revocation.Writer(d.Changes)
	if act.DryRun {
		writer = nowhere{}
	}
	return revocation.NewRevoker(writer, d.Clock).Token(ctx, id, revocation.Order{By: a.Name, Reason: act.Reason})
}

// nowhere keeps nothing, for a dry run.
type nowhere struct{}

// Append implements [revocation.Writer].
func (nowhere) Append(context.Context, ...feed.Change) error { return nil }
