package oidc

import (
	"errors"
	"fmt"

	"drawbridge/connectors"
)

// deniedError is a refusal of this one login.
type deniedError struct{ reason connectors.Reason }

func (e *deniedError) Error() string { return string(e.reason) }

// settingError is a fault in our settings or the provider's.
type settingError struct{ err error }

func (e *settingError) Error() string { return e.err.Error() }
func (e *settingError) Unwrap() error { return e.err }

func denied(reason connectors.Reason) error { return &deniedError{reason} }

func misconfigured(format string, args ...any) error {
	return &settingError{fmt.Errorf(format, args...)}
}

// errOverage is for groups that are left out and cannot be fetched: to go on would be
// to say that there are none.
var errOverage = misconfigured("the person is in too many groups for a token, and the provider left them all out (Entra ID calls this overage); " +
	"set groups_overage_url, or in Entra choose \"groups assigned to the application\", or send roles and set groups_claim to roles")

// outcomeOf turns the error of a login into its outcome. Only what was marked
// denies or blames the settings; every other error is Unavailable.
func outcomeOf(err error) connectors.Outcome {
	if d, ok := errors.AsType[*deniedError](err); ok {
		return connectors.Denied(d.reason)
	}
	if _, ok := errors.AsType[*settingError](err); ok {
		return connectors.Misconfigured(err)
	}
	return connectors.Unavailable(err)
}
