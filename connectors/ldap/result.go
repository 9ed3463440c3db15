package ldap

import (
	"errors"
	"fmt"
	"strings"

	"drawbridge/connectors"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// phase is the step of a login an error came from. The same result code means
// something else in each.
type phase uint8

const (
	phaseConnect phase = iota // dial, TLS, StartTLS, waiting for a connection
	phaseServiceBind
	phaseUserSearch
	phaseGroups
	phaseUserBind
)

func (p phase) String() string {
	switch p {
	case phaseConnect:
		return "connect"
	case phaseServiceBind:
		return "bind as the service account"
	case phaseUserSearch:
		return "search the user"
	case phaseGroups:
		return "find the groups"
	case phaseUserBind:
		return "bind as the user"
	}
	return "unknown phase"
}

// opError is an error with the phase and the host it came from.
type opError struct {
	phase phase
	host  string // empty when no host was reached
	err   error
}

func (e *opError) Error() string {
	if e.host == "" {
		return fmt.Sprintf("%s: %v", e.phase, e.err)
	}
	return fmt.Sprintf("%s at %s: %v", e.phase, e.host, e.err)
}

func (e *opError) Unwrap() error { return e.err }

// What a search or a bind can say beside an LDAP result.
var (
	errNotFound   = errors.New("no entry matches the username")
	errAmbiguous  = errors.New("two or more entries match one username; narrow user.filter or user.base_dn")
	errMustChange = errors.New("the password must be changed before the account can be used")
	errExpired    = errors.New("the password has expired")
	errLocked     = errors.New("the account is locked")
	// errBadEntry wraps what is wrong with an entry the settings point at.
	errBadEntry = errors.New("the settings do not fit the directory")
)

// outcomeOf is the result table: what an error of a login means to the caller.
// It works by allow-list: recognised results deny or blame the settings, and
// everything else is Unavailable.
func outcomeOf(err error) connectors.Outcome {
	op, ok := errors.AsType[*opError](err)
	if !ok {
		return connectors.Unavailable(err)
	}
	if errors.Is(op.err, errNotAD) {
		return connectors.Misconfigured(err)
	}
	code, fromServer := resultCode(op.err)
	switch op.phase {
	case phaseServiceBind:
		if fromServer && serviceBindMisconfigured(code) {
			return connectors.Misconfigured(fmt.Errorf("%w; check bind_dn, bind_password and the transport", err))
		}
	case phaseUserSearch:
		return searchOutcome(err, code, fromServer)
	case phaseUserBind:
		if reason, denied := bindReason(op.err); denied {
			return connectors.Denied(reason)
		}
	case phaseConnect, phaseGroups:
	}
	return connectors.Unavailable(err)
}

// serviceBindMisconfigured lists the results that say our own account, and not
// the directory, is what is wrong.
func serviceBindMisconfigured(code uint16) bool {
	switch code {
	case ldap3.LDAPResultInvalidCredentials, ldap3.LDAPResultInappropriateAuthentication,
		ldap3.LDAPResultUnwillingToPerform, ldap3.LDAPResultStrongAuthRequired,
		ldap3.LDAPResultConfidentialityRequired:
		return true
	}
	return false
}

func searchOutcome(err error, code uint16, fromServer bool) connectors.Outcome {
	switch {
	case errors.Is(err, errNotFound):
		return connectors.NotMine()
	case errors.Is(err, errAmbiguous):
		return connectors.Denied(connectors.Ambiguous)
	case errors.Is(err, errBadEntry):
		return connectors.Misconfigured(err)
	case !fromServer:
		return connectors.Unavailable(err)
	}
	switch code {
	case ldap3.LDAPResultNoSuchObject, ldap3.LDAPResultInsufficientAccessRights,
		ldap3.LDAPResultUnavailableCriticalExtension, ldap3.LDAPResultReferral:
		return connectors.Misconfigured(fmt.Errorf("%w; check user.base_dn and what the service account may read", err))
	}
	return connectors.Unavailable(err)
}

// bindReason returns why a person's bind was denied, and false when the result
// does not deny.
func bindReason(err error) (connectors.Reason, bool) {
	if state, ok := errors.AsType[*stateError](err); ok {
		return state.reason, true
	}
	switch {
	case errors.Is(err, errMustChange):
		return connectors.MustChange, true
	case errors.Is(err, errExpired):
		return connectors.PasswordExpired, true
	case errors.Is(err, errLocked):
		return connectors.AccountLocked, true
	}
	code, fromServer := resultCode(err)
	if !fromServer {
		return "", false
	}
	switch code {
	case ldap3.LDAPResultInvalidCredentials:
		return adReason(err.Error()), true
	case ldap3.LDAPResultInappropriateAuthentication:
		return connectors.LoginRestricted, true // the entry has no password to bind with
	case ldap3.LDAPResultConstraintViolation:
		return connectors.AccountLocked, true // 389 Directory Server: retry limit exceeded
	}
	return "", false
}

// adReason reads the sub-code Active Directory puts into the diagnostic message
// of invalidCredentials: "80090308: LdapErr: DSID-0C09041C, comment:
// AcceptSecurityContext error, data 52e, v4563".
func adReason(diagnostic string) connectors.Reason {
	_, after, found := strings.Cut(diagnostic, ", data ")
	if !found {
		return connectors.WrongPassword
	}
	code, _, _ := strings.Cut(after, ",")
	switch strings.ToLower(strings.TrimSpace(code)) {
	case "52e":
		return connectors.WrongPassword
	case "52f", "530", "531", "569": // account, hour, workstation or logon-type restriction
		return connectors.LoginRestricted
	case "532":
		return connectors.PasswordExpired
	case "533":
		return connectors.AccountDisabled
	case "701":
		return connectors.AccountExpired
	case "773":
		return connectors.MustChange
	case "775":
		return connectors.AccountLocked
	}
	return connectors.UnknownOrWrong
}

// clientCodes is where go-ldap's own codes begin: they are no word of a server.
const clientCodes = ldap3.ErrorNetwork

// resultCode returns the LDAP result code when err is an answer of the server,
// and false when it is the transport's or the library's.
func resultCode(err error) (uint16, bool) {
	e, ok := errors.AsType[*ldap3.Error](err)
	if !ok || e.ResultCode >= clientCodes {
		return 0, false
	}
	return e.ResultCode, true
}

// retryable reports whether a search that failed so may succeed on another
// connection: the transport broke, the server is busy, or Active Directory has
// forgotten the bind of an idle connection (operationsError, 000004DC).
func retryable(err error) bool {
	switch {
	case errors.Is(err, ldap3.ErrSizeLimitExceeded):
		return false // go-ldap stopped reading, on our word
	case errors.Is(err, errNotAD), errors.Is(err, errTooManyGroups), errors.Is(err, errPaging):
		return false // the answer of a server that works
	}
	code, fromServer := resultCode(err)
	if !fromServer {
		return true
	}
	switch code {
	case ldap3.LDAPResultBusy, ldap3.LDAPResultUnavailable, ldap3.LDAPResultOther:
		return true
	case ldap3.LDAPResultOperationsError:
		return strings.Contains(err.Error(), "000004DC")
	}
	return false
}
