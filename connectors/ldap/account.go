package ldap

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"drawbridge/connectors"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// The attributes that hold the state of an account. Servers that do not know one
// leave it out.
const (
	userAccountControl = "userAccountControl"
	// computedControl is where Active Directory says what userAccountControl does
	// not: whether the lock and the password's age count now.
	computedControl = "msDS-User-Account-Control-Computed"
	accountExpires  = "accountExpires"
	pwdLastSet      = "pwdLastSet"
	// pwdLockedTime is of draft-behera-ldap-password-policy-10, section 5.3.3.
	pwdLockedTime = "pwdAccountLockedTime"
	// nsAccountLock is what 389 Directory Server and FreeIPA disable people with.
	nsAccountLock = "nsAccountLock"
)

func stateAttributes() []string {
	return []string{userAccountControl, computedControl, accountExpires, pwdLastSet, pwdLockedTime, nsAccountLock}
}

// Flags of userAccountControl and of its computed companion (MS-ADTS sections
// 2.2.16 and 3.1.1.4.5.17).
const (
	flagDisabled        = 0x2
	flagLocked          = 0x10
	flagTrust           = 0x800 | 0x1000 | 0x2000 // machines, whose passwords age otherwise
	flagNeverExpires    = 0x10000
	flagSmartcard       = 0x40000
	flagPasswordExpired = 0x800000
)

// lockedForGood is the pwdAccountLockedTime that only an administrator ends.
const lockedForGood = "000001010000Z"

// accountState returns why the account may not log in whatever the password, as
// far as its entry tells, and the empty reason when it tells of nothing.
//
// A lock of slapd that began at some time may be over; only a bind can tell.
func accountState(entry *ldap3.Entry, now time.Time) connectors.Reason {
	value := entry.GetEqualFoldAttributeValue
	if value(userAccountControl) != "" {
		return adState(value, now)
	}
	switch {
	case strings.EqualFold(value(nsAccountLock), "TRUE"):
		return connectors.AccountDisabled
	case value(pwdLockedTime) == lockedForGood:
		return connectors.AccountLocked
	}
	return ""
}

// adState reads the attributes of Active Directory. The order is that of its own
// checks. A value that is no number says nothing here: the bind decides.
func adState(value func(string) string, now time.Time) connectors.Reason {
	control, computed := number(value(userAccountControl)), number(value(computedControl))
	passwordAges := control&(flagNeverExpires|flagSmartcard|flagTrust) == 0
	switch {
	case computed&flagLocked != 0:
		return connectors.AccountLocked
	case control&flagDisabled != 0:
		return connectors.AccountDisabled
	case expired(number(value(accountExpires)), now):
		return connectors.AccountExpired
	case passwordAges && value(pwdLastSet) == "0":
		return connectors.MustChange
	case computed&flagPasswordExpired != 0:
		return connectors.PasswordExpired
	}
	return ""
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// expired reports whether a time of Active Directory is over: units of 100 ns
// since 1601. 0 and the largest number are never.
func expired(filetime int64, now time.Time) bool {
	const never, perSecond, until1970 = 1<<63 - 1, 10_000_000, 11_644_473_600
	if filetime <= 0 || filetime == never {
		return false
	}
	return filetime/perSecond-until1970 <= now.Unix()
}

// stateError is what a login ends with when the account's entry denies what the
// bind grants, or tells more than the bind that was refused.
type stateError struct{ reason connectors.Reason }

func (e *stateError) Error() string { return "the account may not log in: " + string(e.reason) }

// withState names the reason of a login from the state that this login's search
// found. A wrong password of an account that may not log in is put down to the
// account, since a directory that answers "52e" may have looked at nothing else;
// the caller reads the same sentence in any case. A bind that the directory grants
// against what the entry says is refused: a lookup would refuse it as well.
//
// An error that is no refusal stays what it is: an outage is never a denial.
func withState(bindErr error, state connectors.Reason) error {
	if state == "" {
		return bindErr
	}
	denied := &opError{phase: phaseUserBind, err: &stateError{state}}
	if bindErr == nil {
		return denied
	}
	out := outcomeOf(bindErr)
	if out.Kind() == connectors.KindDenied {
		if reason := out.Reason(); reason == connectors.WrongPassword || reason == connectors.UnknownOrWrong {
			return denied
		}
		return bindErr
	}
	// 389 Directory Server refuses a disabled account with unwillingToPerform.
	op, ok := errors.AsType[*opError](bindErr)
	if !ok || op.phase != phaseUserBind {
		return bindErr
	}
	if code, fromServer := resultCode(op.err); fromServer && code == ldap3.LDAPResultUnwillingToPerform {
		return denied
	}
	return bindErr
}
