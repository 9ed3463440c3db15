package ldap

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"drawbridge/connectors"

	ldap3 "github.com/go-ldap/ldap/v3"
)

func result(code uint16) error { return ldap3.NewError(code, errors.New("diagnostic")) }

func ad(data string) error {
	return ldap3.NewError(49, fmt.Errorf("80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data %s, v4563\x00", data))
}

func TestResultTable(t *testing.T) {
	const (
		unavailable   = connectors.KindUnavailable
		misconfigured = connectors.KindMisconfigured
		denied        = connectors.KindDenied
		notMine       = connectors.KindNotMine
	)
	for _, tt := range []struct {
		phase  phase
		err    error
		want   connectors.Kind
		reason connectors.Reason
	}{
		{phaseConnect, io.EOF, unavailable, ""},
		{phaseConnect, result(49), unavailable, ""}, // a bind's code in another phase denies nobody

		{phaseServiceBind, result(49), misconfigured, ""},
		{phaseServiceBind, result(48), misconfigured, ""},
		{phaseServiceBind, result(53), misconfigured, ""},
		{phaseServiceBind, result(8), misconfigured, ""},
		{phaseServiceBind, result(13), misconfigured, ""},
		{phaseServiceBind, result(51), unavailable, ""},
		{phaseServiceBind, result(80), unavailable, ""},
		{phaseServiceBind, ad("775"), misconfigured, ""},
		{phaseServiceBind, result(ldap3.ErrorNetwork), unavailable, ""},
		{phaseServiceBind, io.ErrUnexpectedEOF, unavailable, ""},

		{phaseUserSearch, errNotFound, notMine, ""},
		{phaseUserSearch, errAmbiguous, denied, connectors.Ambiguous},
		{phaseUserSearch, fmt.Errorf("%w: x", errBadEntry), misconfigured, ""},
		{phaseUserSearch, result(32), misconfigured, ""},
		{phaseUserSearch, result(50), misconfigured, ""},
		{phaseUserSearch, result(12), misconfigured, ""},
		{phaseUserSearch, result(10), misconfigured, ""},
		{phaseUserSearch, result(1), unavailable, ""},
		{phaseUserSearch, result(3), unavailable, ""},
		{phaseUserSearch, result(11), unavailable, ""},
		{phaseUserSearch, result(49), unavailable, ""},
		{phaseUserSearch, result(51), unavailable, ""},
		{phaseUserSearch, result(52), unavailable, ""},
		{phaseUserSearch, result(80), unavailable, ""},
		{phaseUserSearch, io.EOF, unavailable, ""},

		{phaseGroups, result(32), unavailable, ""},
		{phaseGroups, result(50), unavailable, ""},
		{phaseGroups, result(4), unavailable, ""},
		{phaseGroups, errTooManyGroups, unavailable, ""},
		{phaseGroups, errNotFound, unavailable, ""},

		{phaseUserBind, result(49), denied, connectors.WrongPassword},
		{phaseUserBind, result(48), denied, connectors.LoginRestricted},
		{phaseUserBind, result(19), denied, connectors.AccountLocked},
		{phaseUserBind, errMustChange, denied, connectors.MustChange},
		{phaseUserBind, errExpired, denied, connectors.PasswordExpired},
		{phaseUserBind, errLocked, denied, connectors.AccountLocked},
		{phaseUserBind, ad("52e"), denied, connectors.WrongPassword},
		{phaseUserBind, ad("52E"), denied, connectors.WrongPassword},
		{phaseUserBind, ad("530"), denied, connectors.LoginRestricted},
		{phaseUserBind, ad("532"), denied, connectors.PasswordExpired},
		{phaseUserBind, ad("533"), denied, connectors.AccountDisabled},
		{phaseUserBind, ad("701"), denied, connectors.AccountExpired},
		{phaseUserBind, ad("773"), denied, connectors.MustChange},
		{phaseUserBind, ad("775"), denied, connectors.AccountLocked},
		{phaseUserBind, ad("525"), denied, connectors.UnknownOrWrong},
		{phaseUserBind, result(32), unavailable, ""},
		{phaseUserBind, result(1), unavailable, ""},
		{phaseUserBind, result(8), unavailable, ""},
		{phaseUserBind, result(51), unavailable, ""},
		{phaseUserBind, result(53), unavailable, ""},
		{phaseUserBind, result(80), unavailable, ""},
		{phaseUserBind, result(ldap3.ErrorEmptyPassword), unavailable, ""},
		{phaseUserBind, io.EOF, unavailable, ""},
	} {
		got := outcomeOf(&opError{phase: tt.phase, host: "h:636", err: tt.err})
		if got.Kind() != tt.want || got.Reason() != tt.reason {
			t.Errorf("%s, %v: got %v, want %s(%s)", tt.phase, tt.err, got, tt.want, tt.reason)
		}
		if cause := got.Cause(); (got.Kind() == unavailable || got.Kind() == misconfigured) && !errors.Is(cause, tt.err) {
			t.Errorf("%s, %v: the cause is lost: %v", tt.phase, tt.err, cause)
		}
	}
	if got := outcomeOf(errors.New("nobody classified this")); got.Kind() != unavailable {
		t.Errorf("an error without a phase is %v", got)
	}
}

// TestOnlyListedCodesDeny goes through every code a server could send.
func TestOnlyListedCodesDeny(t *testing.T) {
	for code := range uint16(5000) {
		if code == 0 {
			continue
		}
		out := outcomeOf(&opError{phase: phaseUserBind, err: result(code)})
		want := code == 49 || code == 48 || code == 19
		if got := out.Kind() == connectors.KindDenied; got != want {
			t.Errorf("code %d of a user's bind: %v", code, out)
		}
		for _, ph := range []phase{phaseConnect, phaseServiceBind, phaseUserSearch, phaseGroups} {
			if kind := outcomeOf(&opError{phase: ph, err: result(code)}).Kind(); kind != connectors.KindUnavailable && kind != connectors.KindMisconfigured {
				t.Errorf("code %d at %s is %s", code, ph, kind)
			}
		}
	}
}

func TestRetryable(t *testing.T) {
	lost := ldap3.NewError(1, errors.New("000004DC: LdapErr: DSID-0C090A5C, a successful bind must be completed"))
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{io.EOF, true}, {result(ldap3.ErrorNetwork), true}, {lost, true}, {result(51), true}, {result(52), true}, {result(80), true},
		{result(1), false}, {result(3), false}, {result(4), false}, {result(32), false}, {result(49), false}, {result(50), false},
		{ldap3.ErrSizeLimitExceeded, false},
	} {
		if got := retryable(tt.err); got != tt.want {
			t.Errorf("%v: got %v", tt.err, got)
		}
	}
}

func TestBindControls(t *testing.T) {
	behera := func(code int8) ldap3.Control {
		c := ldap3.NewControlBeheraPasswordPolicy()
		c.Error = code
		return c
	}
	mustChange := &ldap3.ControlVChuPasswordMustChange{MustChange: true}
	for _, tt := range []struct {
		name     string
		err      error
		controls []ldap3.Control
		want     connectors.Kind
		reason   connectors.Reason
	}{
		{"success", nil, nil, connectors.KindGranted, ""},
		{"success, no state", nil, []ldap3.Control{behera(-1)}, connectors.KindGranted, ""},
		{"success, must change", nil, []ldap3.Control{behera(2)}, connectors.KindDenied, connectors.MustChange},
		{"success, must change, Netscape", nil, []ldap3.Control{behera(-1), mustChange}, connectors.KindDenied, connectors.MustChange},
		{"success, expired", nil, []ldap3.Control{behera(0)}, connectors.KindDenied, connectors.PasswordExpired},
		{"success, locked", nil, []ldap3.Control{behera(1)}, connectors.KindDenied, connectors.AccountLocked},
		{"success, unknown state", nil, []ldap3.Control{behera(7)}, connectors.KindUnavailable, ""},
		{"refused, locked", result(49), []ldap3.Control{behera(1)}, connectors.KindDenied, connectors.AccountLocked},
		{"refused, expired", result(49), []ldap3.Control{behera(0)}, connectors.KindDenied, connectors.PasswordExpired},
		{"refused, no state", result(49), []ldap3.Control{behera(-1)}, connectors.KindDenied, connectors.WrongPassword},
		{"refused, other state", result(49), []ldap3.Control{behera(7)}, connectors.KindDenied, connectors.WrongPassword},
		{"busy, locked: the code decides", result(51), []ldap3.Control{behera(1)}, connectors.KindUnavailable, ""},
		{"broken", io.EOF, []ldap3.Control{mustChange}, connectors.KindUnavailable, ""},
	} {
		got := connectors.KindGranted
		var reason connectors.Reason
		if err := bindResult(tt.err, tt.controls); err != nil {
			out := outcomeOf(&opError{phase: phaseUserBind, err: err})
			got, reason = out.Kind(), out.Reason()
		}
		if got != tt.want || reason != tt.reason {
			t.Errorf("%s: got %s(%s), want %s(%s)", tt.name, got, reason, tt.want, tt.reason)
		}
	}
}

// FuzzADReason: no diagnostic message makes a refused bind anything but refused.
func FuzzADReason(f *testing.F) {
	f.Add("80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 52e, v4563")
	f.Add(", data ")
	f.Add(", data 775")
	f.Fuzz(func(t *testing.T, diagnostic string) {
		err := &opError{phase: phaseUserBind, err: ldap3.NewError(49, errors.New(diagnostic))}
		if out := outcomeOf(err); out.Kind() != connectors.KindDenied || out.Reason() == "" {
			t.Fatalf("%q: %v", diagnostic, out)
		}
	})
}
