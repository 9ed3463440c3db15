package main

import (
	"errors"
	"fmt"
	"time"

	"drawbridge/connectors/robot"

	"github.com/spf13/cobra"
)

func newRobotRotate() *cobra.Command {
	overlap, ttl := duration{Duration: robot.DefaultOverlap}, duration{}
	cmd := &cobra.Command{
		Use:   "rotate NAME",
		Short: "Give a robot another secret, and print it",
		Long: `The secret before goes on for --overlap, so that jobs can be given the new one
without haste; a secret before that is over now. With --overlap 0 the one before is
over now as well, and so are the tokens that the robot has: for a secret that leaked.

With --ttl the robot is renewed: it expires that long from now.

Exit code 0: done; 1: refused; 2: could not tell.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().Var(&overlap, "overlap", "how long the secret before goes on, at most to the robot's end")
	cmd.Flags().Var(&ttl, "ttl", "renew the robot for that long, such as 90d (default: it ends when it would have)")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if ttl.set && ttl.Duration == 0 {
			return &exitError{code: 1, err: errors.New("every robot expires: --ttl is more than 0")}
		}
		return withOffice(func(cmd *cobra.Command, args []string, o office) error {
			rotated, err := o.RotateRobot(cmd.Context(), args[0], robot.Rotation{Overlap: overlap.Duration, TTL: ttl.Duration})
			if err != nil {
				return err
			}
			for _, s := range rotated.CutShort {
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "the secret %s, which would have gone on until %s, is over: a robot has at most %d\n",
					s.ID, s.ExpiresAt.UTC().Format(time.RFC3339), robot.MaxSecrets)
			}
			return printSecret(cmd, output, "rotated", rotated)
		})(cmd, args)
	}
	return cmd
}

func newRobotDelete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME",
		Short: "Remove a robot, its secrets and its tokens",
		Long: `The robot cannot log in any more, and its tokens are revoked: whoever asks Drawbridge
about a token refuses them within a second; a registry that asks nobody accepts them
until they expire (tokens.access_ttl). Bindings of the policy that name robot:NAME stay,
and would hold for another robot of that name.

Exit code 0: done; 1: there is no such robot; 2: could not tell.`,
		Args: cobra.ExactArgs(1),
		RunE: withOffice(func(cmd *cobra.Command, args []string, o office) error {
			if err := o.DeleteRobot(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "robot:%s is deleted\n", args[0])
			return err
		}),
	}
}

// newRobotDisable returns the command that disables a robot, or the one that enables
// it again.
func newRobotDisable(disable bool) *cobra.Command {
	cmd := &cobra.Command{
		Use: "enable NAME", Short: "Let a disabled robot log in again",
		Args: cobra.ExactArgs(1),
	}
	done := "enabled"
	if disable {
		cmd.Use, cmd.Short, done = "disable NAME", "Stop a robot from logging in, and revoke its tokens", "disabled"
	}
	cmd.RunE = withOffice(func(cmd *cobra.Command, args []string, o office) error {
		if err := o.DisableRobot(cmd.Context(), args[0], disable); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "robot:%s is %s\n", args[0], done)
		return err
	})
	return cmd
}
