package ad_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"
)

// bothNames finds people by either of the names that Windows lets them log in
// with.
const bothNames = "(&(objectClass=user)(|(sAMAccountName={username})(userPrincipalName={username})))"

// settings are the connector settings that fit the domain. Everything is searched
// from the domain's root, whose searches end with a referral.
func settings(s *testbed.Samba) configs.Connector {
	return configs.Connector{
		Name: "corp", Type: configs.TypeLDAP, Timeout: 8 * time.Second,
		LDAP: configs.LDAP{
			URLs: []string{s.LDAPSURL()}, CAFile: s.CAFile,
			BindDN: s.BindDN, BindPassword: identity.NewSecret(s.BindPassword),
			User: configs.LDAPUser{
				BaseDN: s.BaseDN, Filter: bothNames, NameAttr: "sAMAccountName", MailAttr: "mail",
			},
			Groups: configs.LDAPGroups{
				Mode: configs.GroupsSearch, BaseDN: s.BaseDN, Filter: "(member={dn})", NameAttr: "cn",
			},
		},
	}
}

// connect makes the connector and closes it with the test.
func connect(t *testing.T, cfg configs.Connector, deps ldap.Deps) *ldap.Connector {
	t.Helper()
	deps.Log = slog.New(slog.DiscardHandler)
	c, err := ldap.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func login(c *ldap.Connector, username, password string) connectors.Outcome {
	return c.Authenticate(context.Background(), identity.Credential{Username: username, Password: identity.NewSecret(password)})
}

// mustGrant fails the test unless the login is granted to the person of that
// sAMAccountName.
func mustGrant(t *testing.T, c *ldap.Connector, username, account string) identity.Identity {
	t.Helper()
	out := login(c, username, testbed.SeedPassword(account))
	if out.Kind() != connectors.KindGranted || out.Identity().Name != account {
		t.Fatalf("login of %q: got %v", username, out)
	}
	return out.Identity()
}

func mustDeny(t *testing.T, out connectors.Outcome, want connectors.Reason) {
	t.Helper()
	if out.Kind() != connectors.KindDenied || out.Reason() != want {
		t.Errorf("got %v, want denied(%s)", out, want)
	}
}

func mustBe(t *testing.T, out connectors.Outcome, want connectors.Kind) {
	t.Helper()
	if out.Kind() != want {
		t.Errorf("got %v, want %s", out, want)
	}
}
