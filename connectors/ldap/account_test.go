package ldap

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/configs"
	"drawbridge/connectors"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap3 "github.com/go-ldap/ldap/v3"
)

func TestAccountState(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string {
		return strconv.FormatInt((now.Add(d).Unix()+11_644_473_600)*10_000_000, 10)
	}
	for _, tt := range []struct {
		name       string
		attributes map[string]string
		want       connectors.Reason
	}{
		{"no Active Directory", nil, ""},
		{"normal", map[string]string{"userAccountControl": "512", "accountExpires": "9223372036854775807", "pwdLastSet": at(-time.Hour), computedControl: "0"}, ""},
		{"never expires", map[string]string{"userAccountControl": "512", "accountExpires": "0"}, ""},
		{"disabled", map[string]string{"useraccountcontrol": "514"}, connectors.AccountDisabled},
		{"locked", map[string]string{"userAccountControl": "512", computedControl: "16"}, connectors.AccountLocked},
		{"the flag that no longer counts", map[string]string{"userAccountControl": "528"}, ""},
		{"expired", map[string]string{"userAccountControl": "512", "accountExpires": at(0)}, connectors.AccountExpired},
		{"expires", map[string]string{"userAccountControl": "512", "accountExpires": at(time.Second)}, ""},
		{"must change", map[string]string{"userAccountControl": "512", "pwdLastSet": "0", computedControl: "8388608"}, connectors.MustChange},
		{"must change, but passwords do not age", map[string]string{"userAccountControl": "66048", "pwdLastSet": "0"}, ""},
		{"password expired", map[string]string{"userAccountControl": "512", "pwdLastSet": at(-time.Hour), computedControl: "8388608"}, connectors.PasswordExpired},
		{"disabled and expired", map[string]string{"userAccountControl": "514", "accountExpires": at(-1)}, connectors.AccountDisabled},
		{"nonsense", map[string]string{"userAccountControl": "x", "accountExpires": "never", computedControl: "-"}, ""},
		{"pwdLastSet elsewhere", map[string]string{"pwdLastSet": "0"}, ""},
		{"389 disabled", map[string]string{"nsaccountlock": "true"}, connectors.AccountDisabled},
		{"389 enabled", map[string]string{"nsAccountLock": "FALSE"}, ""},
		{"slapd, for good", map[string]string{"pwdAccountLockedTime": "000001010000Z"}, connectors.AccountLocked},
		{"slapd, for a time", map[string]string{"pwdAccountLockedTime": "20260301115959Z"}, ""},
	} {
		entry := &ldap3.Entry{}
		for name, value := range tt.attributes {
			entry.Attributes = append(entry.Attributes, ldap3.NewEntryAttribute(name, []string{value}))
		}
		if got := accountState(entry, now); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// states is a directory with alice, whose userAccountControl and whose bind's
// answer a test sets.
func states(control *string, code *int64, diagnostic string) func(*ber.Packet) []*ber.Packet {
	return func(request *ber.Packet) []*ber.Packet {
		if request.Tag == ldap3.ApplicationSearchRequest {
			return []*ber.Packet{entryOf("CN=alice,DC=x", "uid", []string{"alice"}, "userAccountControl", []string{*control}), searchDone(0, "")}
		}
		if request.Children[1].Data.String() == "CN=alice,DC=x" {
			return []*ber.Packet{done(ldap3.ApplicationBindResponse, *code, diagnostic)}
		}
		return polite()(request)
	}
}

// TestStateNamesTheReason: the bind is made in any case, an outage stays one, and
// what the bind knows better stands.
func TestStateNamesTheReason(t *testing.T) {
	const ad = "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data "
	for _, tt := range []struct {
		control, diagnostic string
		code                int64
		kind                connectors.Kind
		reason              connectors.Reason
	}{
		{"512", "", 0, connectors.KindGranted, ""},
		{"512", ad + "52e, v1", 49, connectors.KindDenied, connectors.WrongPassword},
		{"514", ad + "52e, v1", 49, connectors.KindDenied, connectors.AccountDisabled},
		{"514", "", 49, connectors.KindDenied, connectors.AccountDisabled},
		{"514", ad + "775, v1", 49, connectors.KindDenied, connectors.AccountLocked},
		{"512", ad + "533, v1", 49, connectors.KindDenied, connectors.AccountDisabled},
		{"514", "", 0, connectors.KindDenied, connectors.AccountDisabled},
		{"514", "Account inactivated", 53, connectors.KindDenied, connectors.AccountDisabled},
		{"512", "shutting down", 53, connectors.KindUnavailable, ""},
		{"514", "busy", 51, connectors.KindUnavailable, ""},
	} {
		s := serve(t, states(&tt.control, &tt.code, tt.diagnostic))
		c := client(t, nil, s)
		expect(t, authenticate(c), tt.kind, tt.reason)
		if n := s.count(ldap3.ApplicationBindRequest); n != 2 {
			t.Errorf("%+v: %d binds, want the service account's and one of the user's", tt, n)
		}
		out := c.Lookup(t.Context(), "alice")
		if tt.control == "514" {
			expect(t, out, connectors.KindDenied, connectors.AccountDisabled)
		} else {
			expect(t, out, connectors.KindGranted, "")
		}
	}
}

// TestStateIsNotCached: who is enabled again logs in at once, and who is disabled
// is refused with the reason although the lookup is cached.
func TestStateIsNotCached(t *testing.T) {
	control, code := "514", int64(0)
	s := serve(t, states(&control, &code, ""))
	cfg := valid()
	cfg.LDAP.URLs, cfg.LDAP.Groups.Mode = []string{"ldap://" + s.addr}, configs.GroupsNone
	c, err := New(cfg, Deps{Log: slog.New(slog.DiscardHandler), Lookups: cache.NewMemory(1<<20, time.Now), LookupTTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	set := func(uac string, result int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		control, code = uac, result
	}
	expect(t, authenticate(c), connectors.KindDenied, connectors.AccountDisabled)
	set("512", 0)
	expect(t, authenticate(c), connectors.KindGranted, "")
	set("514", 49)
	binds := s.count(ldap3.ApplicationBindRequest)
	expect(t, authenticate(c), connectors.KindDenied, connectors.AccountDisabled)
	if n := s.count(ldap3.ApplicationBindRequest) - binds; n != 1 {
		t.Errorf("%d binds for one login", n)
	}
	set("512", 0)
	expect(t, authenticate(c), connectors.KindGranted, "")
}
