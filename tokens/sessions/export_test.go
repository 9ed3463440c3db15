package sessions

import (
	"context"

	"drawbridge/identity"
)

// Sum makes a token of secrets that a test chose.
func Sum(secrets string) identity.Secret {
	return identity.NewSecret(Prefix + secrets + checksum(secrets))
}

// Count is the background work that counts what is live.
func (m *Manager) Count(ctx context.Context) { m.count(ctx) }

// Prune is the background work that forgets what is over.
func (m *Manager) Prune(ctx context.Context) { m.prune(ctx) }
