package robot

import (
	"context"
	"net/netip"
	"time"

	"drawbridge/audit"
	"drawbridge/identity"
	"drawbridge/store/feed"
)

// may asks May, if there is one.
func (m *Manager) may(bot Robot) error {
	if m.May == nil {
		return nil
	}
	return m.May(bot)
}

// check refuses an act on the robot as it is.
func (m *Manager) check(bot Robot) error {
	if err := m.may(bot); err != nil {
		return err
	}
	if m.Expect != "" && m.Expect != bot.Version() {
		return &identity.Error{
			Kind: identity.Stale, Message: "The robot " + bot.Name + " was changed since you read it; read it again and decide again.",
		}
	}
	return nil
}

// update is the store's, with the checks before and after.
func (m *Manager) update(ctx context.Context, name string, edit func(*Robot) ([]feed.Change, error)) ([]feed.Change, error) {
	return m.Store.UpdateRobot(ctx, name, func(bot *Robot) ([]feed.Change, error) {
		if err := m.check(*bot); err != nil {
			return nil, err
		}
		changes, err := edit(bot)
		if err != nil {
			return nil, err
		}
		return changes, m.may(*bot)
	})
}

// SetDisabled stops a robot from logging in, and ends its tokens, or lets it log in
// again.
func (m *Manager) SetDisabled(ctx context.Context, name string, disabled bool) error {
	_, err := m.Edit(ctx, name, Edit{Disabled: &disabled})
	return err
}

// Edit is what is to become of a robot. What is nil or zero stays.
type Edit struct {
	Owner, Description *string
	CIDRs              *[]netip.Prefix
	// TTL renews the robot for that long from now.
	TTL      time.Duration
	Disabled *bool
}

// onlyDisables reports whether the edit has no other part.
func (e Edit) onlyDisables() bool {
	return e.Disabled != nil && e.Owner == nil && e.Description == nil && e.CIDRs == nil && e.TTL == 0
}

// Edit changes a robot, and its secrets not. A robot that is disabled by it, or may
// come from fewer networks, loses its tokens.
func (m *Manager) Edit(ctx context.Context, name string, edit Edit) (Robot, error) {
	now := m.now()
	var out Robot
	stored, err := m.update(ctx, name, func(bot *Robot) ([]feed.Change, error) {
		if err := m.apply(bot, edit, now); err != nil {
			return nil, err
		}
		out = *bot
		changes := []feed.Change{m.edited(name, now)}
		if edit.Disabled != nil && *edit.Disabled || edit.CIDRs != nil {
			changes = append(changes, m.revoked(name, now))
		}
		return changes, nil
	})
	if err != nil {
		return Robot{}, err
	}
	if edit.Disabled != nil {
		action := audit.RobotEnabled
		if *edit.Disabled {
			action = audit.RobotDisabled
		}
		m.done(ctx, stored, action, name, now)
		stored = nil // announced
	}
	if !edit.onlyDisables() {
		m.done(ctx, stored, audit.RobotChanged, name, now)
	}
	return out, nil
}

// apply changes the robot in memory.
func (m *Manager) apply(bot *Robot, edit Edit, now time.Time) error {
	if edit.Owner != nil {
		bot.Owner = *edit.Owner
	}
	if edit.Description != nil {
		bot.Description = *edit.Description
	}
	if edit.CIDRs != nil {
		bot.CIDRs = *edit.CIDRs
	}
	if edit.Disabled != nil {
		bot.Disabled = *edit.Disabled
	}
	for _, err := range []error{checkOwner(bot.Owner), checkDescription(bot.Description), checkCIDRs(bot.CIDRs)} {
		if err != nil {
			return err
		}
	}
	if edit.TTL == 0 {
		return nil
	}
	var err error
	bot.ExpiresAt, err = m.expiry(now, edit.TTL)
	return err
}

// Delete removes a robot, and ends its tokens.
func (m *Manager) Delete(ctx context.Context, name string) error {
	now := m.now()
	stored, err := m.Store.DeleteRobot(ctx, name, m.check, m.edited(name, now), m.revoked(name, now))
	if err != nil {
		return err
	}
	m.done(ctx, stored, audit.RobotDeleted, name, now)
	return nil
}
