package ldap

import (
	"context"
	"errors"
	"fmt"

	"drawbridge/connectors"
	"drawbridge/identity"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// maxBinds bounds the connections that logins open at once for their own binds.
const maxBinds = 32

var errBindsBusy = errors.New("too many logins at once")

// bindUser verifies the password by a bind as the DN, on a connection of its own
// that is closed after it. Hosts that cannot be reached are passed over, but once
// the request may have been written it is never sent again: a directory counts
// wrong passwords and locks. It returns nil, or an error of phaseUserBind or
// phaseConnect.
func (c *Connector) bindUser(ctx context.Context, dn string, password identity.Secret) error {
	if err := takeSlot(ctx, c.binds, c.limits.dial, errBindsBusy); err != nil {
		return &opError{phase: phaseConnect, err: err}
	}
	defer func() { <-c.binds }()
	s, err := c.open(ctx, nil, c.checkSuspect)
	if err != nil {
		return err
	}
	defer s.close()
	err = s.do(ctx, opUserBind, c.limits.op, func(conn *ldap3.Conn) error {
		result, err := conn.SimpleBind(ldap3.NewSimpleBindRequest(dn, password.Reveal(),
			[]ldap3.Control{ldap3.NewControlBeheraPasswordPolicy()}))
		if result == nil {
			return err
		}
		return bindResult(err, result.Controls)
	})
	if err == nil {
		return nil
	}
	if errors.Is(err, errNoAnswer) {
		s.host.failed(c.clock())
	}
	return &opError{phase: phaseUserBind, host: s.host.addr, err: err}
}

// checkSuspect asks a host that failed lately for its root DSE: a person's bind is
// never sent twice, so it is not what finds out whether the host answers again. An
// answer of any kind will do.
func (c *Connector) checkSuspect(ctx context.Context, s *session) error {
	if s.host.state(c.clock()) == BreakerClosed {
		return nil
	}
	err := s.probe(ctx, c.limits.dial)
	if _, fromServer := resultCode(err); err == nil || fromServer {
		return nil
	}
	return &opError{phase: phaseConnect, host: s.host.addr, err: err}
}

// bindResult reads the response controls of a bind, which may refuse what the
// result code grants and which give the reason where the code does not.
func bindResult(err error, controls []ldap3.Control) error {
	if err != nil {
		if _, denied := bindReason(err); !denied {
			return err
		}
	}
	for _, control := range controls {
		switch ct := control.(type) {
		case *ldap3.ControlVChuPasswordMustChange: // 2.16.840.1.113730.3.4.4
			return errMustChange
		case *ldap3.ControlBeheraPasswordPolicy:
			if state := policyError(ct.Error, err); state != nil {
				return state
			}
		}
	}
	return err
}

// The errors of draft-behera-ldap-password-policy-10, section 6.2, that a bind
// may carry. -1 is go-ldap's word for none.
const (
	policyNone             = -1
	policyPasswordExpired  = 0
	policyAccountLocked    = 1
	policyChangeAfterReset = 2
)

// policyError returns the account state, bindErr for a refused bind whose state
// says nothing, and for a granted bind with an unknown state an error that is
// Unavailable: what is not recognised does not let anybody in.
func policyError(code int8, bindErr error) error {
	switch code {
	case policyNone:
		return bindErr
	case policyPasswordExpired:
		return errExpired
	case policyAccountLocked:
		return errLocked
	case policyChangeAfterReset:
		return errMustChange
	}
	if bindErr != nil {
		return bindErr
	}
	return fmt.Errorf("unknown password policy state %d", code)
}

// checkCredential refuses what must not reach the directory. It returns false
// for a credential that may.
func checkCredential(cred identity.Credential) (connectors.Outcome, bool) {
	if !usernameOK(cred.Username) {
		return connectors.Denied(connectors.BadUsername), true
	}
	if !passwordOK(cred.Password.Reveal()) {
		return connectors.Denied(connectors.BadPassword), true
	}
	return connectors.Outcome{}, false
}
