package doctor

import (
	"crypto/x509"
	"time"

	"drawbridge/tokens"
)

// Minter makes the tokens to try.
type Minter interface {
	Trial(t tokens.Trial) (string, error)
}

// Options are what there is to look at.
type Options struct {
	Net        Net
	Server     Server
	Registries []Registry
	// Entries are all registries of the configuration, whose names a registry may have
	// been given by mistake.
	Entries []Registry
	// Keys are the server's; nil: they cannot be read, and KeysErr says why.
	Keys    Minter
	KeysErr error
	// OtherKeys are keys that a registry may have been given instead, by what they are.
	OtherKeys map[string]Minter
	// Algorithm is that of Keys, and AccessTTL what the server's tokens live for.
	Algorithm tokens.Algorithm
	AccessTTL time.Duration
	// Issuers are further ones to try.
	Issuers []string
	// Origins are pages that read answers in a browser.
	Origins []string
	// Write permits an upload, which is cancelled.
	Write bool
	// RegistryConfig is the registry's own; nil: it was not given.
	RegistryConfig *RegistryConfig
	// Settings are the lines for a registry of this service to paste.
	Settings func(service string) []string
}

// Registry is a registry to look at, and what the configuration says of it.
type Registry struct {
	// URL is empty for one that cannot be looked at.
	URL             string
	Service, Issuer string
	Form            string
	TrustFile       string // what it is to be given
	// NoLeeway is for zot, which gives a token no time beyond its own.
	NoLeeway bool
	// Guessed says that the entry was taken for want of a better one: the registry's
	// challenge says which one it is.
	Guessed bool
}

// Server is the Drawbridge to look at.
type Server struct {
	URL string
	// SelfSigned is its own certificate, nil with another mode of TLS, and
	// SelfSignedFile where it is.
	SelfSigned     *x509.Certificate
	SelfSignedFile string
	// SigningCA is what its data_dir has, which it hands out, too.
	SigningCA []byte
	// RequestsPerSecond is the limit of an address.
	RequestsPerSecond float64
	BehindProxy       bool // it speaks no TLS itself
	TrustedProxies    int  // how many are configured
}
