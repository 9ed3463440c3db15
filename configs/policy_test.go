package configs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/authz"
	"drawbridge/configs"
)

// A policy that names another connector or service than its configuration would
// be valid in itself and grant nothing.
func TestEveryExamplePolicyFitsItsConfiguration(t *testing.T) {
	t.Chdir("..")
	examples, err := filepath.Glob("configs/examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, example := range append(examples, "configs/drawbridge.yaml") {
		if strings.HasSuffix(example, "policy.yaml") || strings.HasSuffix(example, "drop-in.yaml") {
			continue // the drop-in has the same connectors as htpasswd.yaml
		}
		cfg, err := configs.Load(example, nil)
		if err != nil {
			t.Errorf("%s: %v", example, err)
			continue
		}
		text, err := os.ReadFile(cfg.Policy.File)
		if err != nil {
			t.Errorf("%s: %v", example, err)
			continue
		}
		doc, err := authz.Parse(cfg.Policy.File, text)
		if err != nil {
			t.Errorf("%s: %v", example, err)
			continue
		}
		opts := authz.Options{HomeConnector: configs.HomeConnector(cfg)}
		for _, c := range cfg.Connectors {
			opts.Connectors = append(opts.Connectors, c.Name)
		}
		for _, r := range cfg.Registries {
			opts.Registries = append(opts.Registries, r.Service)
		}
		if _, err := doc.Compile(opts); err != nil {
			t.Errorf("%s: %v", example, err)
		}
	}
}
