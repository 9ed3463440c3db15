package exec

import (
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"
)

// says returns a connector whose program always says that.
func says(t *testing.T, answer string) Looker {
	t.Helper()
	c, _ := open(t, configs.ExecPooled, 5*time.Second, "say", answer)
	return Looker{c}
}

func granted(stableID, version string) string {
	answer := `"outcome":"granted","identity":{"name":"alice"`
	if stableID != "" {
		answer += `,"stable_id":"` + stableID + `"`
	}
	if version != "" {
		answer += `,"credential_version":"` + version + `"`
	}
	return answer + "}"
}

// Only somebody whom the program can find again, and tell from another one of the
// same name, can be re-checked.
func TestVersionOfALogin(t *testing.T) {
	for _, tt := range []struct {
		stableID, version string
		rechecks          bool
	}{{"7", "v1", true}, {"7", "", true}, {"", "v1", false}, {"", "", false}} {
		l := says(t, granted(tt.stableID, tt.version))
		got := l.Authenticate(t.Context(), login("alice", "secret"))
		if version, ok := got.Version(); ok != tt.rechecks || ok && version != tt.version {
			t.Errorf("%+v: got %q, %v", tt, version, ok)
		}
		if _, ok := l.Connector.Authenticate(t.Context(), login("alice", "secret")).Version(); ok {
			t.Errorf("%+v: a connector without lookup: true can re-check", tt)
		}
	}
}

func TestRecheck(t *testing.T) {
	alice := identity.Identity{Kind: identity.User, Connector: "hr", Name: "alice", StableID: "7"}
	for _, tt := range []struct {
		says   string
		kind   connectors.Kind
		reason connectors.Reason
	}{
		{granted("7", "v1"), connectors.KindGranted, ""},
		{granted("8", "v1"), connectors.KindNotMine, ""},
		{granted("", "v1"), connectors.KindNotMine, ""},
		{granted("7", "v2"), connectors.KindDenied, connectors.PasswordChanged},
		{granted("7", ""), connectors.KindDenied, connectors.PasswordChanged},
		{`"outcome":"not_mine"`, connectors.KindNotMine, ""},
		{`"outcome":"denied","reason":"account_disabled"`, connectors.KindDenied, connectors.AccountDisabled},
		{`"outcome":"unavailable"`, connectors.KindUnavailable, ""},
		{`"outcome":"denied","reason":"wrong_password"`, connectors.KindUnavailable, ""},
	} {
		if got := says(t, tt.says).Recheck(t.Context(), alice, "v1"); got.Kind() != tt.kind || got.Reason() != tt.reason {
			t.Errorf("%s: got %s", tt.says, got)
		}
	}
}
