package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"drawbridge/configs"
	"drawbridge/tokens"

	"github.com/spf13/cobra"
)

//go:embed templates
var templates embed.FS //nolint:gochecknoglobals // the compiler fills it

// forCompose prints a docker compose service instead of a registry's own file.
const forCompose = "compose"

func newRegistryConfig() *cobra.Command {
	var preset, service string
	cmd := &cobra.Command{
		Use: "registry-config", Short: "Print the settings to paste into a registry",
		Long: `Prints the part of a registry's configuration that makes it ask Drawbridge for
tokens, with the values of this configuration: realm, service, issuer and the file
that it has to trust. Registries read that file at their start only.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			r, err := findRegistry(cfg, service)
			if err != nil {
				return err
			}
			text, err := registrySettings(cfg, r, preset)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().StringVar(&preset, "for", "", "registry kind: "+strings.Join(presets(), ", ")+" (default: the entry's own)")
	cmd.Flags().StringVar(&service, "service", "", "which entry of registries (default: the first)")
	for flag, values := range map[string][]string{"for": presets()} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

func presets() []string {
	return []string{configs.ForDistribution2, configs.ForDistribution3, configs.ForDistribution3JWKS, configs.ForZot, forCompose}
}

func findRegistry(cfg *configs.Config, service string) (configs.Registry, error) {
	var known []string
	for _, r := range cfg.Registries {
		if service == "" || r.Service == service {
			return r, nil
		}
		known = append(known, r.Service)
	}
	if len(known) == 0 {
		return configs.Registry{}, fmt.Errorf("the configuration has no registries; add one")
	}
	return configs.Registry{}, fmt.Errorf("no registry has the service %q; there are: %s", service, strings.Join(known, ", "))
}

// registrySettings renders the settings for one registry. An empty preset is the
// entry's own.
func registrySettings(cfg *configs.Config, r configs.Registry, preset string) (string, error) {
	if preset == "" {
		preset = r.For
	}
	if !slices.Contains(presets(), preset) {
		return "", fmt.Errorf("--for %q is unknown; use one of %s", preset, strings.Join(presets(), ", "))
	}
	wantsKID := preset == configs.ForDistribution3JWKS || preset == configs.ForZot
	if wantsKID != (r.TokenForm == configs.FormKID) && preset != forCompose {
		return "", fmt.Errorf("the registry %q is configured with token_form: %s, which a %s registry does not verify; set `for: %s` in its entry first",
			r.Service, r.TokenForm, preset, preset)
	}
	keys, err := filepath.Abs(filepath.Join(cfg.DataDir, "keys"))
	if err != nil {
		return "", err
	}
	t, err := template.New("").Funcs(template.FuncMap{"quote": quote}).ParseFS(templates, "templates/*.tmpl")
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = t.ExecuteTemplate(&out, preset+".tmpl", struct {
		Realm, Service, Issuer, Keys, TrustFile, URL string
	}{
		strings.TrimSuffix(cfg.Server.ExternalURL, "/") + "/token", r.Service, r.Issuer, keys,
		filepath.Join(keys, tokens.TrustFileName(r.Service, r.TokenForm, tokens.Algorithm(cfg.Tokens.Algorithm))), cfg.Server.ExternalURL,
	})
	return out.String(), err
}

// quote writes a string so that both YAML and JSON read it back.
func quote(s string) (string, error) {
	data, err := json.Marshal(s)
	return string(data), err
}
