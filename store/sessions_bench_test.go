package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"flag"
	"fmt"
	"strconv"
	"testing"
	"time"

	"drawbridge/identity"
	"drawbridge/tokens/sessions"
)

// What BenchmarkSessions runs on: `make bench-store` has a million on each database.
var (
	storedSessions = flag.Int("sessions", 10_000, "how many stored sessions BenchmarkSessions looks one up among")
	storeDir       = flag.String("store-dir", "", "the empty directory of the SQLite store; empty: a temporary one")
	storeURL       = flag.String("store-url", "", "the empty PostgreSQL database; empty: SQLite")
)

// BenchmarkSessions is what a refresh and a login cost the store when it is full.
func BenchmarkSessions(b *testing.B) {
	dir := *storeDir
	if dir == "" {
		dir = b.TempDir()
	}
	s, err := Open(b.Context(), Options{Dir: dir, URL: identity.NewSecret(*storeURL)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	fill(b, s, *storedSessions)
	b.Run("ByToken", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			n := i * 7919 % *storedSessions
			if _, ok, err := s.SessionByToken(b.Context(), aSession(n).Token.Session); err != nil || !ok {
				b.Fatalf("session %d: %v, %v", n, ok, err)
			}
		}
	})
	b.Run("Create", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			one := aSession(*storedSessions + i + b.N)
			one.ID += time.Now().String()
			one.Token.Session += sessions.Hash(one.ID)
			if _, err := s.CreateSession(b.Context(), one, 1000); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Count", func(b *testing.B) {
		for b.Loop() {
			if n, err := s.CountSessions(b.Context(), time.Now()); err != nil || n < int64(*storedSessions) {
				b.Fatal(n, err)
			}
		}
	})
}

// randomHash spreads over the index as real ones do.
func randomHash(n int) sessions.Hash {
	sum := sha256.Sum256([]byte(strconv.Itoa(n)))
	return sessions.Hash(base64.RawURLEncoding.EncodeToString(sum[:]))
}

// aSession is one of a hundred of its person.
func aSession(n int) sessions.Session {
	now := time.Now()
	person := identity.Identity{Kind: identity.User, Connector: "corp", Name: fmt.Sprintf("person-%d", n/100), StableID: fmt.Sprintf("%072d", n/100)}
	for g := range 8 {
		person.Groups = append(person.Groups, fmt.Sprintf("team-of-some-length-%d", g))
	}
	return sessions.Session{
		ID: fmt.Sprintf("%022d", n), Person: person, Service: "Docker registry", ClientID: "docker", Method: identity.MethodPassword,
		CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(720 * time.Hour), Address: "192.0.2.1", LastAddress: "192.0.2.1",
		UserAgent:    "docker/20.10.24 go/go1.19.8 kernel/6.1 os/linux arch/amd64 UpstreamClient(Docker-Client/28.2.2 \\(linux\\))",
		LastClientID: "docker", CredentialVersion: "pwdChangedTime=20260101000000Z",
		Token: sessions.TokenState{Session: randomHash(n)},
	}
}

// fill stores sessions without a sync for each.
func fill(b *testing.B, s *Store, count int) {
	b.Helper()
	const atOnce = 500
	for from := 0; from < count; from += atOnce {
		err := s.update(b.Context(), "fill", func(ctx context.Context, tx *sql.Tx) error {
			for n := from; n < min(from+atOnce, count); n++ {
				if err := insertSession(ctx, tx, aSession(n)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
