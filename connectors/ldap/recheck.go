package ldap

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"drawbridge/connectors"
	"drawbridge/identity"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// The attributes beside Active Directory's pwdLastSet that hold the time of a
// password's last change.
const (
	// pwdChangedTime is of draft-behera-ldap-password-policy-10, section 5.3.2.
	pwdChangedTime = "pwdChangedTime"
	// krbLastPwdChange is FreeIPA's and other Kerberos back ends'.
	krbLastPwdChange = "krbLastPwdChange" //nolint:gosec // the name of an attribute
	// pwdUpdateTime is 389 Directory Server's, with passwordTrackUpdateTime on.
	pwdUpdateTime = "pwdUpdateTime"
)

// passwordAttributes are those that stateAttributes does not have already.
func passwordAttributes() []string { return []string{pwdChangedTime, krbLastPwdChange, pwdUpdateTime} }

// passwordVersion returns the attribute and the time of the last change, and
// nothing where the directory tells of none.
func passwordVersion(entry *ldap3.Entry) string {
	for _, attr := range []string{pwdLastSet, pwdChangedTime, krbLastPwdChange, pwdUpdateTime} {
		if value := entry.GetEqualFoldAttributeValue(attr); value != "" {
			return attr + "=" + value
		}
	}
	return ""
}

// passwordChanged compares two versions. An earlier time than the one that was
// proved comes from a server that has not heard of the last change yet, or of a
// password to be changed at the next login (pwdLastSet is 0 then), which is a state
// of the account.
func passwordChanged(proved, now string) bool {
	if proved == now {
		return false
	}
	before, knownBefore := changeTime(proved)
	after, knownAfter := changeTime(now)
	sameAttribute := proved[:strings.IndexByte(proved, '=')+1] == now[:strings.IndexByte(now, '=')+1]
	return !knownBefore || !knownAfter || !sameAttribute || after.After(before)
}

// changeTime reads the time of a version: units of 100 ns since 1601 in Active
// Directory, a generalized time (RFC 4517 section 3.3.13) elsewhere.
func changeTime(version string) (time.Time, bool) {
	attr, value, _ := strings.Cut(version, "=")
	if attr == pwdLastSet {
		n, err := strconv.ParseInt(value, 10, 64)
		const perSecond = 10_000_000
		return time.Unix(n/perSecond, n%perSecond*100), err == nil // only compared with another one
	}
	t, err := time.Parse("20060102150405Z0700", value)
	return t, err == nil
}

// granted is the outcome for a person who may log in. Without a stable ID nobody
// could tell the person from a later one of the same name.
func (p *person) granted(connector string, method identity.Method) connectors.Outcome {
	out := connectors.Granted(p.identity(connector, method))
	if p.StableID != "" {
		return out.WithVersion(p.Version)
	}
	return out
}

// Recheck implements [connectors.Rechecker]. It looks the person up by name, which
// directories have an index for, and where that finds nobody, or somebody else, by
// the stable ID. It never asks the lookup cache, which it fills.
//
// A lock that only an administrator sets and ends is how an account is disabled
// where nothing else does it, and not what wrong passwords bring about.
func (c *Connector) Recheck(ctx context.Context, id identity.Identity, version string) connectors.Outcome {
	if id.StableID == "" || !usernameOK(id.Name) {
		return connectors.Denied(connectors.CannotRecheck)
	}
	if c.pool.isClosed() {
		return connectors.Unavailable(errClosed)
	}
	ctx, cancel := context.WithTimeout(ctx, c.limits.login)
	defer cancel()
	p, err := c.lookup(ctx, id.Name)
	if err == nil && p.StableID != id.StableID || err != nil && final(err) {
		p, err = c.findByID(ctx, id.StableID)
	}
	switch {
	case err != nil:
		return c.answer(ctx, err)
	case passwordChanged(version, p.Version):
		return connectors.Denied(connectors.PasswordChanged)
	case p.lockedForGood:
		return connectors.Denied(connectors.AccountDisabled)
	case p.state != "":
		return connectors.Denied(p.state)
	}
	return p.granted(c.name, identity.MethodNone)
}

// findByID finds the person with the stable ID, whatever the name is now, as long as
// user.filter would find them by some name.
func (c *Connector) findByID(ctx context.Context, stableID string) (*person, error) {
	id, err := stableFilter(stableID)
	if err != nil {
		return nil, &opError{phase: phaseUserSearch, err: errors.Join(errNotFound, err)}
	}
	p, err := c.find(ctx, "(&"+id+c.userFilter.expandAny()+")")
	if err == nil && p.StableID != stableID {
		return nil, &opError{phase: phaseUserSearch, err: errNotFound}
	}
	return p, err
}

// stableFilter finds the entry with the stable ID, by the attribute that has IDs of
// this form, so that a directory is asked for what it has an index of.
func stableFilter(stableID string) (string, error) {
	raw, err := hex.DecodeString(stableID)
	if err != nil || len(raw) == 0 {
		return "", fmt.Errorf("%q is no stable ID of this connector", stableID)
	}
	const guidSize = 16
	value := octets(raw)
	switch {
	case len(raw) == guidSize:
		return "(objectGUID=" + value + ")", nil
	case regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{8}){3}$`).Match(raw):
		return "(nsUniqueId=" + value + ")", nil
	}
	return "(|(entryUUID=" + value + ")(ipaUniqueID=" + value + "))", nil
}
