package main

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"drawbridge/audit"
	"drawbridge/connectors"
	"drawbridge/connectors/breakglass"
	"drawbridge/identity"
	"drawbridge/store/feed"

	"github.com/spf13/cobra"
)

// openBreakGlass returns the link of the account breakglass, which is there without
// an entry in the configuration.
func (a *app) openBreakGlass() connectors.Link {
	a.glass = breakglass.NewWatch(a.store, time.Now, a.audit, a.log)
	a.feed.On(feed.BreakGlassChanged, func(feed.Change) { a.glass.Changed() })
	a.glass.Register(a.metrics)
	return connectors.Link{Connector: breakglass.New(a.glass)}
}

func newBreakGlass() *cobra.Command {
	cmd := &cobra.Command{
		Use: "breakglass", Short: "Administer for a while without the directory",
		Long: `For when the directory is down, nobody who administers can log in, and a role must
change now. It works on the store that the configuration names, and so on the host
that can read both; the API has no such call.

  drawbridge breakglass arm --for 30m --reason "LDAP is down, INC-4711"
  drawbridge breakglass status
  drawbridge breakglass disarm`,
	}
	cmd.AddCommand(newBreakGlassArm(), newBreakGlassDisarm(), newBreakGlassStatus())
	return cmd
}

// breakGlassReport is what the commands print.
type breakGlassReport struct {
	Armed bool `json:"armed"`
	// Username and Password are there once, when it is armed.
	Username string     `json:"username,omitempty"`
	Password string     `json:"password,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
	By       string     `json:"by,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	// Last says how the last one ended, where none is in force.
	Last string `json:"last,omitempty"`
}

func reportOf(a breakglass.Arming, now time.Time) breakGlassReport {
	switch {
	case a.InForce(now):
		return breakGlassReport{Armed: true, Until: &a.ExpiresAt, By: a.By, Reason: a.Reason}
	case a.ID == "":
		return breakGlassReport{}
	case !a.EndedAt.IsZero():
		return breakGlassReport{Last: fmt.Sprintf("armed by %s (%s), ended %s by %s", a.By, a.Reason, minute(a.EndedAt), a.EndedBy)}
	}
	return breakGlassReport{Last: fmt.Sprintf("armed by %s (%s), expired %s", a.By, a.Reason, minute(a.ExpiresAt))}
}

func (r breakGlassReport) text() string {
	var out strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&out, "%-10s%s\n", name, value)
		}
	}
	if !r.Armed {
		out.WriteString("break-glass is not armed\n")
		line("last:", r.Last)
		return out.String()
	}
	out.WriteString("break-glass is armed\n")
	line("username:", r.Username)
	line("password:", r.Password)
	line("until:", r.Until.UTC().Format(time.RFC3339))
	line("by:", r.By)
	line("reason:", r.Reason)
	return out.String()
}

func newBreakGlassArm() *cobra.Command {
	var howLong time.Duration
	var reason string
	cmd := &cobra.Command{
		Use: "arm --for DURATION --reason TEXT", Short: "Let the account breakglass administer, for a while",
		Long: `Makes a password for the account breakglass and prints it, once. Until the time is
over the account may do at the API and the console what a policy-admin may, whatever
the policy says; registries grant it nothing that they do not grant everybody. Every
server knows within a second, and says so in its log, its audit log, the console and
the metric drawbridge_break_glass_armed; every use is logged as well.

Arming again makes another password, and the one before is over.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().DurationVar(&howLong, "for", 0, fmt.Sprintf("for how long, %s to %s", short(breakglass.MinFor), short(breakglass.MaxFor)))
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	_ = cmd.MarkFlagRequired("for") // it is defined above
	_ = cmd.MarkFlagRequired("reason")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := openManaged(cmd)
		if err != nil {
			return err
		}
		defer m.close()
		arming, secret, err := breakglass.Arm(m.clock(), howLong, m.actor, reason, rand.Reader)
		if err != nil {
			return &exitError{code: 1, err: err}
		}
		announced, err := m.store.ArmBreakGlass(cmd.Context(), arming)
		if err != nil {
			return err
		}
		m.changes.Announce(cmd.Context(), announced...)
		m.audit.Act(cmd.Context(), breakGlassEvent(audit.BreakglassArmed, reason))
		return output.print(cmd.OutOrStdout(), armed(arming, secret), armed(arming, secret).text)
	}
	return cmd
}

// armed is the report that has the password.
func armed(a breakglass.Arming, secret identity.Secret) breakGlassReport {
	return breakGlassReport{
		Armed: true, Username: breakglass.Username, Password: secret.Reveal(), Until: &a.ExpiresAt, By: a.By, Reason: a.Reason,
	}
}

// breakGlassEvent is what the command writes into the audit log. Each server writes
// that it has heard of it as well.
func breakGlassEvent(action audit.Action, why string) audit.Event {
	return audit.Event{
		Action: action, Personal: audit.Personal{Target: breakglass.Identity().String()},
		Note: why, Connector: breakglass.ConnectorName,
	}
}

func newBreakGlassDisarm() *cobra.Command {
	cmd := &cobra.Command{
		Use: "disarm", Short: "End it now",
		Long: `Ends break-glass on every server at once, and refuses every token that the account
was given.

Exit code 0: done; 1: it was not armed; 2: could not be done.`,
		Args: cobra.NoArgs,
	}
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := openManaged(cmd)
		if err != nil {
			return err
		}
		defer m.close()
		before, announced, err := m.store.EndBreakGlass(cmd.Context(), m.clock(), m.actor)
		if err != nil {
			return err
		}
		m.changes.Announce(cmd.Context(), announced...)
		wasArmed := before.InForce(m.clock())
		if wasArmed {
			before.EndedAt, before.EndedBy = m.clock(), m.actor
			m.audit.Act(cmd.Context(), breakGlassEvent(audit.BreakglassEnded, before.Reason))
		}
		report := reportOf(before, m.clock())
		if err := output.print(cmd.OutOrStdout(), report, report.text); err != nil || wasArmed {
			return err
		}
		return problemsFound()
	}
	return cmd
}

func newBreakGlassStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Say whether it is armed, until when, by whom and why",
		Long: "Exit code 0: armed; 1: not armed; 2: could not tell.", Args: cobra.NoArgs,
	}
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := openManaged(cmd)
		if err != nil {
			return err
		}
		defer m.close()
		newest, _, err := m.store.BreakGlass(cmd.Context())
		if err != nil {
			return err
		}
		report := reportOf(newest, m.clock())
		if err := output.print(cmd.OutOrStdout(), report, report.text); err != nil || report.Armed {
			return err
		}
		return problemsFound()
	}
	return cmd
}
