package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"drawbridge/bridge/manage"
	"drawbridge/identity"
	"drawbridge/tokens/sessions"

	"github.com/spf13/cobra"
)

func newSession() *cobra.Command {
	cmd := &cobra.Command{Use: "session", Short: "See and end logins that last"}
	cmd.AddCommand(newSessionList(), newSessionRevoke())
	return addServer(cmd)
}

func newSessionList() *cobra.Command {
	var query manage.SessionQuery
	cmd := &cobra.Command{
		Use: "list", Short: "List the logins that hold a refresh token",
		Long: `Lists sessions: logins that a client may go on with by a refresh token instead of
the password, such as those of docker login. LAST USED is exact to a minute.

  drawbridge session list --user corp/alice
  drawbridge session list --all -o json

Exit code 0, also when there are none; 2: could not tell.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&query.Person, "user", "", "only those of this person: CONNECTOR/NAME")
	cmd.Flags().BoolVar(&query.Ended, "all", false, "also those that were ended or have expired lately")
	cmd.Flags().IntVar(&query.Limit, "limit", 1000, "how many at most; 0: all")
	output := addOutput(cmd)
	cmd.RunE = withOffice(func(cmd *cobra.Command, _ []string, o office) error {
		page, err := o.ListSessions(cmd.Context(), query)
		if err != nil {
			return err
		}
		if page.Next != "" {
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "only the first %d sessions; --limit has the number\n", query.Limit)
		}
		list := append([]sessions.Session{}, page.Sessions...) // as JSON, and not null
		return output.print(cmd.OutOrStdout(), list, func() string { return sessionTable(list, time.Now()) })
	})
	return cmd
}

func sessionTable(list []sessions.Session, now time.Time) string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "SESSION\tUSER\tREGISTRY\tCLIENT\tFROM\tBEGAN\tLAST USED\tENDS")
	for _, s := range list {
		row := []string{
			s.ID, s.Person.String(), s.Service, lately(s.ClientID, s.LastClientID), lately(s.Address, s.LastAddress),
			minute(s.CreatedAt), minute(s.LastUsedAt), sessionEnd(s, now),
		}
		for i, cell := range row {
			row[i] = identity.Printable(cell) // a client's own words among them
		}
		_, _ = fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	_ = table.Flush()
	return out.String()
}

// lately is what was there at the login and, if it is another one, what was last.
func lately(first, last string) string {
	if last != first {
		return first + ", then " + last
	}
	return first
}

func sessionEnd(s sessions.Session, now time.Time) string {
	switch {
	case s.RevokedAt.IsZero() && now.Before(s.ExpiresAt):
		return minute(s.ExpiresAt)
	case s.RevokedAt.IsZero():
		return "expired " + minute(s.ExpiresAt)
	}
	by := ""
	if s.RevokedBy != "" {
		by = " by " + s.RevokedBy
	}
	return "ended " + minute(s.RevokedAt) + by + ": " + s.RevokedReason
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02T15:04Z") }

func newSessionRevoke() *cobra.Command {
	var user, reason string
	cmd := &cobra.Command{
		Use: "revoke ID... | --user NAME", Short: "End logins that last, and the tokens that came of them",
		Long: `Ends sessions before their time. Their refresh tokens are refused at once, and their
access tokens by every gateway within a second (docs/gateway.md); a registry without
a gateway takes an access token until it ends, minutes later.

With --user it is everything that the person holds now: all sessions, every access
token, also one from a login with the password, and what the servers remember of
them. NAME is CONNECTOR/NAME or robot:NAME. It is no ban: whoever may still log in can
do so, so disable the account first.

  drawbridge session revoke 1aBcD2eFgH3iJkL4mNoP5q --reason "lost laptop"
  drawbridge session revoke --user corp/alice --reason "left the company"

Exit code 0: done, or ended before; 1: no such session; 2: could not be done.`,
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) == 0) == (user == "") {
				return errors.New("give the IDs that session list shows, or --user NAME, and not both")
			}
			if len(reason) > sessions.MaxReason {
				return fmt.Errorf("--reason has %d bytes; %d are kept", len(reason), sessions.MaxReason)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "everything of this person: CONNECTOR/NAME or robot:NAME")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever asks later")
	output := addOutput(cmd)
	cmd.RunE = withOffice(func(cmd *cobra.Command, ids []string, o office) error {
		report, err := manage.Ended{}, error(nil)
		if user != "" {
			report, err = o.EndPerson(cmd.Context(), user, reason)
		} else {
			report, err = o.EndSessions(cmd.Context(), ids, reason)
		}
		if err != nil {
			return err
		}
		if err := output.print(cmd.OutOrStdout(), report, func() string { return endedTable(report) }); err != nil {
			return err
		}
		if len(report.Unknown) > 0 {
			return problemsFound()
		}
		return nil
	})
	return cmd
}

func endedTable(r manage.Ended) string {
	var out strings.Builder
	for _, id := range r.Ended {
		fmt.Fprintln(&out, "ended:", id)
	}
	for _, id := range r.Unknown {
		fmt.Fprintf(&out, "no such session: %q\n", id)
	}
	if r.User != "" {
		fmt.Fprintf(&out, "everything that %s held is refused within a second\n", r.User)
	}
	return out.String()
}
