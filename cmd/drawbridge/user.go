package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newUser() *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Act on what the servers know of people"}
	cmd.AddCommand(newUserForget())
	return addServer(cmd)
}

func newUserForget() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "forget NAME", Short: "Have everything forgotten that is cached about somebody, now",
		Long: `Has every server that uses the store of the configuration drop what it has cached
about a person: the groups, the password that was verified, refusals, and grace for
an outage. The next login asks the directory. It takes a second at most.

NAME is corp/alice, or alice for the person of that name in every connector. It is
the name in policies and audit logs; one that is typed at logins is good as well.
Case does not count, and a name that nobody has is forgotten all the same.

Use it when somebody has left, or has another password or other groups, and
cache.lookup_ttl is too long to wait. Tokens that were issued before stay good for
tokens.access_ttl.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	cmd.RunE = withOffice(func(cmd *cobra.Command, args []string, o office) error {
		if err := o.ForgetPerson(cmd.Context(), args[0], reason); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "forgotten: %s; every server asks anew within a second\n", args[0])
		return err
	})
	return cmd
}
