package connectors

import (
	"fmt"

	"drawbridge/identity"
)

// Kind says which of the five outcomes an [Outcome] is.
type Kind uint8

// The five outcomes. The zero value is not one of them: an Outcome that nobody
// set is treated as KindUnavailable.
const (
	kindUnset Kind = iota
	KindGranted
	KindNotMine
	KindDenied
	KindUnavailable
	KindMisconfigured
)

// String returns the outcome's name as metrics and logs write it.
func (k Kind) String() string {
	switch k {
	case KindGranted:
		return "granted"
	case KindNotMine:
		return "not_mine"
	case KindDenied:
		return "denied"
	case KindMisconfigured:
		return "misconfigured"
	case KindUnavailable, kindUnset:
	}
	return "unavailable"
}

// Reason is why a connector denied a login. It goes to the audit log and to
// metrics; the client reads one generic sentence.
type Reason string

// The closed list of reasons.
const (
	WrongPassword     Reason = "wrong_password"
	UnknownOrWrong    Reason = "unknown_user_or_wrong_password" // a backend that tells no more
	UnknownUser       Reason = "unknown_user"                   // the chain's word when every connector said NotMine
	AccountDisabled   Reason = "account_disabled"
	AccountExpired    Reason = "account_expired"
	AccountLocked     Reason = "account_locked"
	PasswordExpired   Reason = "password_expired"
	MustChange        Reason = "password_must_change"
	Ambiguous         Reason = "ambiguous_user" // two entries match one username
	LoginRestricted   Reason = "login_restricted"
	InteractionNeeded Reason = "interaction_required" // a second factor: use browser sign-in
	TooManyFailures   Reason = "too_many_failures"    // wrong passwords for this username from this address
	BadUsername       Reason = "bad_username"         // empty, too long, NUL or not UTF-8
	BadPassword       Reason = "bad_password"         // empty, too long or NUL
	PasswordChanged   Reason = "password_changed"     // another password than the one that was proved; see Rechecker
	CannotRecheck     Reason = "cannot_recheck"       // the person's connector is gone, or is no Rechecker any more
	AddressRefused    Reason = "address_not_allowed"  // the account is bound to other addresses

	// Of robots, whose secrets tell their mistakes apart.
	UnknownRobot    Reason = "unknown_robot"           // or a robot's secret with a person's name
	MalformedSecret Reason = "malformed_secret"        // not a robot's secret, or one with a typing mistake
	UnknownSecret   Reason = "unknown_secret"          // well-formed, and not (or no longer) known
	OthersSecret    Reason = "secret_of_another_robot" // good, and not this robot's
	SecretExpired   Reason = "secret_expired"          // rotated, and the overlap is over

	// Of the account for the time that the directory is down.
	NotArmed Reason = "not_armed" // or not any more
)

// Outcome is a connector's answer: one of the five kinds, made by the functions
// of that name.
type Outcome struct {
	kind   Kind
	id     identity.Identity
	reason Reason
	about  string
	cause  error

	rechecks bool
	version  string
}

// Granted says that the backend vouches for the identity.
func Granted(id identity.Identity) Outcome { return Outcome{kind: KindGranted, id: id} }

// WithVersion says of a grant that the connector can re-check the person without a
// password (see [Rechecker]), and names the version of the password that was
// proved: some text that changes with the password and tells nothing of it, or
// the empty string where the backend has none. The version must have been read
// before the password was verified: one that was changed in between is then taken
// for changed, and never for the one that was proved.
func (o Outcome) WithVersion(version string) Outcome {
	o.rechecks, o.version = true, version
	return o
}

// Version returns what [Outcome.WithVersion] was given, and false where the person
// cannot be re-checked.
func (o Outcome) Version() (version string, rechecks bool) { return o.version, o.rechecks }

// NotMine says that the backend does not know the username.
func NotMine() Outcome { return Outcome{kind: KindNotMine} }

// Denied says that the backend knows the username and refuses the login.
func Denied(reason Reason) Outcome { return Outcome{kind: KindDenied, reason: reason} }

// About names whom a refusal concerns, by the qualified name. It is for the audit
// log, and only for a name that the backend knows: what was merely typed may be a
// password.
func (o Outcome) About(name string) Outcome {
	o.about = name
	return o
}

// Unavailable says that the backend cannot answer now.
func Unavailable(cause error) Outcome { return Outcome{kind: KindUnavailable, cause: cause} }

// Misconfigured says that our own settings are wrong.
func Misconfigured(cause error) Outcome { return Outcome{kind: KindMisconfigured, cause: cause} }

// Kind returns which of the five it is.
func (o Outcome) Kind() Kind {
	if o.kind == kindUnset {
		return KindUnavailable
	}
	return o.kind
}

// Identity returns who it is; the zero Identity unless Granted.
func (o Outcome) Identity() identity.Identity { return o.id }

// Whom returns the qualified name of whoever was granted, or of whom [Outcome.About]
// says that the refusal concerns; empty when that is not known.
func (o Outcome) Whom() string {
	if o.kind == KindGranted {
		return o.id.String()
	}
	return o.about
}

// Reason returns why the login was refused; empty unless Denied.
func (o Outcome) Reason() Reason { return o.reason }

// Cause returns what went wrong; nil unless Unavailable or Misconfigured.
func (o Outcome) Cause() error { return o.cause }

// String describes the outcome for logs and test failures.
func (o Outcome) String() string {
	switch o.Kind() {
	case KindGranted:
		return fmt.Sprintf("granted(%s)", o.id)
	case KindDenied:
		return fmt.Sprintf("denied(%s)", o.reason)
	case KindUnavailable, KindMisconfigured:
		return fmt.Sprintf("%s(%v)", o.Kind(), o.cause)
	case KindNotMine, kindUnset:
	}
	return o.Kind().String()
}
