package oidc_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/oidc"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

// settings are the connector settings that fit the test provider.
func settings(d *testbed.Dex) configs.Connector {
	return configs.Connector{
		Name: "sso", Type: configs.TypeOIDC, Timeout: 8 * time.Second,
		OIDC: configs.OIDC{
			IssuerURL: d.IssuerURL, IssuerCAFile: d.CAFile,
			ClientID: testbed.DexClientID, ClientSecret: identity.NewSecret(testbed.DexClientSecret),
			Scopes:        []string{"openid", "profile", "email", "groups"},
			UsernameClaim: "preferred_username", GroupsClaim: "groups",
		},
	}
}

// connect makes the connector and closes it with the test.
func connect(t *testing.T, cfg configs.Connector) *oidc.Connector {
	t.Helper()
	c, err := oidc.New(cfg, oidc.Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func login(c *oidc.Connector, user, password string) connectors.Outcome {
	return c.Authenticate(context.Background(), identity.Credential{Username: user, Password: identity.NewSecret(password)})
}

func wantKind(t *testing.T, got connectors.Outcome, kind connectors.Kind, reason connectors.Reason) {
	t.Helper()
	if got.Kind() != kind || got.Reason() != reason {
		t.Errorf("got %v, want %v %s", got, kind, reason)
	}
	if strings.Contains(got.String(), testbed.DexClientSecret) || strings.Contains(got.String(), testbed.SeedPassword("alice")) {
		t.Errorf("a secret is in %v", got)
	}
}

// wantAlice checks a successful login of alice.
func wantAlice(t *testing.T, got connectors.Outcome) {
	t.Helper()
	id := got.Identity()
	if id.StableID == "" {
		t.Error("no stable ID")
	}
	id.StableID = ""
	want := identity.Identity{
		Kind: identity.User, Connector: "sso", Name: "alice", Mail: "seed@corp.example",
		Groups: []string{"payments-dev"}, Method: identity.MethodPassword,
	}
	if diff := cmp.Diff(want, id); diff != "" {
		t.Errorf("%v (-want +got):\n%s", got, diff)
	}
}

func TestLogin(t *testing.T) {
	people := testbed.StartSlapd(t)
	dex := testbed.StartDex(t, people)
	c := connect(t, settings(dex))
	wantAlice(t, login(c, "alice", testbed.SeedPassword("alice")))
	wantAlice(t, login(c, "ALICE", testbed.SeedPassword("alice"))) // the directory's spelling, not the typed one
	// Of people like jürgen only the password is tried here: this version of Dex
	// escapes the username in its LDAP filter twice and finds none of them.
	people.AddPerson(testbed.Person{UID: "erin", Mail: "seed@corp.example", Password: "pä&ss=w+ör%41d ;"})
	if got := login(c, "erin", "pä&ss=w+ör%41d ;"); got.Identity().Name != "erin" {
		t.Errorf("a password that has to be encoded: %v", got)
	}
	for _, user := range []string{"nobody", "*", ")(uid=*"} {
		wantKind(t, login(c, user, "x"), connectors.KindDenied, connectors.UnknownOrWrong)
	}

	sent, binds := dex.Tokens(), people.Binds()
	wantKind(t, login(c, "alice", "wrong"), connectors.KindDenied, connectors.UnknownOrWrong)
	if n := dex.Tokens() - sent; n != 1 {
		t.Errorf("one wrong password reached the provider %d times", n)
	}
	// Dex binds its service account and then the person.
	if n := people.Binds() - binds; n != 2 {
		t.Errorf("one wrong password cost the directory %d binds, want 2", n)
	}
}

// TestGroupChanges expects the groups of the moment, which are in the next token.
func TestGroupChanges(t *testing.T) {
	people := testbed.StartSlapd(t)
	c := connect(t, settings(testbed.StartDex(t, people)))
	wantAlice(t, login(c, "alice", testbed.SeedPassword("alice")))
	people.AddGroup("releases", people.PersonDN("alice"))
	people.AddGroup("with space", people.PersonDN("alice"))
	got := login(c, "alice", testbed.SeedPassword("alice")).Identity().Groups
	if diff := cmp.Diff([]string{"payments-dev", "releases", "with space"}, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	people.Delete(people.GroupDN("releases"))
	people.Delete(people.GroupDN("with space"))
	people.Delete(people.GroupDN("payments-dev"))
	got = login(c, "alice", testbed.SeedPassword("alice")).Identity().Groups
	if len(got) != 0 {
		t.Errorf("a person in no group has %q", got)
	}
}

func TestWrongSettings(t *testing.T) {
	dex := testbed.StartDex(t, testbed.StartSlapd(t))
	tests := []struct {
		name   string
		change func(*configs.OIDC)
		kind   connectors.Kind
		cause  string
	}{
		{"client secret", func(o *configs.OIDC) { o.ClientSecret = identity.NewSecret("wrong") }, connectors.KindMisconfigured, "invalid_client"},
		{"client ID", func(o *configs.OIDC) { o.ClientID = "nobody" }, connectors.KindMisconfigured, "invalid_client"},
		{"a claim nobody sends", func(o *configs.OIDC) { o.UsernameClaim = "upn" }, connectors.KindMisconfigured, "upn"},
		{"groups from a string", func(o *configs.OIDC) { o.GroupsClaim = "email_verified" }, connectors.KindMisconfigured, "a boolean"},
		{"scope", func(o *configs.OIDC) { o.Scopes = []string{"openid", "wrong"} }, connectors.KindUnavailable, "Unrecognized scope"},
		{"issuer with a slash", func(o *configs.OIDC) { o.IssuerURL += "/" }, connectors.KindMisconfigured, "issuer_url"},
		{"no CA", func(o *configs.OIDC) { o.IssuerCAFile = "" }, connectors.KindUnavailable, "certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := settings(dex)
			tt.change(&cfg.OIDC)
			got := login(connect(t, cfg), "alice", testbed.SeedPassword("alice"))
			wantKind(t, got, tt.kind, "")
			if !strings.Contains(got.String(), tt.cause) {
				t.Errorf("no %q in %v", tt.cause, got)
			}
		})
	}
}

// TestProviderDownAtStart starts the connector first.
func TestProviderDownAtStart(t *testing.T) {
	dex := testbed.StartDex(t, testbed.StartSlapd(t))
	dex.Stop()
	c := connect(t, settings(dex))
	wantKind(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable, "")
	dex.Start()
	wantAlice(t, recovered(t, c))
}

// TestProviderGoesAway takes the provider away after a login.
func TestProviderGoesAway(t *testing.T) {
	dex := testbed.StartDex(t, testbed.StartSlapd(t))
	c := connect(t, settings(dex))
	wantAlice(t, login(c, "alice", testbed.SeedPassword("alice")))
	dex.Stop()
	wantKind(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable, "")
	wantKind(t, login(c, "alice", "wrong"), connectors.KindUnavailable, "")
	dex.Start()
	wantAlice(t, recovered(t, c))
}

// TestDirectoryBehindProviderDown must not tell people that their password is
// wrong: Dex answers invalid_request.
func TestDirectoryBehindProviderDown(t *testing.T) {
	people := testbed.StartSlapd(t)
	c := connect(t, settings(testbed.StartDex(t, people)))
	wantAlice(t, login(c, "alice", testbed.SeedPassword("alice")))
	people.Stop()
	wantKind(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable, "")
	people.Start()
	wantAlice(t, recovered(t, c))
}

// recovered logs alice in until the outage is over.
func recovered(t *testing.T, c *oidc.Connector) connectors.Outcome {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		got := login(c, "alice", testbed.SeedPassword("alice"))
		if got.Kind() != connectors.KindUnavailable || time.Now().After(deadline) {
			return got
		}
		time.Sleep(50 * time.Millisecond)
	}
}
