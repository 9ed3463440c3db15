package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newHealth() *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use: "health", Short: "Ask the server on this machine whether it is ready",
		Long: `Asks /readyz on the telemetry address of the configuration. It is the health
check of the container image, which has no shell and no curl.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url == "" {
				cfg, err := loadConfig(cmd)
				if err != nil {
					return err
				}
				url = "http://" + dialable(cfg.Server.TelemetryAddr) + "/readyz"
			}
			return checkHealth(cmd.Context(), url, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "ask this URL instead of the configuration's telemetry address")
	return cmd
}

// dialable turns the address to listen on into one to connect to.
func dialable(addr string) string {
	for _, anyHost := range []string{"0.0.0.0:", "[::]:", ":"} {
		if port, ok := strings.CutPrefix(addr, anyHost); ok {
			return "127.0.0.1:" + port
		}
	}
	return addr
}

func checkHealth(ctx context.Context, url string, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("%q is no URL: %w", url, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return &exitError{code: 1, err: fmt.Errorf("no server answers (is drawbridge serve running?): %w", err)}
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if resp.StatusCode != http.StatusOK {
		return &exitError{code: 1, err: fmt.Errorf("%s", strings.TrimSpace(string(body)))}
	}
	_, err = fmt.Fprintln(stdout, "ready")
	return err
}
