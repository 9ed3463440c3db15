package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"drawbridge/authz"
	"drawbridge/bridge/manage"
	"drawbridge/configs"
	"drawbridge/connectors/robot"

	"github.com/spf13/cobra"
)

func newRobot() *cobra.Command {
	cmd := &cobra.Command{
		Use: "robot", Short: "Make, rotate, list and delete machine accounts",
		Long: `Robots are the accounts of build jobs and other programs. They are kept in the
store that --config names; running servers follow within a second. A secret is
printed once, on standard output, when it is made.

A robot may do what the policy grants robot:NAME; ` + "`drawbridge login-test robot.NAME`" + ` says
what that is.`,
	}
	cmd.AddCommand(newRobotCreate(), newRobotRotate(), newRobotList(), newRobotDelete(),
		newRobotDisable(true), newRobotDisable(false))
	return addServer(cmd)
}

type createFlags struct {
	owner, description string
	ttl                duration
	cidrs              []string
}

func newRobotCreate() *cobra.Command {
	var flags createFlags
	cmd := &cobra.Command{
		Use:   "create NAME --owner GROUP",
		Short: "Make a robot and print its first secret",
		Long: `The robot logs in as robot.NAME, and policies call it robot:NAME. NAME is made of
a-z and 0-9, with single '.', '_' or '-' between them. The owner is the group that
answers for it, with its connector; it grants nothing.

  drawbridge robot create payments-ci --owner corp/payments-leads --cidr 10.0.0.0/8
  drawbridge robot create scanner --owner corp/security --ttl 30d > /run/secrets/scanner

Every robot expires: after --ttl, which robots.max_ttl of the configuration bounds.

Exit code 0: made; 1: refused, such as a name that is taken; 2: could not tell.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&flags.owner, "owner", "", "group that answers for the robot, as in corp/payments-leads (required)")
	cmd.Flags().StringVar(&flags.description, "description", "", "what it is for")
	cmd.Flags().Var(&flags.ttl, "ttl", "how long it lives, such as 90d or 36h (default 90d, or robots.max_ttl where that is less)")
	cmd.Flags().StringArrayVar(&flags.cidrs, "cidr", nil, "network it may come from, such as 10.0.0.0/8 (repeatable; default: any)")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req, err := flags.request(args[0])
		if err != nil {
			return &exitError{code: 1, err: err}
		}
		return withOffice(func(cmd *cobra.Command, _ []string, o office) error {
			made, err := o.CreateRobot(cmd.Context(), req)
			if err != nil {
				return err
			}
			return printSecret(cmd, output, "made", made)
		})(cmd, args)
	}
	return cmd
}

func (f createFlags) request(name string) (robot.Request, error) {
	req := robot.Request{Name: name, Description: f.description, TTL: f.ttl.Duration}
	if f.ttl.set && f.ttl.Duration == 0 {
		return req, errors.New("every robot expires: --ttl is more than 0")
	}
	var err error
	if req.Owner, err = checkOwner(f.owner); err != nil {
		return req, err
	}
	for _, text := range f.cidrs {
		var cidr netip.Prefix
		if cidr, err = robot.ParseCIDR(text); err != nil {
			return req, fmt.Errorf("--cidr: %w", err)
		}
		req.CIDRs = append(req.CIDRs, cidr)
	}
	return req, nil
}

// checkOwner reads --owner, with or without the "group:" of policies. Only its
// directory knows the group.
func checkOwner(text string) (string, error) {
	if text == "" {
		return "", errors.New("--owner is required: the group that answers for the robot, as in corp/payments-leads")
	}
	group, err := authz.ParsePrincipal("group:" + strings.TrimPrefix(text, "group:"))
	if err != nil {
		return "", fmt.Errorf("--owner: %w", err)
	}
	return group.Connector + "/" + group.Name, nil
}

// printSecret prints the secret on standard output, and on standard error what to do
// with it.
func printSecret(cmd *cobra.Command, output *output, done string, made manage.NewSecret) error {
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "robot:%s is %s and expires on %s. Its secret is on standard output and is not shown again.\n"+
		"To log in, give it to: docker login -u %s --password-stdin %s\n",
		made.Name, done, made.ExpiresAt.UTC().Format(time.RFC3339), made.Username, registryHost(cmd))
	if err := output.print(cmd.OutOrStdout(), made, func() string { return made.Secret + "\n" }); err != nil {
		return fmt.Errorf("robot:%s is %s, but its secret could not be printed and is lost (make another with `drawbridge robot rotate`): %w",
			made.Name, done, err)
	}
	return nil
}

// registryHost is where one logs in, as far as a configuration here says. Without
// any, docker would send the secret to Docker Hub.
func registryHost(cmd *cobra.Command) string {
	if server, err := serverURL(cmd); err != nil || server != "" {
		return "REGISTRY"
	}
	cfg, err := loadConfig(cmd)
	if err != nil {
		return "REGISTRY"
	}
	return hostOfRegistry(cfg)
}

func hostOfRegistry(cfg *configs.Config) string {
	for _, r := range cfg.Registries {
		if u, err := url.Parse(r.URL); err == nil && u.Host != "" {
			return u.Host
		}
	}
	return "REGISTRY"
}
