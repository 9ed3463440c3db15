package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"drawbridge/trust"

	"go.yaml.in/yaml/v3"
)

// RegistryConfig is what a registry's own config.yml says of its tokens (distribution,
// docs/configuration, "auth").
type RegistryConfig struct {
	file  string
	kinds []string // of auth
	token registryToken
}

// registryToken is its auth.token.
type registryToken struct {
	Realm             string   `yaml:"realm"`
	Service           string   `yaml:"service"`
	Issuer            string   `yaml:"issuer"`
	RootCertBundle    string   `yaml:"rootcertbundle"`
	JWKS              string   `yaml:"jwks"`
	SigningAlgorithms []string `yaml:"signingalgorithms"`
	AutoRedirect      bool     `yaml:"autoredirect"`
	AutoRedirectPath  string   `yaml:"autoredirectpath"`
}

// autoRedirectPath is where a registry with autoredirect sends clients on its own host
// if it is not told.
const autoRedirectPath = "/auth/token"

// ParseRegistryConfig reads a registry's configuration. The error says where it is none.
func ParseRegistryConfig(file string, data []byte) (*RegistryConfig, error) {
	var document struct {
		Version string               `yaml:"version"`
		Auth    map[string]yaml.Node `yaml:"auth"`
	}
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("%s is no config.yml of a registry: %w", file, err)
	}
	if document.Version == "" {
		return nil, fmt.Errorf("%s is no config.yml of a registry 2.x or 3.x: it has no version (zot's configuration is not read)", file)
	}
	c := &RegistryConfig{file: file, kinds: slices.Sorted(maps.Keys(document.Auth))}
	if node, ok := document.Auth["token"]; ok {
		if err := node.Decode(&c.token); err != nil {
			return nil, fmt.Errorf("%s: auth.token: %w", file, err)
		}
	}
	return c, nil
}

// registryFile compares a registry's configuration with ours.
type registryFile struct {
	*RegistryConfig
	Options
	server *site
}

func (f *registryFile) checks() []Check {
	return []Check{{Name: "registry's config.yml", Subject: f.file, Run: f.compare}}
}

func (f *registryFile) compare(ctx context.Context) Outcome {
	entry, known := f.entry()
	paste := append([]string{"Put this into " + f.file + " and restart the registry:"}, f.Settings(entry.Service)...)
	switch {
	case len(f.kinds) == 0:
		return found("", finding(NoChallenge, "The file has no auth.", paste...))
	case !slices.Equal(f.kinds, []string{"token"}):
		return found("", finding(OtherChallenge, fmt.Sprintf("The file's auth is %s.", strings.Join(f.kinds, ", ")), paste...))
	}
	var findings []Finding
	if !known {
		findings = append(findings, finding(WrongAudience, fmt.Sprintf("The file has the service %q, and no entry of registries does.", f.token.Service),
			"In the file, and restart the registry:  "+fmt.Sprintf("auth: { token: { service: %q } }", entry.Service),
			"or add an entry to registries in Drawbridge's configuration, and restart it."))
	}
	if f.token.Issuer != entry.Issuer {
		findings = append(findings, finding(WrongIssuer, fmt.Sprintf("The file has the issuer %q, and the entry of %q has %q.", f.token.Issuer, entry.Service, entry.Issuer),
			"In the file, and restart the registry:  "+fmt.Sprintf("auth: { token: { issuer: %q } }", entry.Issuer),
			"or in Drawbridge's configuration, and restart it:  "+fmt.Sprintf("registries: [ { service: %q, issuer: %q } ]", entry.Service, f.token.Issuer)))
	}
	if algs := f.token.SigningAlgorithms; len(algs) > 0 && !slices.Contains(algs, string(f.Algorithm)) {
		findings = append(findings, finding(WrongAlg, fmt.Sprintf("The file's signingalgorithms are %v, and tokens.algorithm is %s.", algs, f.Algorithm),
			fmt.Sprintf("In the file, and restart the registry:  auth: { token: { signingalgorithms: [%s] } }", f.Algorithm)))
	}
	anchor, seen := f.anchor(entry)
	findings = append(findings, anchor...)
	findings = append(findings, f.realm(ctx, entry)...)
	return found(fmt.Sprintf("service %q, issuer %q, %s", f.token.Service, f.token.Issuer, seen), findings...)
}

// entry is the one of our configuration that the file is for; known is false where
// none has its service.
func (f *registryFile) entry() (entry Registry, known bool) {
	for _, r := range f.Entries {
		if r.Service == f.token.Service {
			return r, true
		}
	}
	return slices.Concat(f.Registries, f.Entries)[0], false // a configuration has one
}

// realm is what is wrong with where the file sends clients.
func (f *registryFile) realm(ctx context.Context, entry Registry) []Finding {
	x := &exam{Options: f.Options, entry: entry, server: f.server, challenge: challenge{realm: f.token.Realm}}
	if f.token.AutoRedirect {
		path := f.token.AutoRedirectPath
		if path == "" {
			path = autoRedirectPath
		}
		return []Finding{finding(RealmMadeUp, fmt.Sprintf("The file has autoredirect: the realm is %s of whatever host a client names, and %q does not count.", path, f.token.Realm),
			append([]string{"Remove autoredirect from auth.token in the file."}, x.realmFix()[0])...)}
	}
	at := entry.URL
	if at == "" {
		at = f.token.Realm
	}
	u, err := parseURL(at)
	if err != nil {
		return []Finding{finding(RealmElsewhere, fmt.Sprintf("The file's realm %q is no URL.", f.token.Realm), x.realmFix()...)}
	}
	x.site = &site{net: f.Net, url: &url.URL{Scheme: u.Scheme, Host: u.Host}}
	return x.realm(ctx).Findings
}

// anchor is what is wrong with what the file trusts, or what was seen of that.
func (f *registryFile) anchor(entry Registry) (findings []Finding, seen string) {
	name, has, other := "rootcertbundle", f.token.RootCertBundle, f.token.JWKS
	if strings.HasSuffix(entry.TrustFile, "jwks.json") {
		name, has, other = "jwks", f.token.JWKS, f.token.RootCertBundle
	}
	give := []string{"In the file, and restart the registry:  auth: { token: { " + name + ": PATH } }, where PATH is what it has mounted of " + entry.TrustFile}
	switch {
	case has == "" && other != "":
		return []Finding{finding(WrongForm, fmt.Sprintf("The file has no %s, which the entry of %q is for, and has %s.", name, entry.Service, other), give...)}, ""
	case has == "":
		return []Finding{finding(TrustAnchor, "The file has no "+name+".", give...)}, ""
	case name == "jwks":
		return nil, "the keys in " + has + " are not looked at"
	}
	bundle, err := f.bundle(has)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, has + " is not on this machine"
	case err != nil:
		return []Finding{finding(TrustAnchor, fmt.Sprintf("The file's rootcertbundle cannot be used: %v.", err), give...)}, ""
	}
	ours, err := trust.Parse(f.Server.SigningCA)
	if err != nil {
		return nil, "the signing CA to compare with cannot be read"
	}
	vouches := func(c *x509.Certificate) bool {
		return c.Equal(ours[0].Certificate) || ours[0].CheckSignatureFrom(c) == nil
	}
	if !slices.ContainsFunc(bundle, vouches) {
		return []Finding{finding(TrustAnchor, fmt.Sprintf("The file's rootcertbundle %s has %d certificates, and our signing CA is none of them.", has, len(bundle)), give...)}, ""
	}
	return nil, has + " has our signing CA"
}

// bundle reads the certificates of a file on this machine.
func (f *registryFile) bundle(file string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(file) // #nosec G304 -- the operator's own registry names it
	if err != nil {
		return nil, err
	}
	parsed, err := trust.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s %w", file, err)
	}
	var certs []*x509.Certificate
	for _, one := range parsed {
		certs = append(certs, one.Certificate)
	}
	return certs, nil
}
