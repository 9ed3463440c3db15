package bridge_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"drawbridge/bridge"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/tokens/sessions"
)

// paced is a rate of one for each key.
type paced struct {
	keys []string
	err  error
}

func (p *paced) Allow(_ context.Context, key string) (time.Duration, error) {
	p.keys = append(p.keys, key)
	if len(p.keys) > 1 {
		return 3 * time.Second, p.err
	}
	return 0, p.err
}

func TestAccountsArePaced(t *testing.T) {
	again := func(token string) (connectors.Verdict, sessions.Continued, bridge.Request) {
		req := request("lasting")
		req.Credential, req.RefreshToken = identity.Credential{}, identity.NewSecret("old")
		return connectors.Verdict{}, sessions.Continued{
			Session: sessions.Session{ID: "s", Person: alice().Identity()}, Token: identity.NewSecret(token),
		}, req
	}
	for _, tt := range []struct {
		name    string
		prepare func() (connectors.Verdict, sessions.Continued, bridge.Request)
		err     error
		limited bool
		asked   int
	}{
		{"a password", func() (connectors.Verdict, sessions.Continued, bridge.Request) {
			return alice(), sessions.Continued{}, request("plain")
		}, nil, true, 2},
		{"a refresh token that stays", func() (connectors.Verdict, sessions.Continued, bridge.Request) { return again("old") }, nil, true, 2},
		{"a refresh token whose successor would be lost", func() (connectors.Verdict, sessions.Continued, bridge.Request) { return again("new") }, nil, false, 0},
		{"an anonymous caller", func() (connectors.Verdict, sessions.Continued, bridge.Request) {
			req := request("plain")
			req.Credential = identity.Credential{}
			return connectors.Verdict{}, sessions.Continued{}, req
		}, nil, false, 0},
		{"a limit that cannot be asked", func() (connectors.Verdict, sessions.Continued, bridge.Request) {
			return alice(), sessions.Continued{}, request("plain")
		}, errors.New("down"), false, 2},
	} {
		w := &world{}
		var req bridge.Request
		w.verdict, w.goesOn, req = tt.prepare()
		rate := &paced{err: tt.err}
		b := newBridgeWith(t, w, rate)
		if _, err := b.Token(t.Context(), req); err != nil {
			t.Errorf("%s: the first: %v", tt.name, err)
		}
		_, err := b.Token(t.Context(), req)
		e := identity.AsError(err)
		if limited := err != nil && e.Kind == identity.RateLimited && e.RetryAfter == 3*time.Second; limited != tt.limited || !limited && err != nil {
			t.Errorf("%s: the second: %v, want limited: %v", tt.name, err, tt.limited)
		}
		if len(rate.keys) != tt.asked || tt.asked > 0 && !strings.HasSuffix(rate.keys[0], "corp/alice") {
			t.Errorf("%s: asked for %q", tt.name, rate.keys)
		}
		if want := 2; !tt.limited && len(w.minted) != want || tt.limited && len(w.minted) != 1 {
			t.Errorf("%s: %d tokens", tt.name, len(w.minted))
		}
	}
}
