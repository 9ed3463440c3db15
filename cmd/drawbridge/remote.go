package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"drawbridge/identity"
	"drawbridge/server/admin/client"

	"github.com/spf13/cobra"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// remoteTimeout bounds one request to a server.
const remoteTimeout = 30 * time.Second

// addServer gives a command and those below it the flags for a server elsewhere.
func addServer(cmd *cobra.Command) *cobra.Command {
	flags := cmd.PersistentFlags()
	flags.String("server", "", "URL of a server to do it at, instead of its store (or DRAWBRIDGE_SERVER)")
	flags.String("username", "", "with --server: log in as this, with the password on standard input (default: as docker login has stored it)")
	flags.String("ca-file", "", "with --server: PEM file of the certificates that vouch for it (default: the system's)")
	flags.String("cert-file", "", "with --server: PEM file of a client certificate to show, where the server asks for one")
	flags.String("key-file", "", "with --server: its PEM key")
	return cmd
}

// serverURL returns the server that a command is to work at; empty: none. A
// configuration that is named on the command line comes before the environment.
func serverURL(cmd *cobra.Command) (string, error) {
	server, _ := cmd.Flags().GetString("server")
	config := cmd.Flags().Changed("config")
	switch {
	case server != "" && config:
		return "", errors.New("give --server or --config, and not both")
	case server == "" && !config:
		server = os.Getenv("DRAWBRIDGE_SERVER")
	}
	return server, nil
}

// onTheHost refuses a server for what is done on its host alone.
func onTheHost(cmd *cobra.Command) error {
	if server, _ := cmd.Flags().GetString("server"); server != "" {
		return fmt.Errorf("%s works on the server's host, with its configuration, and not with --server", cmd.CommandPath())
	}
	return nil
}

// openRemote returns a client of the server that a command names; nil: it names
// none.
func openRemote(cmd *cobra.Command) (*client.Client, error) {
	server, err := serverURL(cmd)
	if err != nil || server == "" {
		return nil, err
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !identity.Loopback(u.Hostname())) || u.User != nil {
		return nil, fmt.Errorf("--server: %q is no URL such as https://auth.example.com:5001; passwords go over https alone", server)
	}
	c := &client.Client{URL: u.Scheme + "://" + u.Host + strings.TrimSuffix(u.EscapedPath(), "/")}
	if c.HTTP, err = remoteHTTP(cmd); err != nil {
		return nil, err
	}
	if c.Username, _ = cmd.Flags().GetString("username"); c.Username != "" {
		c.Password, err = readPassword(cmd.InOrStdin())
		return c, err
	}
	return c, storedCredential(cmd.Context(), c, u.Host)
}

// remoteHTTP trusts the system's certificates, or those of --ca-file, and shows the
// one of --cert-file.
func remoteHTTP(cmd *cobra.Command) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	caFile, _ := cmd.Flags().GetString("ca-file")
	var err error
	if config.RootCAs, err = pool(caFile); err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	certFile, _ := cmd.Flags().GetString("cert-file")
	keyFile, _ := cmd.Flags().GetString("key-file")
	if certFile != "" || keyFile != "" {
		own, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("--cert-file and --key-file: %w", err)
		}
		config.Certificates = []tls.Certificate{own}
	}
	return &http.Client{
		Timeout: remoteTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// storedCredential takes over what docker login has stored for the host, in its file
// or with its helper.
func storedCredential(ctx context.Context, c *client.Client, host string) error {
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return fmt.Errorf("docker's credentials: %w", err)
	}
	found, err := store.Get(ctx, host)
	if err != nil {
		return fmt.Errorf("docker's credentials for %s: %w", host, err)
	}
	if found.Username == "" || found.Password == "" {
		return fmt.Errorf("docker has no password stored for %s; give --username, and the password on standard input", host)
	}
	c.Username, c.Password = found.Username, identity.NewSecret(found.Password)
	return nil
}
