package helm

import (
	"path/filepath"
	"strings"
	"testing"
)

// Values that make no working installation are refused, with what to do.
func TestRefused(t *testing.T) {
	t.Parallel()
	replicas := []string{"--values", filepath.Join(chart(t), "ci", "replicas-values.yaml")}
	volume := []string{"--values", filepath.Join(chart(t), "ci", "volume-values.yaml")}
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{
			"several replicas with nothing to share", []string{"--set", "replicaCount=2"},
			[]string{
				"more than one replica needs store.existingSecret", "more than one replica needs cache.existingSecret",
				"more than one replica needs signingCA.existingSecret", "more than one replica needs tls.mode files or off",
			},
		},
		{"an autoscaler with nothing to share", []string{"--set", "autoscaling.enabled=true"}, []string{"more than one replica needs store.existingSecret"}},
		{"no Redis", append(replicas, "--set", "cache.existingSecret="), []string{"more than one replica needs cache.existingSecret"}},
		{"PostgreSQL with a CA on no volume", []string{"--set", "store.existingSecret=x"}, []string{"store.existingSecret needs signingCA.existingSecret"}},
		{"files without a certificate", append(volume, "--set", "tls.existingSecret="), []string{"tls.mode files needs tls.existingSecret"}},
		{"a certificate that is not used", append(volume, "--set", "tls.mode=self-signed"), []string{"tls.existingSecret is used only with tls.mode files"}},
		{"a proxy whose URL is not known", append(replicas, "--set", "externalURL="), []string{"tls.mode off needs externalURL"}},
		{"passwords in the clear", append(replicas, "--set", "externalURL=http://auth.example.com"), []string{"/externalURL", "does not match pattern"}},
		{"an ingress for no host", append(replicas, "--set-json", "ingress.hosts=[]"), []string{"ingress.enabled needs ingress.hosts"}},
		{"no name of a Secret", []string{"--set", "configSecret.create=false"}, []string{"configSecret.create false needs configSecret.name"}},
		{"two configurations", append(volume, "--set", "configSecret.create=false,configSecret.name=x"), []string{"config is not used with configSecret.create false"}},
		{
			"what the chart sets itself", append(volume, "--set", "config.data_dir=/x,config.server.tls.mode=off,config.store.url=x,config.server.telemetry_addr=x"),
			[]string{
				"config.data_dir is set by the chart; use the value persistence", "config.server.tls.mode is set by the chart; use the value tls",
				"config.store.url is set by the chart; use the value store", "config.server.telemetry_addr is set by the chart",
			},
		},
		{"a misspelt value", []string{"--set", "replicas=2"}, []string{"additional properties 'replicas' not allowed"}},
		{"a misspelt value further down", []string{"--set", "persistence.storageclass=x"}, []string{"additional properties 'storageclass' not allowed"}},
		{"no replica", []string{"--set", "replicaCount=0"}, []string{"/replicaCount", "minimum"}},
		{"a configuration without registries", []string{"--set", "config.log.level=debug"}, []string{"missing properties 'registries', 'connectors'"}},
		{"another TLS mode", []string{"--set", "tls.mode=acme"}, []string{"/tls/mode"}},
		{"no digest", []string{"--set", "image.digest=latest"}, []string{"/image/digest"}},
		{"a file from nowhere", []string{"--set", "files.ldap.key=x"}, []string{"/files/ldap"}},
		{"a file from two places", []string{"--set", "files.ldap.key=x,files.ldap.secret=x,files.ldap.configMap=x"}, []string{"/files/ldap"}},
		{"a file of another folder", []string{"--set", "files.\\.\\./ldap.key=x,files.\\.\\./ldap.secret=x"}, []string{"'../ldap' does not match pattern"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, err := helm(t, append([]string{"template", "drawbridge", chart(t)}, tt.args...)...)
			if err == nil {
				t.Fatal("rendered, want a refusal")
			}
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("the refusal does not say %q:\n%s", want, out)
				}
			}
		})
	}
}
