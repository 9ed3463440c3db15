package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"drawbridge/tokens"

	"github.com/spf13/cobra"
)

func newToken() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "End single access tokens"}
	cmd.AddCommand(newTokenRevoke())
	return addServer(cmd)
}

func newTokenRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "revoke ID|-", Short: "End one access token before its time",
		Long: `Ends one access token. ID is its jti, which the audit log has as
drawbridge.decision_id; an ID that begins with a dash goes after "--". With "-"
the token itself is read from standard input, for one that was found where it
does not belong.

Every server that shares the store knows of it within a second: gateways
(docs/gateway.md) and introspection then refuse the token. A registry without a
gateway takes it until it ends, minutes later. Other tokens of the same person are
not touched.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if username, _ := cmd.Flags().GetString("username"); username != "" && args[0] == "-" {
				return errors.New("standard input cannot be both the token and the password of --username")
			}
			id, err := tokenID(args[0], cmd.InOrStdin())
			if err != nil {
				return &exitError{code: 1, err: err}
			}
			return withOffice(func(cmd *cobra.Command, _ []string, o office) error {
				if err := o.RevokeToken(cmd.Context(), id, reason); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "revoked: %s; every server refuses it within a second\n", id)
				return err
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return cmd
}

// tokenID returns the argument, or the ID of the token that is read instead. The
// token is not verified: who may write to the store may revoke any ID.
func tokenID(arg string, stdin io.Reader) (string, error) {
	switch {
	case strings.Contains(arg, "."):
		return "", errors.New("this is no ID; give a token itself on standard input, with - in its place, since others can read the command line")
	case arg != "-":
		return arg, nil
	}
	token, err := bufio.NewReader(io.LimitReader(stdin, tokens.MaxTokenBytes+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the token: %w", err)
	}
	var claims struct {
		ID string `json:"jti"`
	}
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) == 3 {
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err == nil {
			_ = json.Unmarshal(payload, &claims) // then it has no ID
		}
	}
	if claims.ID == "" {
		return "", errors.New("standard input has no access token: one line of three parts with dots between them is expected")
	}
	return claims.ID, nil
}
