package manage

import (
	"time"

	"drawbridge/connectors/robot"
)

// RobotInfo is a robot as people are shown one.
type RobotInfo struct {
	Name        string       `json:"name" example:"payments-ci"`
	Username    string       `json:"username" doc:"What it logs in as." example:"robot.payments-ci"`
	Owner       string       `json:"owner" doc:"The group that answers for it." example:"corp/payments-leads"`
	Description string       `json:"description,omitempty"`
	State       robot.State  `json:"state" enum:"active,expiring,expired,disabled"`
	CIDRs       []string     `json:"cidrs" nullable:"false" doc:"The networks it may come from; none: from anywhere."`
	CreatedAt   time.Time    `json:"created_at"`
	CreatedBy   string       `json:"created_by"`
	ExpiresAt   time.Time    `json:"expires_at"`
	LastUsedAt  time.Time    `json:"last_used_at,omitzero"`
	LastAddress string       `json:"last_address,omitempty"`
	Secrets     []SecretInfo `json:"secrets" nullable:"false"`
}

// SecretInfo is a secret without its text, which nobody has, and without its hash.
type SecretInfo struct {
	ID          string    `json:"id"`
	Live        bool      `json:"live"`
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	LastUsedAt  time.Time `json:"last_used_at,omitzero"`
	LastAddress string    `json:"last_address,omitempty"`
}

// NewSecret is a robot that was given a secret.
type NewSecret struct {
	RobotInfo
	// Secret is told this once; a dry run has none.
	Secret string `json:"secret,omitempty" doc:"Told this once, and by no dry run."`
	// CutShort are secrets that were rotated out before their own end.
	CutShort []SecretInfo `json:"cut_short,omitempty" doc:"Secrets that are over before their own end, since a robot has at most two."`
}

// InfoOf describes the robot at that time.
func InfoOf(bot robot.Robot, now time.Time) RobotInfo {
	v := RobotInfo{
		Name: bot.Name, Username: robot.Username(bot.Name), Owner: bot.Owner, Description: bot.Description, State: bot.State(now),
		CIDRs: []string{}, CreatedAt: bot.CreatedAt, CreatedBy: bot.CreatedBy, ExpiresAt: bot.ExpiresAt,
		Secrets: secretInfos(bot.Secrets, now),
	}
	v.LastUsedAt, v.LastAddress = bot.LastUsed()
	for _, cidr := range bot.CIDRs {
		v.CIDRs = append(v.CIDRs, cidr.String())
	}
	return v
}

// NewSecretOf describes a robot that was given the secret.
func NewSecretOf(rotated robot.Rotated, now time.Time) NewSecret {
	v := NewSecret{RobotInfo: InfoOf(rotated.Robot, now), Secret: rotated.Secret.Reveal()}
	if len(rotated.CutShort) > 0 {
		v.CutShort = secretInfos(rotated.CutShort, now)
	}
	return v
}

func secretInfos(secrets []robot.Secret, now time.Time) []SecretInfo {
	list := make([]SecretInfo, 0, len(secrets))
	for _, s := range secrets {
		list = append(list, SecretInfo{
			ID: s.ID, Live: now.Before(s.ExpiresAt), CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt,
			LastUsedAt: s.LastUsedAt, LastAddress: s.LastAddress,
		})
	}
	return list
}
